//! Installed adapters.

use std::sync::Arc;

/// What to do when an alias is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum InstallPolicy {
    /// Refuse.
    Create,
    /// Replace whatever is there.
    Upsert,
    /// Replace only this generation.
    CompareAndSwap {
        /// Its number.
        generation: u64,
    },
}

impl InstallPolicy {
    pub(crate) fn service(self) -> loam_service::InstallPolicy {
        match self {
            Self::Create => loam_service::InstallPolicy::Create,
            Self::Upsert => loam_service::InstallPolicy::Upsert,
            Self::CompareAndSwap { generation } => loam_service::InstallPolicy::CompareAndSwap(generation),
        }
    }
}

/// One installed generation of an adapter. It stays usable for as long as it is held, also after it was replaced.
#[derive(Debug, uniffi::Object)]
pub struct Adapter {
    inner: Arc<loam_service::Adapter>,
}

impl Adapter {
    pub(crate) fn new(inner: Arc<loam_service::Adapter>) -> Arc<Self> {
        Arc::new(Self { inner })
    }

    pub(crate) fn service(&self) -> &Arc<loam_service::Adapter> {
        &self.inner
    }
}

/// What calls with an optional adapter take.
pub(crate) fn service(adapter: Option<&Arc<Adapter>>) -> Option<&Arc<loam_service::Adapter>> {
    adapter.map(|adapter| adapter.service())
}

#[uniffi::export]
impl Adapter {
    /// The name it is called by.
    pub fn alias(&self) -> String {
        self.inner.alias().to_owned()
    }

    /// Its number, which grows with each installation.
    pub fn generation(&self) -> u64 {
        self.inner.generation()
    }

    /// What it does, where its author says so.
    pub fn description(&self) -> Option<String> {
        self.inner.info().description.clone()
    }

    /// The task that it is for, where its author says so.
    pub fn task(&self) -> Option<String> {
        self.inner.info().task.clone()
    }

    /// Component of the foundation that it acts on.
    pub fn component(&self) -> String {
        self.inner.info().component.clone()
    }

    /// System message that it was trained with. A session that is given this adapter begins with it.
    pub fn instructions(&self) -> Option<String> {
        self.inner.info().instructions.clone()
    }

    /// Its class names.
    pub fn labels(&self) -> Vec<String> {
        self.inner.info().labels.clone()
    }

    /// Bytes of its matrices.
    pub fn bytes(&self) -> u64 {
        self.inner.info().bytes
    }
}
