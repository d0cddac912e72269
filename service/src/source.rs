//! Where an engine is.

use std::sync::Arc;

use crate::call::{Control, FoundationInfo, Reply};
use crate::error::Result;
use crate::local::Local;
use crate::performer::Performer;
use crate::store::AdapterStore;

/// An engine that apps attach to.
pub(crate) trait Source: std::fmt::Debug + Send + Sync {
    /// A share of the app `id`.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for the name; those of the connection.
    fn attach(&self, id: &str) -> Result<Arc<dyn Performer>>;

    /// What is open.
    ///
    /// # Errors
    /// Those of the connection.
    fn foundation(&self) -> Result<FoundationInfo>;

    /// What only whoever runs the engine may ask.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] for others; those of the connection.
    fn control(&self, control: Control) -> Result<Reply>;

    /// The engine itself, where it is in this process.
    fn local(&self) -> Option<&Arc<loam::Engine>>;
}

/// The engine of this process.
#[derive(Debug)]
pub(crate) struct InProcess(pub(crate) Arc<loam::Engine>);

impl Source for InProcess {
    fn attach(&self, id: &str) -> Result<Arc<dyn Performer>> {
        Ok(Arc::new(Local::new(Arc::new(AdapterStore::new(self.0.attach(id)?)))))
    }

    fn foundation(&self) -> Result<FoundationInfo> {
        Ok(FoundationInfo::of(&self.0))
    }

    fn control(&self, control: Control) -> Result<Reply> {
        control.perform(&self.0)
    }

    fn local(&self) -> Option<&Arc<loam::Engine>> {
        Some(&self.0)
    }
}
