//! Adapters: the small files that apps bring. Reading, checking, binding to a component, and the registry.

mod bind;
mod config;
pub mod dense;
mod head;
mod package;
mod registry;
mod signature;
mod table;
pub mod tags;
mod task;

pub use bind::{Base, BoundAdapter, bind};
pub use config::{LoraConfig, MAX_RANK, Scaling};
pub use dense::{DenseGives, DenseHead, DenseSpec};
pub use head::{AdapterHead, HeadReads, HeadSpec, HeadWidths, OutputSpec};
pub use package::AdapterPackage;
pub(crate) use registry::Lookup;
pub use registry::{Adapter, AdapterLimits, AdapterRegistry, Generation, InstallPolicy, InstalledAdapter, check_alias};
pub use signature::{KeyId, PublicKey, SIGNATURE_ENDING, Signature, SignaturePolicy, Signer, TrustedKeys};
pub use table::{TASKS, TaskSpec};
pub use tags::{Tag, TagsSpec};
pub use task::{AdapterTask, DataPath};
