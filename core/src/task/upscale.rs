//! Super-resolution: Path 4, one generator alone.

use std::sync::Arc;

use crate::adapter::Adapter;
use crate::engine::{Engine, Upscaled};
use crate::error::{Error, Result};
use crate::foundation::ComponentKind;
use crate::input::Image;

/// How a picture is made larger.
#[derive(Clone, Debug, Default)]
pub struct UpscaleOptions {
    /// An adapter of the component for super-resolution.
    pub adapter: Option<Arc<Adapter>>,
}

impl Engine {
    /// Makes `image` larger by the foundation's network for super-resolution, whose factor is fixed; nothing else is loaded. Path 4.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] without one; [`Error::Adapter`] for an adapter of another component; as
    /// [`Upscaler::upscale`](crate::engine::Upscaler::upscale) otherwise.
    pub fn upscale(&self, image: &Image, options: &UpscaleOptions) -> Result<Upscaled> {
        let component = self.foundation().component(ComponentKind::SuperResolution)?.name();
        let adapter = options.adapter.as_deref();
        if let Some(other) = adapter.filter(|adapter| adapter.package.task().component != component) {
            let reason =
                format!("it acts on '{}', pictures are made larger by '{component}'", other.package.task().component);
            return Err(Error::adapter(&other.alias, reason));
        }
        self.upscaler()?.upscale(image, adapter.map(|adapter| &adapter.bound.deltas))
    }
}
