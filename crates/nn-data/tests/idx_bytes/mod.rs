//! The IDX format written from its description, independently of the reader.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use nn_data::idx::Idx;

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn encode(contents: &Idx) -> Vec<u8> {
    let (kind, elements): (u8, Vec<u8>) = match contents {
        Idx::U8(array) => (0x08, array.iter().copied().collect()),
        Idx::I8(array) => (0x09, array.iter().flat_map(|x| x.to_be_bytes()).collect()),
        Idx::I16(array) => (0x0b, array.iter().flat_map(|x| x.to_be_bytes()).collect()),
        Idx::I32(array) => (0x0c, array.iter().flat_map(|x| x.to_be_bytes()).collect()),
        Idx::F32(array) => (0x0d, array.iter().flat_map(|x| x.to_be_bytes()).collect()),
        Idx::F64(array) => (0x0e, array.iter().flat_map(|x| x.to_be_bytes()).collect()),
    };
    let mut bytes = vec![0, 0, kind, contents.shape().len() as u8];
    for &axis in contents.shape() {
        bytes.extend_from_slice(&(axis as u32).to_be_bytes());
    }
    bytes.extend_from_slice(&elements);
    bytes
}
