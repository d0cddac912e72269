//! Whether a file is whole.
//!
//! The decoders of JPEG and lossy WebP fill what is missing of a truncated file and report success; a classifier would
//! then answer about grey. So its end is looked for before it is decoded.

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
const TEMPORARY: u8 = 0x01;

/// Whether the end marker of a JPEG file comes after its last scan. Walks the segments of ITU-T T.81, annex B, since
/// thumbnails inside of segments have end markers of their own, which do not count. Reads each byte at most once.
pub(super) fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            END_OF_IMAGE => return true,
            // Markers without a segment; restarts stand inside of scans.
            TEMPORARY | 0xd0..=0xd8 => {}
            _ => {
                let Some(length) = bytes.get(at..at + 2) else { return false };
                at += usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                if marker == START_OF_SCAN {
                    skip_scan(bytes, &mut at);
                }
            }
        }
    }
    false
}

/// The next marker's code; `at` is left behind it. Bytes between segments are passed over, as decoders do.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let skipped = bytes.get(*at..)?.iter().position(|&byte| byte == 0xff)?;
        *at += skipped;
        let code = bytes.get(*at..)?.iter().position(|&byte| byte != 0xff)?;
        *at += code + 1;
        match bytes[*at - 1] {
            0 => {}
            marker => return Some(marker),
        }
    }
}

/// Moves to the marker that ends a scan's data, in which 0xff is followed by 0 or a restart.
fn skip_scan(bytes: &[u8], at: &mut usize) {
    while let Some(skipped) = bytes.get(*at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        *at += skipped;
        match bytes.get(*at + 1) {
            Some(0 | 0xd0..=0xd7) => *at += 2,
            _ => return,
        }
    }
}

/// Whether a WebP file has the bytes that its RIFF header counts: all but the first eight.
pub(super) fn webp_is_whole(bytes: &[u8]) -> bool {
    let counted = bytes.get(4..8).and_then(|field| field.try_into().ok()).map(u32::from_le_bytes);
    counted.is_some_and(|counted| (bytes.len() - 8) as u64 >= u64::from(counted))
}
