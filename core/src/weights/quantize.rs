//! Checkpoints to smaller ones: the weights of linears in blocks of 8 or 4 bits, everything else as it is.
//!
//! The result is one GGUF file with the checkpoint's own tensor names, which lies beside the checkpoint's `config.json` and
//! is read through the same loaders. A weight is quantized when it is a matrix named as the weight of a linear and its rows
//! are whole blocks; embedding tables, convolutions, norms and biases stay in their type.

use std::path::Path;

use crate::error::{Error, Result};
use crate::pool;
use crate::weights::checkpoint::{Checkpoint, Naming, TensorInfo};
use crate::weights::dtype::BlockType;
use crate::weights::encode;
use crate::weights::gguf::{ARCHITECTURE_KEY, HUGGING_FACE};
use crate::weights::gguf_writer::GgufPlan;
use crate::weights::tensor::TensorView;

/// Values that are encoded at a time.
const CHUNK: usize = 1 << 20;

/// The block types that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantization {
    /// 8.5 bits per weight: hardly different from F16.
    Q8_0,
    /// Blocks as Q8_0 in which all of a row have the same scale, so that products are integers from end to end: the fastest
    /// for encoders, which read many rows. Activations are rounded with one scale per row, too.
    Int8,
    /// 4.5 bits per weight.
    Q4_0,
}

impl Quantization {
    /// The type of that name, in lower case as recipes have it: `q8_0`, `int8` or `q4_0`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "q8_0" => Some(Self::Q8_0),
            "int8" => Some(Self::Int8),
            "q4_0" => Some(Self::Q4_0),
            _ => None,
        }
    }

    /// Name in recipes and manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Q8_0 => "q8_0",
            Self::Int8 => "int8",
            Self::Q4_0 => "q4_0",
        }
    }

    /// Its block type.
    #[must_use]
    pub fn kind(self) -> BlockType {
        match self {
            Self::Q8_0 | Self::Int8 => BlockType::Q8_0,
            Self::Q4_0 => BlockType::Q4_0,
        }
    }

    /// Appends the blocks of `values`, rows of `cols` values each, as ggml's reference quantization makes them.
    ///
    /// # Panics
    /// When they are no whole rows of whole blocks.
    pub fn encode(self, values: &[f32], cols: usize, out: &mut Vec<u8>) {
        assert!(cols.is_multiple_of(self.kind().block_elements()), "invariant: rows are whole blocks");
        assert!(values.len().is_multiple_of(cols), "invariant: rows are whole");
        match self {
            Self::Q8_0 => encode::q8_0(values, out),
            Self::Int8 => values.chunks_exact(cols).for_each(|row| encode::q8_0_row(row, out)),
            Self::Q4_0 => encode::q4_0(values, out),
        }
    }
}

/// What became of a checkpoint's tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct QuantizedTensors {
    /// Matrices in blocks.
    pub quantized: usize,
    /// Tensors that kept their type.
    pub kept: usize,
    /// Tensors that were left out: integers, which are constants and counters, no weights.
    pub left_out: usize,
}

/// Writes `checkpoint` to the new file `target`, calling `progress` with bytes of the source as they are done.
///
/// # Errors
/// [`Error::Unsupported`] for a GGUF file with llama.cpp's names, or for one that holds nothing to quantize;
/// [`Error::Malformed`] naming a weight that is not finite or too large for a half-precision scale; [`Error::Io`].
pub fn quantize(
    checkpoint: &Checkpoint,
    quantization: Quantization,
    target: &Path,
    mut progress: impl FnMut(u64),
) -> Result<QuantizedTensors> {
    if checkpoint.naming() == Naming::Gguf {
        return Err(Error::unsupported("quantizing a GGUF file", "take one that is quantized already"));
    }
    let mut counts = QuantizedTensors::default();
    let mut plan = GgufPlan::default();
    plan.metadata(ARCHITECTURE_KEY, HUGGING_FACE);
    plan.metadata("general.quantization", quantization.name());
    let mut kept = Vec::new();
    for info in checkpoint.describe()? {
        let Some(kind) = stored_kind(&info) else {
            counts.left_out += 1;
            progress(info.bytes as u64);
            continue;
        };
        let kind = if is_linear(&info, quantization.kind()) { quantization.kind() } else { kind };
        plan.tensor(info.name.clone(), &info.shape, kind)?;
        if kind == quantization.kind() {
            counts.quantized += 1;
        } else {
            counts.kept += 1;
        }
        kept.push((info, kind));
    }
    if counts.quantized == 0 {
        let reason = format!("none of its {} tensors is a linear's with rows of whole blocks", kept.len());
        return Err(Error::unsupported("quantizing this checkpoint", reason));
    }
    let mut writer = plan.create(target)?;
    for (info, kind) in kept {
        let view = checkpoint.require(&info.name)?;
        if kind == view.kind {
            writer.write(&view.data)?;
        } else {
            for part in blocks(&view, quantization)? {
                writer.write(&part)?;
            }
        }
        progress(info.bytes as u64);
    }
    writer.finish()?;
    Ok(counts)
}

/// The type in which a tensor that is not quantized is written; `None` for integers.
fn stored_kind(info: &TensorInfo) -> Option<BlockType> {
    match info.kind.as_str() {
        // Read as F32.
        "F64" => Some(BlockType::F32),
        name => BlockType::ALL.into_iter().find(|kind| kind.name() == name),
    }
}

/// Whether a tensor is the weight of a linear, by its name and shape: `.weight`, or the fused `in_proj_weight` of an
/// attention. Tables of embeddings are matrices too and have "embed" in their paths in every family.
fn is_linear(info: &TensorInfo, kind: BlockType) -> bool {
    let named = info.name.ends_with(".weight") || info.name.ends_with("in_proj_weight");
    let whole = info.shape.last().is_some_and(|row| row.is_multiple_of(kind.block_elements()));
    let is_plain = matches!(info.kind.as_str(), "F64" | "F32" | "F16" | "BF16");
    // "patch_embeddings.projection" and the like are convolutions, and linears of patches where they are matrices.
    let path = info.name.strip_suffix(".weight").unwrap_or(&info.name);
    let is_table = path.rsplit('.').next().is_some_and(|last| last.contains("embed") || last == "shared");
    named && whole && is_plain && info.shape.len() == 2 && !is_table
}

/// The blocks of a tensor, a part after the other.
fn blocks(view: &TensorView, quantization: Quantization) -> Result<Vec<Vec<u8>>> {
    let cols = *view.shape.last().expect("invariant: a linear's weight is a matrix");
    let bytes = view.kind.bytes((CHUNK / cols).max(1) * cols);
    let limit = match quantization {
        Quantization::Q8_0 | Quantization::Int8 => 127.0,
        Quantization::Q4_0 => 8.0,
    } * half::f16::MAX.to_f32();
    let parts: Vec<&[u8]> = view.data.chunks(bytes).collect();
    let encode = |part: usize| {
        let data = parts[part];
        let mut values = vec![0.0; data.len() / view.kind.block_bytes()];
        view.kind.dequantize(data, &mut values);
        if let Some(value) = values.iter().find(|value| value.is_nan() || value.abs() > limit) {
            let reason = format!("{value} cannot be quantized to {}", quantization.name());
            return Err(Error::malformed(format!("tensor '{}'", view.name), "weights", reason));
        }
        let mut out = Vec::with_capacity(quantization.kind().bytes(values.len()));
        quantization.encode(&values, cols, &mut out);
        Ok(out)
    };
    pool::map(parts.len(), encode).into_iter().collect()
}
