//! Services, on systems that have none: nothing can be connected to, and no service can be opened.

use loam::dispatch::Conditions;
use loam::engine::{EngineOptions, EngineStatus, PlaceStatus, Quotas, TrimLevel, Trimmed};
use loam_service::{Engine, FoundationInfo};

use crate::error::{LoamError, Result};

fn unsupported<T>() -> Result<T> {
    Err(LoamError::Unsupported {
        what: "service".to_owned(),
        reason: "services are on Linux and Android alone: open the foundation in this process".to_owned(),
    })
}

pub(crate) fn connect(_: &str) -> Result<Engine> {
    unsupported()
}

pub(crate) fn connect_fd(_: i32, _: &str) -> Result<Engine> {
    unsupported()
}

/// A service in this process, of which there can be none.
#[derive(Debug)]
pub(crate) enum Host {}

impl Host {
    pub(crate) fn open(_: &str, _: &str, _: EngineOptions) -> Result<Self> {
        unsupported()
    }

    pub(crate) fn serve(&self, _: i32, _: &str) -> Result<()> {
        match *self {}
    }

    pub(crate) fn listen(&self, _: &str) -> Result<()> {
        match *self {}
    }

    pub(crate) fn foundation(&self) -> Result<FoundationInfo> {
        match *self {}
    }

    pub(crate) fn connections(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn active_calls(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn trim(&self, _: TrimLevel) -> Trimmed {
        match *self {}
    }

    pub(crate) fn status(&self) -> EngineStatus {
        match *self {}
    }

    pub(crate) fn places(&self) -> Vec<PlaceStatus> {
        match *self {}
    }

    pub(crate) fn set_conditions(&self, _: Conditions) {
        match *self {}
    }

    pub(crate) fn quotas(&self, _: &str) -> Result<Quotas> {
        match *self {}
    }

    pub(crate) fn set_quotas(&self, _: &str, _: Quotas) -> Result<()> {
        match *self {}
    }

    pub(crate) fn end(&self) {
        match *self {}
    }
}
