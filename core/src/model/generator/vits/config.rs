//! Shape of a VITS model, from its Hugging Face `config.json`.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::encoder::{Fields, MAX_WIDTH};
use crate::model::layer::Activation;

const FORMAT: &str = "config.json";
/// Layers, flows and stages.
const MAX_COUNT: usize = 64;
/// Taps and dilations of convolutions.
const MAX_TAPS: usize = 512;
/// Samples per frame of latents.
const MAX_HOP: usize = 1 << 14;

/// One stage of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upsampling {
    pub(super) rate: usize,
    pub(super) kernel: usize,
}

/// One residual block of the decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResidualBlock {
    pub(super) kernel: usize,
    pub(super) dilations: Vec<usize>,
}

/// Shape and options of a VITS model.
#[derive(Clone, Debug, PartialEq)]
pub struct VitsConfig {
    pub(super) vocabulary: usize,
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) window: Option<usize>,
    pub(super) bias: bool,
    pub(super) inner: usize,
    pub(super) ffn_kernel: usize,
    pub(super) activation: Activation,
    pub(super) eps: f64,
    pub(super) latents: usize,
    pub(super) speakers: usize,
    pub(super) speaker_width: usize,
    pub(super) stochastic: bool,
    pub(super) duration: DurationShape,
    pub(super) flows: usize,
    pub(super) wavenet_layers: usize,
    pub(super) wavenet_kernel: usize,
    pub(super) wavenet_dilation: usize,
    pub(super) decoder_width: usize,
    pub(super) upsampling: Vec<Upsampling>,
    pub(super) residual: Vec<ResidualBlock>,
    pub(super) slope: f32,
    /// Samples per second of what it speaks.
    pub sampling_rate: usize,
    /// Speed where the caller asks for none.
    pub speaking_rate: f32,
    /// Scale of the noise on latents where the caller asks for none.
    pub noise_scale: f32,
    /// Scale of the noise on durations where the caller asks for none.
    pub noise_scale_duration: f32,
}

/// Shape of the duration predictors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DurationShape {
    pub(super) kernel: usize,
    pub(super) filters: usize,
    pub(super) separable_layers: usize,
    pub(super) flows: usize,
    pub(super) bins: usize,
    pub(super) tail: f32,
}

impl VitsConfig {
    /// Reads and bounds a configuration. Absent fields have the values of transformers' configuration class.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field and its value.
    pub fn parse(json: &Value) -> Result<Self> {
        let fields = Fields::new(json, FORMAT);
        let model_type = fields.text_or("model_type", "missing")?;
        if model_type != "vits" {
            return Err(Error::unsupported(format!("model_type '{model_type}'"), "vits speaks"));
        }
        let count = |name: &str, default| fields.size_or(name, default, MAX_COUNT);
        let width = |name: &str, default| fields.size_or(name, default, MAX_WIDTH);
        let odd = |name: &str, default| {
            let kernel = fields.size_or(name, default, MAX_TAPS)?;
            let even = || Error::unsupported(format!("{name} {kernel}"), "odd kernels keep the length");
            if kernel % 2 == 1 { Ok(kernel) } else { Err(even()) }
        };
        // Durations are pairs of one value and one of noise; the reference cannot run others.
        fields.only("depth_separable_channels", &2.into())?;
        let window =
            if json.get("window_size").is_some_and(Value::is_null) { None } else { Some(count("window_size", 4)?) };
        let config = Self {
            vocabulary: width("vocab_size", 38)?,
            width: width("hidden_size", 192)?,
            layers: count("num_hidden_layers", 6)?,
            heads: width("num_attention_heads", 2)?,
            window,
            bias: fields.flag_or("use_bias", true)?,
            inner: width("ffn_dim", 768)?,
            ffn_kernel: odd("ffn_kernel_size", 3)?,
            activation: Activation::parse("hidden_act", fields.text_or("hidden_act", "relu")?)?,
            eps: fields.number_or("layer_norm_eps", 1e-5)?,
            latents: width("flow_size", 192)?,
            speakers: width("num_speakers", 1)?,
            speaker_width: match fields.get("speaker_embedding_size").and_then(Value::as_u64) {
                None | Some(0) => 0,
                Some(_) => width("speaker_embedding_size", 1)?,
            },
            stochastic: fields.flag_or("use_stochastic_duration_prediction", true)?,
            duration: DurationShape {
                kernel: odd("duration_predictor_kernel_size", 3)?,
                filters: width("duration_predictor_filter_channels", 256)?,
                separable_layers: fields.size_or("depth_separable_num_layers", 3, 8)?,
                flows: count("duration_predictor_num_flows", 4)?,
                bins: count("duration_predictor_flow_bins", 10)?,
                tail: positive(&fields, "duration_predictor_tail_bound", 5.0)?,
            },
            flows: count("prior_encoder_num_flows", 4)?,
            wavenet_layers: count("prior_encoder_num_wavenet_layers", 4)?,
            wavenet_kernel: odd("wavenet_kernel_size", 5)?,
            wavenet_dilation: fields.size_or("wavenet_dilation_rate", 1, 8)?,
            decoder_width: width("upsample_initial_channel", 512)?,
            upsampling: upsampling(&fields)?,
            residual: residual(&fields)?,
            slope: fields.number_or("leaky_relu_slope", 0.1)? as f32,
            sampling_rate: fields.size_or("sampling_rate", 16_000, 1 << 20)?,
            speaking_rate: positive(&fields, "speaking_rate", 1.0)?,
            noise_scale: fields.number_or("noise_scale", 0.667)? as f32,
            noise_scale_duration: fields.number_or("noise_scale_duration", 0.8)? as f32,
        };
        config.checked(&fields)
    }

    fn checked(self, fields: &Fields<'_>) -> Result<Self> {
        if !self.width.is_multiple_of(self.heads) {
            return Err(fields.wrong("num_attention_heads", &format!("a divisor of {}", self.width)));
        }
        if !self.latents.is_multiple_of(2) {
            return Err(fields.wrong("flow_size", "an even number"));
        }
        if self.decoder_width >> self.upsampling.len() == 0 {
            return Err(fields.wrong("upsample_initial_channel", "a channel in every stage"));
        }
        // Every layer's dilation is the rate to the power of its index.
        let last = u32::try_from(self.wavenet_layers - 1).expect("invariant: counts are bounded");
        if self.wavenet_dilation.checked_pow(last).is_none_or(|dilation| dilation > MAX_TAPS) {
            return Err(fields.wrong("wavenet_dilation_rate", "dilations up to 512"));
        }
        let last = u32::try_from(self.duration.separable_layers - 1).expect("invariant: counts are bounded");
        if self.duration.kernel.checked_pow(last).is_none_or(|dilation| dilation > 1 << 16) {
            return Err(fields.wrong("duration_predictor_kernel_size", "dilations up to 65536"));
        }
        if self.speakers > 1 && self.speaker_width == 0 {
            return Err(fields.wrong("speaker_embedding_size", "a width for several speakers"));
        }
        Ok(self)
    }

    /// Rows of the embedding table.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Samples per frame of latents.
    #[must_use]
    pub fn hop(&self) -> usize {
        self.upsampling.iter().map(|stage| stage.rate).product()
    }

    /// Speakers to choose from; 0 for a model of one voice.
    #[must_use]
    pub fn speakers(&self) -> usize {
        if self.speakers > 1 { self.speakers } else { 0 }
    }
}

fn positive(fields: &Fields<'_>, name: &str, default: f64) -> Result<f32> {
    let value = fields.number_or(name, default)? as f32;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(fields.wrong(name, "a positive number")) }
}

fn numbers(fields: &Fields<'_>, name: &str, value: Option<&Value>, default: &[usize]) -> Result<Vec<usize>> {
    let Some(value) = value else { return Ok(default.to_vec()) };
    let read =
        |item: &Value| item.as_u64().and_then(|v| usize::try_from(v).ok()).filter(|v| (1..=MAX_TAPS).contains(v));
    let list: Option<Vec<usize>> = value.as_array().and_then(|items| items.iter().map(read).collect());
    list.filter(|list| (1..=MAX_COUNT).contains(&list.len()))
        .ok_or_else(|| fields.wrong(name, &format!("1 to {MAX_COUNT} numbers up to {MAX_TAPS}")))
}

fn upsampling(fields: &Fields<'_>) -> Result<Vec<Upsampling>> {
    let list = |name: &str, default: &[usize]| numbers(fields, name, fields.get(name), default);
    let rates = list("upsample_rates", &[8, 8, 2, 2])?;
    let kernels = list("upsample_kernel_sizes", &[16, 16, 4, 4])?;
    let fits = |(&rate, &kernel): (&usize, &usize)| kernel >= rate && (kernel - rate).is_multiple_of(2);
    if rates.len() != kernels.len() || !rates.iter().zip(&kernels).all(fits) {
        return Err(fields.wrong("upsample_kernel_sizes", "one kernel per rate, larger by an even number"));
    }
    if rates.iter().try_fold(1usize, |hop, &rate| hop.checked_mul(rate)).is_none_or(|hop| hop > MAX_HOP) {
        return Err(fields.wrong("upsample_rates", &format!("at most {MAX_HOP} samples per frame")));
    }
    Ok(rates.into_iter().zip(kernels).map(|(rate, kernel)| Upsampling { rate, kernel }).collect())
}

fn residual(fields: &Fields<'_>) -> Result<Vec<ResidualBlock>> {
    let name = "resblock_kernel_sizes";
    let kernels = numbers(fields, name, fields.get(name), &[3, 7, 11])?;
    if kernels.iter().any(|kernel| kernel % 2 == 0) {
        return Err(fields.wrong(name, "odd kernels, which keep the length"));
    }
    let name = "resblock_dilation_sizes";
    let lists = match fields.get(name) {
        None => vec![vec![1, 3, 5]; kernels.len()],
        Some(value) => {
            let lists = value.as_array().filter(|lists| lists.len() == kernels.len());
            let lists = lists.ok_or_else(|| fields.wrong(name, "a list per kernel"))?;
            lists.iter().map(|list| numbers(fields, name, Some(list), &[])).collect::<Result<_>>()?
        }
    };
    Ok(kernels.into_iter().zip(lists).map(|(kernel, dilations)| ResidualBlock { kernel, dilations }).collect())
}
