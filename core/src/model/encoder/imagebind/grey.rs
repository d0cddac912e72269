//! What ImageBind's towers of one channel share: the convolution over a grey picture, and how a picture is prepared.

use serde_json::json;

use super::super::preprocessor::Preprocessor;
use super::config::TowerConfig;
use super::stem::{STEM_EPS, Stem};
use crate::error::Result;
use crate::input::ImageProcessor;
use crate::model::layer::{Bias, ConvShape, Grid, Loader};

/// Takes the tensors of `module`; features are a picture `[1, side, side]`.
pub(super) fn stem(loader: &mut Loader<'_>, config: &TowerConfig<'_>, module: &str) -> Result<Stem> {
    let width = config.block.width;
    let (side, patch) = config.square(16)?;
    let shape = ConvShape::square(1, width, patch, patch, 0);
    Ok(Stem {
        shape: vec![1, side, side],
        grid: Grid { height: side, width: side },
        conv: loader.conv(&format!("{module}.proj"), shape, Bias::Absent)?,
        norm: Some(loader.layer_norm(&format!("{module}.norm_layer"), width, STEM_EPS)?),
        frames: None,
    })
}

/// The shorter side to the network's (bicubic), the middle square, and levels `(level / 255 - mean) / std`.
pub(super) fn preprocessing(stem: &Stem, mean: f64, std: f64) -> Result<Preprocessor> {
    let side = stem.grid.width;
    let processor = ImageProcessor::parse(&json!({
        "image_processor_type": "LoamImageProcessor",
        "do_resize": true, "size": { "shortest_edge": side }, "resample": 3,
        "do_center_crop": true, "crop_size": { "height": side, "width": side },
        "do_rescale": true, "rescale_factor": 1.0 / 255.0,
        "do_normalize": true, "image_mean": [mean], "image_std": [std],
    }))?;
    Ok(Preprocessor::Image(processor))
}
