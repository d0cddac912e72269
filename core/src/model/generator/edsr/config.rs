//! Shape of an EDSR network, from the `config.json` of the package super-image.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::encoder::Fields;

const FORMAT: &str = "config.json";
/// Residual blocks; the largest that was published has 32.
const MAX_BLOCKS: usize = 256;
/// Channels; the largest that was published has 256.
const MAX_FEATURES: usize = 1024;
/// How much larger pictures may become.
const MAX_SCALE: usize = 8;
/// Red, green, blue.
pub(super) const COLOURS: usize = 3;

/// Shape and options of an EDSR network.
#[derive(Clone, Debug, PartialEq)]
pub struct EdsrConfig {
    /// How many times as high and as wide its output is.
    pub scale: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// Channels.
    pub features: usize,
    /// What residual branches are multiplied with.
    pub residual_scale: f32,
}

impl EdsrConfig {
    /// Reads and bounds a configuration. Absent fields have the values of super-image's `EdsrConfig`; the mean of colours that
    /// it names is not used by the network's forward pass, there or here.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field and its value.
    pub fn parse(json: &Value) -> Result<Self> {
        let fields = Fields::new(json, FORMAT);
        let model_type = fields.text_or("model_type", "missing")?;
        if model_type != "EDSR" {
            return Err(Error::unsupported(format!("model_type '{model_type}'"), "EDSR makes pictures larger"));
        }
        fields.only("n_colors", &COLOURS.into())?;
        fields.only("no_upsampling", &false.into())?;
        let scale = fields.size("scale", MAX_SCALE)?;
        if scale != 3 && (scale == 1 || !scale.is_power_of_two()) {
            return Err(fields.wrong("scale", "2, 3, 4 or 8"));
        }
        let residual_scale = fields.number_or("res_scale", 1.0)? as f32;
        if !residual_scale.is_finite() {
            return Err(fields.wrong("res_scale", "a single-precision number"));
        }
        Ok(Self {
            scale,
            blocks: fields.size_or("n_resblocks", 16, MAX_BLOCKS)?,
            features: fields.size_or("n_feats", 64, MAX_FEATURES)?,
            residual_scale,
        })
    }

    /// By how much each of the upsampling stages makes a picture larger.
    pub(super) fn stages(&self) -> Vec<usize> {
        if self.scale == 3 { vec![3] } else { vec![2; self.scale.ilog2() as usize] }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_those_of_super_image() {
        let config = EdsrConfig::parse(&json!({ "model_type": "EDSR", "scale": 4 })).expect("config");
        assert_eq!(config, EdsrConfig { scale: 4, blocks: 16, features: 64, residual_scale: 1.0 });
        assert_eq!(config.stages(), [2, 2]);
        let three = EdsrConfig { scale: 3, ..config };
        assert_eq!(three.stages(), [3]);
    }

    #[test]
    fn what_is_not_run_is_refused() {
        for (changed, named) in [
            (json!({ "model_type": "CARN" }), "CARN"),
            (json!({ "scale": 5 }), "scale is 5"),
            (json!({ "scale": 1 }), "scale is 1"),
            (json!({ "scale": 1_000_000 }), "scale is 1000000"),
            (json!({ "n_colors": 1 }), "n_colors 1"),
            (json!({ "no_upsampling": true }), "no_upsampling true"),
            (json!({ "n_feats": 1_i64 << 40 }), "n_feats is"),
            (json!({ "n_resblocks": 0 }), "n_resblocks is 0"),
            (json!({ "res_scale": 1e300 }), "res_scale is"),
        ] {
            let mut json = json!({ "model_type": "EDSR", "scale": 4 });
            for (name, value) in changed.as_object().expect("an object") {
                json[name] = value.clone();
            }
            let error = EdsrConfig::parse(&json).expect_err(named).to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }
}
