//! Element and block types of tensors: names, sizes, and decoding to f32.

use crate::error::{Error, Result};
use crate::weights::block::{self, Decoder, Scalar};

/// How a tensor's elements are stored. Block types are those of ggml, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, missing_docs, reason = "the variants are ggml's own names")]
pub enum BlockType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
}

impl BlockType {
    /// Every type, in the order of ggml's numbering.
    pub const ALL: [Self; 13] = [
        Self::F32,
        Self::F16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::BF16,
    ];

    /// The type of ggml's number `id`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming the tensor and the number.
    pub fn from_ggml(id: u32, tensor: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.ggml() == id).ok_or_else(|| {
            let reason = "read are F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 and Q2_K to Q6_K";
            Error::unsupported(format!("ggml type {id} of tensor '{tensor}'"), reason)
        })
    }

    /// ggml's number of the type.
    #[must_use]
    pub fn ggml(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q2_K => 10,
            Self::Q3_K => 11,
            Self::Q4_K => 12,
            Self::Q5_K => 13,
            Self::Q6_K => 14,
            Self::BF16 => 30,
        }
    }

    /// The name that ggml and its tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2_K => "Q2_K",
            Self::Q3_K => "Q3_K",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
        }
    }

    /// Elements that share one block; rows are whole numbers of blocks.
    #[must_use]
    pub const fn block_elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
        }
    }

    /// Bytes of one block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2_K => 84,
            Self::Q3_K => 110,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    /// Bytes of `elements` values; they must be a whole number of blocks.
    #[must_use]
    pub const fn bytes(self, elements: usize) -> usize {
        elements / self.block_elements() * self.block_bytes()
    }

    /// Bytes of a tensor with rows of `row` elements.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a row is not a whole number of blocks, or the size overflows.
    pub fn bytes_for(self, tensor: &str, row: usize, elements: usize) -> Result<usize> {
        if !row.is_multiple_of(self.block_elements()) {
            let reason =
                format!("rows of {row} do not divide into {} blocks of {}", self.name(), self.block_elements());
            return Err(Error::malformed(format!("tensor '{tensor}'"), "weights", reason));
        }
        (elements / self.block_elements())
            .checked_mul(self.block_bytes())
            .ok_or_else(|| Error::malformed(format!("tensor '{tensor}'"), "weights", "its size overflows"))
    }

    /// Decodes `data` into `out`; the scalar reference of every kernel.
    ///
    /// # Panics
    /// When `data` does not hold exactly `out.len()` values.
    pub fn dequantize(self, data: &[u8], out: &mut [f32]) {
        self.decode::<Scalar>(data, out);
    }

    /// As [`BlockType::dequantize`], with the arithmetic of `D`.
    #[inline(always)]
    pub(crate) fn decode<D: Decoder>(self, data: &[u8], out: &mut [f32]) {
        assert_eq!(data.len(), self.bytes(out.len()), "invariant: tensor bytes were checked against the shape");
        match self {
            Self::F32 => block::f32(data, out),
            Self::F16 => D::halves(data, out),
            Self::BF16 => block::bf16(data, out),
            Self::Q4_0 => block::q4_0::<D>(data, out),
            Self::Q4_1 => block::q4_1::<D>(data, out),
            Self::Q5_0 => block::q5_0::<D>(data, out),
            Self::Q5_1 => block::q5_1::<D>(data, out),
            Self::Q8_0 => block::q8_0::<D>(data, out),
            Self::Q2_K => block::q2_k::<D>(data, out),
            Self::Q3_K => block::q3_k::<D>(data, out),
            Self::Q4_K => block::q4_k::<D>(data, out),
            Self::Q5_K => block::q5_k::<D>(data, out),
            Self::Q6_K => block::q6_k::<D>(data, out),
        }
    }
}

impl std::fmt::Display for BlockType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
