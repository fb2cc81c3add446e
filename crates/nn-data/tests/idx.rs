//! IDX files: what is written by the format's description is read back, and every damage is reported.

use crate::files;
use crate::idx_bytes;

use files::Folder;
use idx_bytes::{encode, gzip};
use ndarray::ArrayD;
use nn_data::idx::{self, Idx, IdxProblem};
use proptest::collection::vec;
use proptest::prelude::*;

/// An array of up to four axes, each of length 0 to 4, of any type of the format.
fn any_idx() -> impl Strategy<Value = Idx> {
    let shape = vec(0..5usize, 0..5);
    (shape, 0..6u8, vec(any::<u64>(), 256)).prop_map(|(shape, kind, words)| {
        fn take<T>(shape: &[usize], words: &[u64], convert: impl Fn(u64) -> T) -> ArrayD<T> {
            let n = shape.iter().product::<usize>();
            ArrayD::from_shape_vec(shape, words.iter().cycle().take(n).map(|&w| convert(w)).collect())
                .unwrap()
        }
        match kind {
            0 => Idx::U8(take(&shape, &words, |w| w as u8)),
            1 => Idx::I8(take(&shape, &words, |w| w as i8)),
            2 => Idx::I16(take(&shape, &words, |w| w as i16)),
            3 => Idx::I32(take(&shape, &words, |w| w as i32)),
            4 => Idx::F32(take(&shape, &words, |w| w as f32 / 3.0 - 1e18)),
            _ => Idx::F64(take(&shape, &words, |w| w as f64 / 3.0 - 1e18)),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn every_type_and_shape_round_trips_plain_and_gzipped(contents in any_idx()) {
        let folder = Folder::new("round-trip");
        let bytes = encode(&contents);
        prop_assert_eq!(&idx::read(folder.write("plain", &bytes)).unwrap(), &contents);
        prop_assert_eq!(&idx::read(folder.write("gzipped", &gzip(&bytes))).unwrap(), &contents);
    }

    #[test]
    fn any_bytes_give_a_result_or_an_error(bytes in vec(any::<u8>(), 0..40), sound_magic in any::<bool>()) {
        let folder = Folder::new("any");
        let bytes = if sound_magic { [&[0, 0, 8, 3][..], &bytes].concat() } else { bytes };
        let from_memory = idx::from_reader(&bytes[..]);
        if let Ok(contents) = idx::read(folder.write("file", &bytes)) {
            prop_assert_eq!(encode(&contents), bytes);
            prop_assert_eq!(from_memory.unwrap(), contents);
        } else {
            prop_assert!(from_memory.is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn truncation_at_every_byte_and_trailing_bytes_are_errors(contents in any_idx(), extra in vec(any::<u8>(), 1..4)) {
        let folder = Folder::new("damage");
        let bytes = encode(&contents);
        for file in [bytes.clone(), gzip(&bytes)] {
            for end in 0..file.len().min(160) {
                assert_names_file(&folder, &file[..end]);
            }
            assert_names_file(&folder, &file[..file.len() - 1]);
            assert_names_file(&folder, &[&file[..], &extra[..]].concat());
        }
        assert_names_file(&folder, &gzip(&[&bytes[..], &extra[..]].concat()));
        assert_names_file(&folder, &gzip(&bytes[..bytes.len() - 1]));
    }
}

#[track_caller]
fn assert_names_file(folder: &Folder, bytes: &[u8]) {
    let path = folder.write("damaged-file", bytes);
    let message = idx::read(&path).expect_err("a damaged file was read").to_string();
    assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
}

#[test]
fn each_damage_has_its_message() {
    let folder = Folder::new("messages");
    let huge = [&[0, 0, 8, 3][..], &[0xff; 12]].concat();
    let promising = [&[0, 0, 0x0e, 2][..], &[0x7f, 0, 0, 0, 0, 0, 0x10, 0]].concat();
    let mut flipped = gzip(&[0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3]);
    let crc = flipped.len() - 8;
    flipped[crc] ^= 1;
    let table: &[(&[u8], &str)] = &[
        (&[], "truncated: expected a header of 4 bytes, got 0"),
        (&[0, 0, 8, 2, 0, 0], "truncated: expected a header of 12 bytes, got 6"),
        (&[1, 0, 8, 0, 7], "wrong magic number [01, 00, 08, 00]: expected 00 00, a type"),
        (&[0, 0, 0x0a, 0, 7], "wrong magic number [00, 00, 0a, 00]: expected 00 00, a type"),
        (
            &[0, 0, 8, 1, 0, 0, 0, 3, 1, 2],
            "truncated: the header promises shape [3], 3 bytes, but only 2 follow",
        ),
        (
            &[0, 0, 8, 1, 0, 0, 0, 1, 1, 2],
            "too long: the header promises shape [1], 1 bytes, but more follow",
        ),
        (
            &huge,
            "impossible header: an array of shape [4294967295, 4294967295, 4294967295] has too many elements",
        ),
        (
            &promising,
            "truncated: the header promises shape [2130706432, 4096], 69818988363776 bytes, but only 0",
        ),
        (&gzip(&promising), "truncated: the header promises shape [2130706432, 4096], 69818988363776 bytes"),
        (&flipped, "damaged gzip data: "),
        (&[0x1f, 0x8b, 8], "damaged gzip data: "),
    ];
    for (bytes, expected) in table {
        let message = idx::read(folder.write("x", bytes)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nshould contain: {expected}");
    }
    let missing = idx::read(folder.path("nothing")).unwrap_err();
    assert!(matches!(missing.problem, IdxProblem::Io(_)), "{missing}");
    assert!(missing.to_string().contains("nothing: cannot be read: "), "{missing}");
}

#[test]
fn a_zero_axis_does_not_hide_an_impossible_header() {
    let folder = Folder::new("zero");
    let bytes = [&[0, 0, 8, 4][..], &[0xff; 12], &[0; 4]].concat();
    let error = idx::read(folder.write("x", &bytes)).unwrap_err();
    assert!(matches!(error.problem, IdxProblem::TooLarge { .. }), "{error}");
}

#[test]
fn numbers_are_cast_to_the_scalar_type() {
    let folder = Folder::new("cast");
    let bytes = [0, 0, 0x0b, 1, 0, 0, 0, 3, 0xff, 0xfe, 0x01, 0x00, 0x80, 0x00];
    let contents = idx::read(folder.write("x", &bytes)).unwrap();
    assert_eq!(contents.cast::<f32>().into_raw_vec_and_offset().0, [-2.0, 256.0, -32768.0]);
    assert_eq!(contents.to_string(), "i16 [3]");
}
