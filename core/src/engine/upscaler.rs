//! Super-resolution ready for pictures: the network of one component.

use std::path::Path;
use std::time::Instant;

use super::trace::{Part, Trace};
use crate::adapter::DataPath;
use crate::error::Result;
use crate::input::Image;
use crate::model::generator::Tiling;
use crate::model::generator::edsr::{Edsr, EdsrConfig};
use crate::quant::Deltas;
use crate::weights::{Checkpoint, MAX_CONFIG, read_json};

/// A picture at a larger size.
#[derive(Clone, Debug, PartialEq)]
pub struct Upscaled {
    /// It.
    pub image: Image,
    /// What ran.
    pub trace: Trace,
}

/// A loaded network for super-resolution. Immutable and shared.
#[derive(Debug)]
pub struct Upscaler {
    part: Part,
    model: Edsr,
}

impl Upscaler {
    /// Opens a directory of an EDSR network as super-image stores it.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for another model type; as [`EdsrConfig::parse`] and [`Edsr::load`] otherwise.
    pub fn open(part: Part, dir: &Path) -> Result<Self> {
        let config = EdsrConfig::parse(&read_json(&dir.join("config.json"), MAX_CONFIG)?)?;
        Ok(Self { part, model: Edsr::load(&Checkpoint::open(dir)?, config)? })
    }

    /// Its component, as traces name it.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The network.
    #[must_use]
    pub fn model(&self) -> &Edsr {
        &self.model
    }

    /// Makes `image` larger, under an adapter's deltas.
    ///
    /// # Errors
    /// As [`Edsr::upscale`].
    pub fn upscale(&self, image: &Image, deltas: Option<&Deltas>) -> Result<Upscaled> {
        let start = Instant::now();
        let image = self.model.upscale(image, Tiling::Fitting, deltas)?;
        Ok(Upscaled { image, trace: Trace::new(DataPath::Generator, vec![self.part.step(start)]) })
    }
}
