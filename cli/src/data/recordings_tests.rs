//! Arrays as numpy writes them, and arrays that are no such thing.

use std::io::Write;

use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use super::*;

/// A `.npy` file of version 1.
fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    raw(&format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"), data)
}

fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn archive(arrays: &[(&str, Vec<u8>)]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    let mut zip = zip::ZipWriter::new(&mut file);
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(format!("{name}.npy"), options).expect("entry");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("archive");
    file
}

fn halves(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
}

fn longs(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Two recordings of three steps.
fn two(x: Vec<u8>, y: Vec<u8>) -> Result<Recordings> {
    Recordings::read(archive(&[("x", x), ("y", y)]).path(), 2)
}

fn good() -> (Vec<u8>, Vec<u8>) {
    let values: Vec<f32> = (0..18u8).map(|i| f32::from(i) / 2.0).collect();
    (npy("<f2", "(2, 3, 3)", &halves(&values)), npy("<i8", "(2,)", &longs(&[1, 0])))
}

#[test]
fn arrays_of_every_type_are_read() {
    let (x, y) = good();
    let read = two(x.clone(), y.clone()).expect("read");
    assert_eq!((read.classes(), read.channels()), (&[1, 0][..], 3));
    assert_eq!(read.samples(1), (9..18u8).map(|i| f32::from(i) / 2.0).collect::<Vec<f32>>());
    let length = npy("<i4", "(2,)", &[2, 0, 0, 0, 3, 0, 0, 0]);
    let file = archive(&[("length", length), ("x", x), ("y", y.clone())]);
    let cut = Recordings::read(file.path(), 2).expect("read");
    assert_eq!((cut.samples(0).len(), cut.samples(1).len()), (6, 9));
    let singles: Vec<u8> = (0..6u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    assert_eq!(two(npy("<f4", "(2, 1, 3)", &singles), y.clone()).expect("f4").samples(1), [3.0, 4.0, 5.0]);
    let doubles: Vec<u8> = (0..6u8).flat_map(|i| f64::from(i).to_le_bytes()).collect();
    assert_eq!(two(npy("<f8", "(2, 1, 3)", &doubles), y).expect("f8").samples(0), [0.0, 1.0, 2.0]);
}

#[test]
fn what_is_no_motion_is_refused_by_array() {
    let (x, y) = good();
    let with_x = |x: Vec<u8>| two(x, y.clone());
    let with_y = |y: Vec<u8>| two(x.clone(), y);
    let huge = "(4294967296, 4294967296, 3)";
    let deep = format!("{{'descr': {}", "[".repeat(900));
    for (found, wanted) in [
        (Recordings::read(archive(&[("x", x.clone())]).path(), 2), "array 'y' is missing"),
        (Recordings::read(archive(&[("y", y.clone())]).path(), 2), "array 'x' is missing"),
        (with_x(npy("<f2", "(2, 3, 4)", &halves(&[0.0; 18]))), "of 24 values"),
        (with_x(npy("<f2", "(2, 3, 2)", &halves(&[0.0; 18]))), "more than the 12 values"),
        (with_x(npy("<f2", huge, &[])), "more than"),
        (with_x(npy("<f4", "(268435457, 1, 1)", &[])), "more than"),
        (with_x(npy("<f4", "(268435456, 1, 1)", &[])), "after 0 of 268435456"),
        (with_x(npy("<f4", "(-1, 3, 3)", &[])), "shape"),
        (with_x(npy("<f4", "(2, 3", &[])), "shape"),
        (with_x(npy("<f4", "()", &[0; 4])), "[recordings, steps, channels]"),
        (with_x(npy("<f4", "(2, 0, 3)", &[])), "some steps"),
        (with_x(npy("<f4", "(2, 1, 65)", &[0; 520])), "1 to 64 channels"),
        (with_x(npy(">f4", "(2, 1, 3)", &[0; 24])), ">f4"),
        (with_x(npy("|O", "(2, 1, 3)", &[0; 24])), "|O"),
        (with_x(npy("<i8", "(2, 1, 3)", &longs(&[0; 6]))), "expected floating point"),
        (with_x(raw("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1, 3), }", &[0; 24])), "Fortran"),
        (with_x(raw("{'descr': '<f4', 'shape': (2, 1, 3), }", &[0; 24])), "no fortran_order"),
        (with_x(raw(&deep, &[])), "descr"),
        (with_x(raw(&" ".repeat(2000), &[])), "2000 bytes"),
        (with_x(b"PK\x03\x04 something else".to_vec()), "no array of numpy"),
        (with_y(npy("<i8", "(3,)", &longs(&[0; 3]))), "expected [2]"),
        (with_y(npy("<i8", "(2,)", &longs(&[0, 2]))), "row 1: y is 2, expected 0 to 1"),
        (with_y(npy("<i8", "(2,)", &longs(&[-1, 0]))), "row 0: y is -1"),
        (with_y(npy("<f4", "(2,)", &[0; 8])), "expected whole numbers"),
    ] {
        let reason = found.expect_err(wanted).to_string();
        assert!(reason.contains(wanted), "{reason} instead of {wanted}");
    }
    let lengths = npy("<i8", "(2,)", &longs(&[3, 4]));
    let file = archive(&[("x", x.clone()), ("y", y.clone()), ("length", lengths)]);
    let reason = Recordings::read(file.path(), 2).expect_err("too long").to_string();
    assert!(reason.contains("row 1: length is 4, expected 1 to 3"), "{reason}");
    let reason = Recordings::read(archive(&[("x", x), ("y", y)]).path(), 0).expect_err("no labels").to_string();
    assert!(reason.contains("data.json has to name"), "{reason}");
}

/// A small file that inflates to gigabytes is stopped at the size of its shape.
#[test]
fn a_bomb_stops_at_its_shape() {
    let (_, y) = good();
    let x = npy("<f4", "(2, 1, 3)", &vec![0; 64 << 20]);
    let reason = two(x, y).expect_err("too much").to_string();
    assert!(reason.contains("more than the 6 values"), "{reason}");
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = MAGIC.to_vec();
        framed.extend(&bytes);
        let _ = Array::read(&framed[..]);
        let _ = Array::read(&bytes[..]);
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(&bytes).expect("written");
        let _ = Recordings::read(file.path(), 2);
    }

    #[test]
    fn any_header_ends_in_a_result(header in "[ -~]{0,200}", data in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = Array::read(&raw(&header, &data)[..]);
        let _ = Array::read(&raw(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({header}), }}"), &data)[..]);
    }
}
