//! From a file's blocks to packed tiles, and back to single rows.

use super::format::{Format, GROUP, NESTED, Scaling, TILE_ROWS};
use crate::weights::{BlockType, half};

/// One group of one row: what a block of any type comes down to.
struct Parts {
    codes: [u8; GROUP],
    /// Scale and minimum as the scale plane stores them.
    scales: [u8; 4],
    /// What the block of 256 shares, two halves.
    nested: [u8; 4],
}

/// Writes the rows of one tile; rows beyond `rows` stay zero. `blocks` begins at the tile's first row.
pub(super) fn pack_tile(kind: BlockType, format: Format, blocks: &[u8], rows: usize, cols: usize, out: &mut [u8]) {
    let (row_bytes, groups) = (kind.bytes(cols), cols / GROUP);
    let (scales_at, nested_at) = (format.scales_at(groups), format.nested_at(groups));
    out.fill(0);
    for (row, blocks) in blocks.chunks_exact(row_bytes).take(rows).enumerate() {
        for group in 0..groups {
            let parts = read(kind, blocks, group);
            let at = group * format.code_bytes();
            place(format.bits, row, &parts.codes, &mut out[at..at + format.code_bytes()]);
            let scales = &mut out[scales_at + group * format.scale_bytes()..][..format.scale_bytes()];
            match format.scaling {
                Scaling::Symmetric { .. } => scales[2 * row..2 * row + 2].copy_from_slice(&parts.scales[..2]),
                Scaling::Affine => {
                    let (first, second) = scales.split_at_mut(2 * TILE_ROWS);
                    first[2 * row..2 * row + 2].copy_from_slice(&parts.scales[..2]);
                    second[2 * row..2 * row + 2].copy_from_slice(&parts.scales[2..]);
                }
                Scaling::Nested | Scaling::Signed => {
                    scales[row] = parts.scales[0];
                    scales[TILE_ROWS + row] = parts.scales[1];
                }
            }
            if format.nested_bytes() > 0 && group % NESTED == 0 {
                let nested = &mut out[nested_at + group / NESTED * format.nested_bytes()..][..format.nested_bytes()];
                for (plane, value) in nested.chunks_exact_mut(2 * TILE_ROWS).zip(parts.nested.chunks_exact(2)) {
                    plane[2 * row..2 * row + 2].copy_from_slice(value);
                }
            }
        }
    }
}

/// Puts a group's codes of one row into the registers.
fn place(bits: u8, row: usize, codes: &[u8; GROUP], out: &mut [u8]) {
    let register = 4 * TILE_ROWS;
    for (i, &code) in codes.iter().enumerate() {
        let (quad, byte) = (i / 4, row * 4 + i % 4);
        if bits == 8 {
            out[quad * register + byte] = code;
            continue;
        }
        out[quad / 2 * register + byte] |= (code & 15) << (quad % 2 * 4);
        let more = &mut out[4 * register..];
        match bits {
            5 => more[byte] |= (code >> 4) << quad,
            6 => more[quad / 4 * register + byte] |= (code >> 4) << (quad % 4 * 2),
            _ => {}
        }
    }
}

/// Takes a group's codes of one row out of the registers: the inverse of [`place`].
fn take(bits: u8, row: usize, packed: &[u8]) -> [u8; GROUP] {
    let register = 4 * TILE_ROWS;
    std::array::from_fn(|i| {
        let (quad, byte) = (i / 4, row * 4 + i % 4);
        if bits == 8 {
            return packed[quad * register + byte];
        }
        let four = packed[quad / 2 * register + byte] >> (quad % 2 * 4) & 15;
        let more = &packed[4 * register..];
        match bits {
            5 => four | (more[byte] >> quad & 1) << 4,
            6 => four | (more[quad / 4 * register + byte] >> (quad % 4 * 2) & 3) << 4,
            _ => four,
        }
    })
}

/// Decodes one row of a tile into `out`, `groups * 32` values.
pub(super) fn unpack_row(format: Format, tile: &[u8], row: usize, out: &mut [f32]) {
    let groups = out.len() / GROUP;
    let (scales_at, nested_at) = (format.scales_at(groups), format.nested_at(groups));
    let halves = |bytes: &[u8], at: usize| half(bytes[2 * at], bytes[2 * at + 1]);
    for (group, values) in out.chunks_exact_mut(GROUP).enumerate() {
        let codes = take(format.bits, row, &tile[group * format.code_bytes()..][..format.code_bytes()]);
        let scales = &tile[scales_at + group * format.scale_bytes()..][..format.scale_bytes()];
        let nested = &tile[nested_at + group / NESTED * format.nested_bytes()..][..format.nested_bytes()];
        // Scale and shift of each half of the group.
        let lines = match format.scaling {
            Scaling::Symmetric { zero } => {
                let scale = halves(scales, row);
                [(scale, -scale * f32::from(zero)); 2]
            }
            Scaling::Affine => [(halves(scales, row), halves(scales, TILE_ROWS + row)); 2],
            Scaling::Nested => {
                let scale = halves(nested, row) * f32::from(scales[row]);
                [(scale, -halves(nested, TILE_ROWS + row) * f32::from(scales[TILE_ROWS + row])); 2]
            }
            Scaling::Signed => [0, TILE_ROWS].map(|plane| {
                let scale = halves(nested, row) * f32::from(scales[plane + row].cast_signed());
                (scale, -32.0 * scale)
            }),
        };
        for (i, (y, code)) in values.iter_mut().zip(codes).enumerate() {
            let (scale, shift) = lines[i / (GROUP / 2)];
            *y = f32::from(code) * scale + shift;
        }
    }
}

/// Group `group` of a row of blocks.
fn read(kind: BlockType, blocks: &[u8], group: usize) -> Parts {
    let bytes = kind.block_bytes();
    let nested = kind.block_elements() > GROUP;
    let (index, within) = if nested { (group / NESTED, group % NESTED) } else { (group, 0) };
    let block = &blocks[index * bytes..][..bytes];
    let mut parts = Parts { codes: [0; GROUP], scales: [0; 4], nested: [0; 4] };
    let nibble = |at: usize, high: bool| if high { block[at] >> 4 } else { block[at] & 15 };
    match kind {
        BlockType::Q4_0 | BlockType::Q4_1 | BlockType::Q5_0 | BlockType::Q5_1 => {
            let halves = if matches!(kind, BlockType::Q4_0 | BlockType::Q5_0) { 2 } else { 4 };
            parts.scales[..halves].copy_from_slice(&block[..halves]);
            let fifth = bytes - halves > 16;
            let nibbles = if fifth { halves + 4 } else { halves };
            for (i, code) in parts.codes.iter_mut().enumerate() {
                *code = nibble(nibbles + i % 16, i >= 16);
                if fifth {
                    *code |= (block[halves + i / 8] >> (i % 8) & 1) << 4;
                }
            }
        }
        BlockType::Q8_0 => {
            parts.scales[..2].copy_from_slice(&block[..2]);
            for (code, &byte) in parts.codes.iter_mut().zip(&block[2..]) {
                *code = byte ^ 0x80;
            }
        }
        BlockType::Q4_K | BlockType::Q5_K => {
            parts.nested.copy_from_slice(&block[..4]);
            let (scale, min) = six_bits(&block[4..16], within);
            parts.scales[..2].copy_from_slice(&[scale, min]);
            let fifth = kind == BlockType::Q5_K;
            let nibbles = if fifth { 48 } else { 16 } + within / 2 * 32;
            for (i, code) in parts.codes.iter_mut().enumerate() {
                *code = nibble(nibbles + i, within % 2 == 1);
                if fifth {
                    *code |= (block[16 + i] >> within & 1) << 4;
                }
            }
        }
        BlockType::Q6_K => {
            parts.nested[..2].copy_from_slice(&block[208..210]);
            parts.scales[..2].copy_from_slice(&block[192 + within * 2..][..2]);
            let (side, quarter) = (within / 4, within % 4);
            for (i, code) in parts.codes.iter_mut().enumerate() {
                let high = block[128 + side * 32 + i] >> (quarter * 2) & 3;
                *code = nibble(side * 64 + quarter % 2 * 32 + i, quarter >= 2) | high << 4;
            }
        }
        BlockType::F32 | BlockType::F16 | BlockType::BF16 | BlockType::Q2_K | BlockType::Q3_K => {
            unreachable!("invariant: `Format::of` has no layout for {kind}")
        }
    }
    parts
}

/// Six-bit scale and minimum of group `j` of a `Q4_K` or `Q5_K` block.
fn six_bits(packed: &[u8], j: usize) -> (u8, u8) {
    if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4)
    }
}
