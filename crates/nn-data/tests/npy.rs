//! `.npy` and `.npz`: files that NumPy wrote, what is written here, and every damage.

use crate::files;

use std::io::Write;

use files::Folder;
use ndarray::{Array1, ArrayD, IxDyn, ShapeBuilder, array};
use nn_data::npy::{self, Npy, NpyProblem};
use proptest::collection::vec;
use proptest::prelude::*;

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Element i as the script that made the fixtures describes it.
fn expected(kind: &str) -> ArrayD<f64> {
    let element = |i: usize| match &kind[..1] {
        "i" => i as f64 - 5.0,
        "u" => 20.0 * i as f64,
        "f" => (i as f64 - 5.0) / 4.0,
        _ => f64::from(u8::from(i.is_multiple_of(3))),
    };
    ArrayD::from_shape_vec(IxDyn(&[2, 3, 2]), (0..12).map(element).collect()).unwrap()
}

#[test]
fn all_types_and_orders_that_numpy_writes() {
    let names = [
        ("i1", "i8"),
        ("i2", "i16"),
        ("i4", "i32"),
        ("i8", "i64"),
        ("u1", "u8"),
        ("u2", "u16"),
        ("u4", "u32"),
        ("u8", "u64"),
        ("f4", "f32"),
        ("f8", "f64"),
        ("b1", "bool"),
    ];
    for archive in ["types.npz", "types_deflated.npz"] {
        let arrays = npy::read_npz(fixture(archive)).unwrap();
        assert_eq!(arrays.len(), 44);
        for (kind, name) in names {
            for order in ["le_c", "le_f", "be_c", "be_f"] {
                let array = &arrays[&format!("{kind}_{order}")];
                assert_eq!(array.to_string(), format!("{name} [2, 3, 2]"));
                assert_eq!(array.cast::<f64>(), expected(kind), "{kind}_{order}");
                assert_eq!(array.cast::<f32>(), expected(kind).mapv(|x| x as f32), "{kind}_{order}");
            }
        }
        let one = npy::read_npz_array(fixture(archive), "u2_be_f").unwrap();
        assert_eq!(&one, &arrays["u2_be_f"]);
    }
    let plain = npy::read(fixture("plain.npy")).unwrap();
    assert_eq!(plain, Npy::F32(array![[1.5, -2.0, 3.25], [0.0, 1e10, -0.5]].into_dyn()));
}

#[test]
fn all_versions_and_corner_cases_that_numpy_writes() {
    let get = |name: &str| npy::read_npz_array(fixture("versions.npz"), name);
    for name in ["version1", "version2", "version3"] {
        assert_eq!(get(name).unwrap(), Npy::I32(array![0, 1, 2, 3, 4].into_dyn()));
    }
    assert_eq!(get("scalar").unwrap(), Npy::F64(ArrayD::from_elem(IxDyn(&[]), 2.5)));
    assert_eq!(get("empty").unwrap().to_string(), "f32 [0, 3]");
    let refused = [
        ("complex", "`<c8`"),
        ("half", "`<f2`"),
        ("text", "`<U2`"),
        ("record", "`[('x', '<f4'), ('y', '<i4')]`"),
    ];
    for (name, descr) in refused {
        let message = get(name).unwrap_err().to_string();
        let place = format!("versions.npz, array `{name}`: elements of type {descr}: expected b1");
        assert!(message.contains(&place), "{message}");
    }
    let message = get("x_train").unwrap_err().to_string();
    assert!(message.contains("array `x_train`: no such array, the archive holds ["), "{message}");
    let message = npy::read_npz(fixture("versions.npz")).unwrap_err().to_string();
    assert!(message.contains("elements of type"), "{message}");
}

fn encode<T: npy::Element>(array: &ArrayD<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    npy::to_writer(&mut bytes, array.view()).unwrap();
    bytes
}

#[test]
fn what_is_written_is_what_numpy_writes() {
    let plain = array![[1.5_f32, -2.0, 3.25], [0.0, 1e10, -0.5]].into_dyn();
    assert_eq!(encode(&plain), std::fs::read(fixture("plain.npy")).unwrap());
    assert_eq!(encode(&plain.t().to_owned().reversed_axes()), encode(&plain));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn every_type_and_shape_round_trips(shape in vec(0..5usize, 0..5), words in vec(any::<u64>(), 256)) {
        fn check<T: npy::Element + PartialEq + std::fmt::Debug>(
            shape: &[usize],
            words: &[u64],
            convert: impl Fn(u64) -> T,
            wrap: impl Fn(ArrayD<T>) -> Npy,
        ) -> Result<(), TestCaseError> {
            let elements = words.iter().cycle().take(shape.iter().product()).map(|&word| convert(word));
            let array = ArrayD::from_shape_vec(shape, elements.collect()).unwrap();
            let bytes = encode(&array);
            prop_assert_eq!((bytes.len() - size_of::<T>() * array.len()) % 64, 0);
            prop_assert_eq!(npy::from_reader(&bytes[..]).unwrap(), wrap(array));
            Ok(())
        }
        check(&shape, &words, |w| w % 2 == 0, Npy::Bool)?;
        check(&shape, &words, |w| w as i8, Npy::I8)?;
        check(&shape, &words, |w| w as i16, Npy::I16)?;
        check(&shape, &words, |w| w as i32, Npy::I32)?;
        check(&shape, &words, |w| w as i64, Npy::I64)?;
        check(&shape, &words, |w| w as u8, Npy::U8)?;
        check(&shape, &words, |w| w as u16, Npy::U16)?;
        check(&shape, &words, |w| w as u32, Npy::U32)?;
        check(&shape, &words, |w| w, Npy::U64)?;
        check(&shape, &words, |w| w as f32 / 3.0 - 1e18, Npy::F32)?;
        check(&shape, &words, |w| w as f64 / 3.0 - 1e18, Npy::F64)?;
    }

    #[test]
    fn any_bytes_give_an_array_or_an_error(bytes in vec(any::<u8>(), 0..80), sound_magic in any::<bool>()) {
        let start: &[u8] = if sound_magic { b"\x93NUMPY\x01\x00" } else { b"" };
        let _ = npy::from_reader(&[start, &bytes].concat()[..]);
    }

    #[test]
    fn any_dictionary_gives_an_array_or_an_error(text in "[{}()\\['\":, descrfotan_shape<4TF2]{0,80}") {
        let _ = npy::from_reader(&with_header(&text, &[0; 8])[..]);
    }
}

/// A file of version 1 with this dictionary.
fn with_header(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let length = (dictionary.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], dictionary.as_bytes(), data].concat()
}

fn described(descr: &str, order: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")
}

#[test]
fn each_damage_has_its_message() {
    let of_shape = |shape: &str, data: &[u8]| with_header(&described("'<f4'", "False", shape), data);
    let of_type = |descr: &str| with_header(&described(descr, "False", "(1,)"), &[0; 8]);
    let text = |text: &str| with_header(text, &[0; 8]);
    let table: &[(Vec<u8>, &str)] = &[
        (vec![], "truncated: expected a header of 8 bytes, got 0"),
        (b"\x93NUM".to_vec(), "truncated: expected a header of 8 bytes, got 4"),
        (b"\x93NUMPY\x01".to_vec(), "truncated: expected a header of 8 bytes, got 7"),
        (b"\x93NUMPY\x01\x00\x10".to_vec(), "truncated: expected a header of 10 bytes, got 9"),
        (b"\x93NUMPY\x01\x00\x10\x00{".to_vec(), "truncated: expected a header of 26 bytes, got 11"),
        (b"GIF89a...".to_vec(), "wrong magic number [47, 49, 46, 38, 39, 61]: expected 93 and `NUMPY`"),
        (b"GIF".to_vec(), "wrong magic number [47, 49, 46]: expected 93 and `NUMPY`"),
        (b"\x93NUMPY\x04\x00".to_vec(), "version 4.0 of the format: expected 1.0, 2.0 or 3.0"),
        (
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
            "impossible header: 4294967295 bytes, expected at most 65536",
        ),
        (text("[1]"), "unreadable header `[1]`: expected a dictionary"),
        (text("{'descr': '<f4'}"), "unreadable header `{'descr': '<f4'}`: expected the key `fortran_order`"),
        (text("{'colour': 'red'}"), "expected no keys but `descr`, `fortran_order` and `shape`"),
        (text("{'shape': (1,)"), "expected a comma or the end of the dictionary"),
        (text("{'shape': (-1,)"), "expected a tuple of lengths as the value of `shape`"),
        (text("{'shape': (1 2)"), "expected a tuple of lengths as the value of `shape`"),
        (text("{'shape': 1}"), "expected a tuple of lengths as the value of `shape`"),
        (of_shape("(99999999999999999999999,)", &[]), "expected a tuple of lengths as the value of `shape`"),
        (text("{'fortran_order': 1}"), "expected True or False as the value of `fortran_order`"),
        (text(&(described("'<f4'", "False", "(1,)") + "x")), "expected nothing after the dictionary"),
        (of_type("'<f3'"), "elements of type `<f3`: expected b1, i1 to i8, u1 to u8, f4 or f8"),
        (of_type("'f4'"), "elements of type `f4`: expected"),
        (of_type("'|f4'"), "elements of type `|f4`: expected"),
        (of_type("'|O'"), "elements of type `|O`: expected"),
        (of_type("''"), "elements of type ``: expected"),
        (of_type("'é'"), "elements of type `é`: expected"),
        (
            of_shape("(3,)", &[0; 11]),
            "truncated: the header promises shape [3], 12 bytes, but only 11 follow",
        ),
        (of_shape("(3, 0)", &[0]), "too long: the header promises shape [3, 0], 0 bytes, but more follow"),
        (
            of_shape("(4294967296, 4294967296)", &[]),
            "impossible header: an array of shape [4294967296, 4294967296] has too many elements",
        ),
        (
            of_shape("(0, 4294967296, 4294967296)", &[]),
            "impossible header: an array of shape [0, 4294967296, 4294967296] has too many elements",
        ),
        (
            of_shape("(1125899906842624,)", &[0; 4]),
            "truncated: the header promises shape [1125899906842624], 4503599627370496 bytes, but only 4 follow",
        ),
    ];
    let folder = Folder::new("npy");
    for (bytes, expected) in table {
        let message = npy::from_reader(&bytes[..]).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}\nshould contain: {expected}");
        let path = folder.write("x.npy", bytes);
        let from_file = npy::read(&path).unwrap_err().to_string();
        assert_eq!(from_file, format!("{}: {message}", path.display()));
    }
    let missing = npy::read(folder.path("nothing.npy")).unwrap_err();
    assert!(matches!(missing.problem, NpyProblem::Io(_)), "{missing}");
}

#[test]
fn long_arrays_are_read_and_written_in_pieces() {
    let array = Array1::from_iter((0..100_000).map(|i| i as f32 / 7.0)).into_dyn();
    assert_eq!(npy::from_reader(&encode(&array)[..]).unwrap(), Npy::F32(array));
}

#[test]
fn truncation_at_every_byte_and_trailing_bytes_are_errors() {
    let bytes = encode(&array![[1.5_f32, -2.0, 3.25]].into_dyn());
    for end in 0..bytes.len() {
        assert!(npy::from_reader(&bytes[..end]).is_err(), "{end}");
    }
    assert!(npy::from_reader(&[&bytes[..], &[0]].concat()[..]).is_err());
}

#[test]
fn other_spellings_of_the_header_are_read() {
    let one = [0, 0, 0x80, 0x3f];
    for dictionary in [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{\"shape\":(1,),\"descr\":\"<f4\",\"fortran_order\":True}  \n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }",
        "{ 'shape' : ( 1 , ) , 'fortran_order' : False , 'descr' : '<f4' , }",
    ] {
        let array = npy::from_reader(&with_header(dictionary, &one)[..]).unwrap();
        assert_eq!(array, Npy::F32(Array1::ones(1).into_dyn()), "{dictionary}");
    }
}

#[test]
fn column_major_arrays_are_turned() {
    let data: Vec<u8> = (0..6).collect();
    let file = with_header(&described("'|u1'", "True", "(2, 3)"), &data);
    let expected = ArrayD::from_shape_vec(IxDyn(&[2, 3]).f(), data).unwrap();
    assert_eq!(expected, array![[0, 2, 4], [1, 3, 5]].into_dyn());
    assert_eq!(npy::from_reader(&file[..]).unwrap(), Npy::U8(expected));
}

#[test]
fn damaged_archives_are_errors() {
    let folder = Folder::new("npz");
    let whole = std::fs::read(fixture("types_deflated.npz")).unwrap();
    for (bytes, expected) in [
        (&b""[..], "not a sound .npz archive: "),
        (b"\x93NUMPY", "not a sound .npz archive: "),
        (&whole[..whole.len() / 2], "not a sound .npz archive: "),
    ] {
        let message = npy::read_npz(folder.write("x.npz", bytes)).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nshould contain: {expected}");
    }
    // One bit of the data of an array: its checksum is wrong, if not its contents.
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("x.npy", stored).unwrap();
    archive.write_all(&encode(&array![1.0_f32, 2.0, 3.0].into_dyn())).unwrap();
    let mut bytes = archive.finish().unwrap().into_inner();
    assert!(npy::read_npz(folder.write("x.npz", &bytes)).is_ok());
    let last = bytes.windows(4).rposition(|word| word == 3.0_f32.to_le_bytes()).unwrap();
    bytes[last] ^= 1;
    let message = npy::read_npz(folder.write("x.npz", &bytes)).unwrap_err().to_string();
    assert!(message.contains("x.npz, array `x`: cannot be read: "), "{message}");
}
