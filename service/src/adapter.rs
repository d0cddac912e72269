//! An installed adapter, as an app holds it.

use std::sync::Arc;

use crate::call::{AdapterInfo, AdapterKey, Thing};
use crate::performer::Performer;

/// One installed generation of an adapter. It stays usable while it is held, also after it was replaced or removed.
#[derive(Debug)]
pub struct Adapter {
    info: AdapterInfo,
    performer: Arc<dyn Performer>,
}

impl Adapter {
    pub(crate) fn new(info: AdapterInfo, performer: Arc<dyn Performer>) -> Arc<Self> {
        Arc::new(Self { info, performer })
    }

    pub(crate) fn key(&self) -> AdapterKey {
        AdapterKey { alias: self.info.alias.clone(), generation: self.info.generation }
    }

    /// The name it is called by.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.info.alias
    }

    /// Its number, which grows with each installation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.info.generation
    }

    /// What it is and does.
    #[must_use]
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.performer.release(Thing::Adapter(self.info.hold));
    }
}
