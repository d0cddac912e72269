//! Installed adapters.

use std::sync::Arc;

use loam::adapter;

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
    pub(crate) fn core(self) -> adapter::InstallPolicy {
        match self {
            Self::Create => adapter::InstallPolicy::Create,
            Self::Upsert => adapter::InstallPolicy::Upsert,
            Self::CompareAndSwap { generation } => {
                adapter::InstallPolicy::CompareAndSwap(adapter::Generation(generation))
            }
        }
    }
}

/// One installed generation of an adapter. It stays usable for as long as it is held, also after it was replaced.
#[derive(Debug, uniffi::Object)]
pub struct Adapter {
    inner: Arc<adapter::Adapter>,
}

impl Adapter {
    pub(crate) fn new(inner: Arc<adapter::Adapter>) -> Arc<Self> {
        Arc::new(Self { inner })
    }

    pub(crate) fn core(&self) -> Arc<adapter::Adapter> {
        Arc::clone(&self.inner)
    }
}

#[uniffi::export]
impl Adapter {
    /// The name it is called by.
    pub fn alias(&self) -> String {
        self.inner.alias.clone()
    }

    /// Its number, which grows with each installation.
    pub fn generation(&self) -> u64 {
        self.inner.generation.0
    }

    /// What it does, where its author says so.
    pub fn description(&self) -> Option<String> {
        self.inner.package.task().description.clone()
    }

    /// The task that it is for, where its author says so.
    pub fn task(&self) -> Option<String> {
        self.inner.package.task().task.clone()
    }

    /// Component of the foundation that it acts on.
    pub fn component(&self) -> String {
        self.inner.package.task().component.clone()
    }

    /// System message that it was trained with. A session that is given this adapter begins with it.
    pub fn instructions(&self) -> Option<String> {
        self.inner.package.task().instructions.clone()
    }

    /// Its class names.
    pub fn labels(&self) -> Vec<String> {
        self.inner.package.task().labels.clone()
    }

    /// Bytes of its matrices.
    pub fn bytes(&self) -> u64 {
        self.inner.bytes() as u64
    }
}
