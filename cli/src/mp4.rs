//! What of an MP4 file is read at all. Its reader trusts tables whose length and counts a file only claims, so what could keep it
//! busy for hours, or that it indexes without looking, is refused before.

use std::io::{Read, Seek, SeekFrom};

/// Of the box `moov`, which describes the file: an hour of film has less.
const MAX_TABLES: u64 = 1 << 20;
/// Boxes of a level.
const MAX_BOXES: usize = 4096;
/// What begins every such file, behind four bytes of length.
const FIRST: &[u8; 4] = b"ftyp";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// MP4, in one piece and with tables of a usual size.
    Mp4,
    /// It does not begin as MP4 does.
    Other,
}

/// Looks at the boxes of `source`, and leaves it at its begin.
///
/// # Errors
/// What is refused, or why it cannot be read.
pub fn check<S: Read + Seek + ?Sized>(source: &mut S) -> Result<Form, String> {
    let told = |reason: std::io::Error| reason.to_string();
    let length = source.seek(SeekFrom::End(0)).map_err(told)?;
    source.rewind().map_err(told)?;
    let found = walk(source, length);
    source.rewind().map_err(told)?;
    found
}

fn walk<S: Read + Seek + ?Sized>(source: &mut S, length: u64) -> Result<Form, String> {
    let Some((kind, _, mut end)) = next(source, 0, length)? else { return Ok(Form::Other) };
    if kind != *FIRST {
        return Ok(Form::Other);
    }
    for _ in 0..MAX_BOXES {
        let Some((kind, begin, after)) = next(source, end, length)? else { return Ok(Form::Mp4) };
        match &kind {
            b"moof" => return Err("it is in fragments, which are not read".to_owned()),
            b"moov" if after - begin > MAX_TABLES => {
                return Err(format!("its tables have {} bytes, at most {MAX_TABLES} are read", after - begin));
            }
            b"moov" => tables(source, begin, after)?,
            _ => {}
        }
        end = after;
    }
    Err(format!("more than {MAX_BOXES} boxes"))
}

fn tables<S: Read + Seek + ?Sized>(source: &mut S, mut place: u64, end: u64) -> Result<(), String> {
    while let Some((kind, _, after)) = next(source, place, end)? {
        if &kind == b"mvex" {
            return Err("it is in fragments, which are not read".to_owned());
        }
        place = after;
    }
    Ok(())
}

/// Kind, begin and end of what is in the box at `place`; none where there is no room for one.
fn next<S: Read + Seek + ?Sized>(source: &mut S, place: u64, end: u64) -> Result<Option<([u8; 4], u64, u64)>, String> {
    const HEAD: u64 = 8;
    if end.saturating_sub(place) < HEAD {
        return Ok(None);
    }
    let told = |reason: std::io::Error| reason.to_string();
    source.seek(SeekFrom::Start(place)).map_err(told)?;
    let mut head = [0; HEAD as usize];
    source.read_exact(&mut head).map_err(told)?;
    let [a, b, c, d, kind @ ..] = head;
    let (size, begin) = match u32::from_be_bytes([a, b, c, d]) {
        // To the end of the file, and lengths of 64 bits behind the kind (ISO/IEC 14496-12, 4.2).
        0 => (end - place, HEAD),
        1 => {
            let mut long = [0; 8];
            source.read_exact(&mut long).map_err(told)?;
            (u64::from_be_bytes(long), 2 * HEAD)
        }
        size => (u64::from(size), HEAD),
    };
    let after = place.checked_add(size).filter(|after| size >= begin && *after <= end);
    match after {
        Some(after) => Ok(Some((kind, place + begin, after))),
        // What is no such file at all is for others to name.
        None if place == 0 && kind != *FIRST => Ok(None),
        None => Err(format!("a box at byte {place} has {size} bytes, there are {}", end - place)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).expect("small");
        [&size.to_be_bytes(), &kind[..], content].concat()
    }

    fn checked(bytes: Vec<u8>) -> Result<Form, String> {
        check(&mut Cursor::new(bytes))
    }

    #[test]
    fn files_in_one_piece_pass_and_other_formats_do() {
        let whole = [boxed(b"ftyp", b"isom"), boxed(b"moov", &boxed(b"mvhd", &[0; 20])), boxed(b"mdat", b"x")].concat();
        assert_eq!(checked(whole), Ok(Form::Mp4));
        assert_eq!(checked(b"RIFF....WAVE".to_vec()), Ok(Form::Other));
        assert_eq!(checked(Vec::new()), Ok(Form::Other));
    }

    #[test]
    fn fragments_large_tables_and_cut_boxes_are_refused() {
        let first = boxed(b"ftyp", b"isom");
        for (rest, wanted) in [
            (boxed(b"moof", &[]), "fragments"),
            (boxed(b"moov", &boxed(b"mvex", &[])), "fragments"),
            (boxed(b"moov", &vec![0; (MAX_TABLES + 1) as usize]), "at most 1048576"),
            (vec![0, 0, 0, 99, b'm', b'o', b'o', b'v'], "99 bytes"),
            (vec![0, 0, 0, 1, b'm', b'o', b'o', b'v', 0, 0, 0, 0, 0, 0, 0, 3], "3 bytes"),
            (vec![0, 0, 0, 2, b'f', b'r', b'e', b'e'], "2 bytes"),
        ] {
            let refused = checked([&first[..], &rest].concat()).expect_err(wanted);
            assert!(refused.contains(wanted), "{refused}");
        }
    }
}
