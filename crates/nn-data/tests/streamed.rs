//! Sets that stay in their files: what is read, what is refused, and how much memory it takes.

use crate::files;
use crate::idx_bytes;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use files::Folder;
use idx_bytes::{encode, gzip};
use ndarray::{Array, Array1, Array2, ArrayD, Axis, IxDyn, array};
use nn_core::Streams;
use nn_data::idx::Idx;
use nn_data::npy::{self, Element};
use nn_data::{DataError, Dataset, MinMax, Scaled, Source, Standardizer, Streamed, Subset, split};

/// Inputs and targets of these samples.
fn gather(source: &dyn Source<f64>, samples: &[usize]) -> Result<(ArrayD<f64>, ArrayD<f64>), DataError> {
    let buffer = |shape: &[usize]| ArrayD::from_elem(IxDyn(&[&[samples.len()], shape].concat()), f64::NAN);
    let (mut inputs, mut targets) = (buffer(source.input_shape()), buffer(source.target_shape()));
    source.gather(None, samples, inputs.view_mut(), targets.view_mut())?;
    Ok((inputs, targets))
}

fn write<T: Element>(folder: &Folder, name: &str, array: &ArrayD<T>) -> PathBuf {
    npy::write(folder.path(name), array.view()).unwrap();
    folder.path(name)
}

/// Element i of n·12 is i mod 100.
fn inputs(n: usize) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(&[n, 3, 4]), (0..n * 12).map(|i| (i % 100) as f64).collect()).unwrap()
}

fn labels(n: usize) -> Array1<f64> {
    Array1::from_shape_fn(n, |i| (i * i % 5) as f64)
}

#[test]
fn gives_what_the_data_set_in_memory_gives() {
    let folder = Folder::new("streamed");
    let set = Dataset::classification(inputs(50), labels(50), 5).unwrap();
    let idx = |array: ArrayD<f64>| encode(&Idx::U8(array.mapv(|x| x as u8)));
    let of_inputs = [
        write(&folder, "f4.npy", &inputs(50).mapv(|x| x as f32)),
        write(&folder, "f8.npy", &inputs(50)),
        write(&folder, "i2.npy", &inputs(50).mapv(|x| x as i16)),
        write(&folder, "u1.npy", &inputs(50).mapv(|x| x as u8)),
        folder.write("inputs.idx", &idx(inputs(50))),
    ];
    let of_labels = [
        write(&folder, "labels.npy", &labels(50).mapv(|x| x as i64).into_dyn()),
        folder.write("labels.idx", &idx(labels(50).into_dyn())),
    ];
    let orders =
        [vec![], vec![3], (0..50).collect(), vec![49, 0, 1, 2, 2, 3, 48, 49], (0..50).rev().collect()];
    for inputs in &of_inputs {
        for labels in &of_labels {
            let streamed = Streamed::<f64>::classification(inputs, labels, 5).unwrap();
            let shapes =
                (streamed.len(), streamed.input_shape(), streamed.target_shape(), streamed.classes());
            assert_eq!(shapes, (50, &[3, 4][..], &[][..], Some(5)));
            for samples in &orders {
                assert_eq!(gather(&streamed, samples).unwrap(), gather(&set, samples).unwrap());
            }
        }
    }
    let regression = Streamed::<f64>::regression(&of_inputs[1], &of_inputs[0]).unwrap();
    assert_eq!((regression.target_shape(), regression.classes()), (&[3, 4][..], None));
    let (x, y) = gather(&regression, &[7, 8]).unwrap();
    assert_eq!(x, y);
}

#[test]
fn long_runs_and_long_samples_are_read_in_pieces() {
    let folder = Folder::new("pieces");
    // 64 KiB a sample, four of which are read at once; and one sample longer than any piece.
    let table = [[11, 8192], [2, 100_000]];
    for shape in table {
        let array = Array2::from_shape_fn((shape[0], shape[1]), |(i, j)| (i * 1000 + j % 1000) as f64);
        let file = write(&folder, "x.npy", &array.clone().into_dyn());
        let streamed = Streamed::<f64>::regression(&file, &file).unwrap();
        let all: Vec<usize> = (0..shape[0]).collect();
        assert_eq!(gather(&streamed, &all).unwrap().0, array.into_dyn());
    }
}

#[test]
fn parts_and_scalings_of_what_stays_in_a_file() {
    let folder = Folder::new("adapters");
    let set = Dataset::classification(inputs(40), labels(40), 5).unwrap();
    let files = (
        write(&folder, "x.npy", &inputs(40).mapv(|x| x as f32)),
        write(&folder, "y.npy", &labels(40).mapv(|x| x as u8).into_dyn()),
    );
    let streamed = Streamed::<f64>::classification(files.0, files.1, 5).unwrap();
    let parts = split::random(40, &[0.75, 0.25], Streams::new(3)).unwrap();
    let train = Subset::new(&streamed, parts[0].clone()).unwrap();
    let in_memory = set.select(&parts[0]).unwrap();
    assert_eq!(gather(&train, &[29, 3, 4]).unwrap(), gather(&in_memory, &[29, 3, 4]).unwrap());
    assert_eq!(train.samples(), parts[0]);

    // Fitting reads the file piece by piece, with the same result to the bit.
    assert_eq!(Standardizer::per_feature(&train).unwrap(), Standardizer::per_feature(&in_memory).unwrap());
    assert_eq!(Standardizer::per_set(&train).unwrap(), Standardizer::per_set(&in_memory).unwrap());
    let scaling = MinMax::per_feature(&train).unwrap();
    assert_eq!(scaling, MinMax::per_feature(&in_memory).unwrap());
    let scaled = Scaled::new(&train, scaling.clone()).unwrap();
    let expected = scaling.apply(in_memory).unwrap();
    assert_eq!(gather(&scaled, &[1, 0, 17]).unwrap(), gather(&expected, &[1, 0, 17]).unwrap());

    let other = MinMax::new(array![0.0].into_dyn(), array![1.0].into_dyn()).unwrap();
    let message = Scaled::new(&train, other).unwrap_err().to_string();
    assert_eq!(message, "scaling: expected samples of shape [1], got [3, 4]");
    assert!(matches!(Subset::new(&set, vec![]), Err(DataError::Empty { .. })));
    let tiny = ArrayD::from_elem(IxDyn(&[3, 4]), 1e-300);
    let overflow = Scaled::new(&set, Standardizer::new(tiny.clone(), tiny * 1e-8).unwrap()).unwrap();
    let error = gather(&overflow, &[5, 2]).unwrap_err();
    assert!(
        matches!(&error, DataError::NonFinite { sample: 5, feature, .. } if feature == &[0, 0]),
        "{error}"
    );
}

#[test]
fn bad_numbers_are_named_with_their_file_and_sample() {
    let folder = Folder::new("bad-numbers");
    let mut x = inputs(6);
    x[[4, 2, 1]] = f64::NAN;
    let x = write(&folder, "x.npy", &x);
    let y = write(&folder, "y.npy", &array![0.0, 1.0, 2.0, 0.5, 1.0, -1.0].into_dyn());
    let set = Streamed::<f64>::classification(&x, &y, 2).unwrap();
    assert!(gather(&set, &[1, 0]).is_ok());
    let table: &[(&[usize], &Path, &str)] = &[
        (&[0, 4], &x, "inputs: sample 4 holds NaN in feature [2, 1], expected a finite number"),
        (&[3, 4], &x, "inputs: sample 4 holds NaN in feature [2, 1], expected a finite number"),
        (&[0, 2], &y, "label 2 of sample 2 is none of the 2 classes, which are numbered from 0"),
        (&[3], &y, "label 0.5 of sample 3 is none of the 2 classes, which are numbered from 0"),
        (&[5], &y, "label -1 of sample 5 is none of the 2 classes, which are numbered from 0"),
    ];
    for (samples, path, expected) in table {
        let message = gather(&set, samples).unwrap_err().to_string();
        assert_eq!(message, format!("{}: {expected}", path.display()));
    }
    let wide = write(&folder, "wide.npy", &array![1e300, 0.0].into_dyn());
    let set = Streamed::<f32>::regression(&wide, &wide).unwrap();
    let (mut a, mut b) = (Array1::zeros(1).into_dyn(), Array1::zeros(1).into_dyn());
    let message = set.gather(None, &[0], a.view_mut(), b.view_mut()).unwrap_err().to_string();
    assert!(
        message.ends_with("inputs: sample 0 holds inf in feature [], expected a finite number"),
        "{message}"
    );
}

#[test]
fn files_that_cannot_be_streamed_are_refused() {
    let folder = Folder::new("refused");
    let bytes = |array: &ArrayD<f64>| {
        let mut bytes = Vec::new();
        npy::to_writer(&mut bytes, array.view()).unwrap();
        bytes
    };
    let x = write(&folder, "x.npy", &inputs(4));
    let sound = bytes(&inputs(4));
    let column_major = String::from_utf8_lossy(&sound[10..128]).replace("False", "True ").into_bytes();
    let column_major = [&sound[..10], &column_major, &sound[128..]].concat();
    let idx = encode(&Idx::U8(inputs(4).mapv(|x| x as u8)));
    let table: &[(&[u8], &str)] = &[
        (&[], "y: truncated: expected a header of 8 bytes, got 0"),
        (b"abc", "y: wrong magic number [61, 62, 63]: expected 93 and `NUMPY`"),
        (
            &sound[..sound.len() - 1],
            "y: truncated: the header promises shape [4, 3, 4], 384 bytes, but only 383 follow",
        ),
        (
            &[&sound[..], b"x"].concat(),
            "y: too long: the header promises shape [4, 3, 4], 384 bytes, but more follow",
        ),
        (
            &column_major,
            "y: in column-major (Fortran) order, expected row-major order, in which a sample is one piece",
        ),
        (
            &bytes(&ArrayD::from_elem(IxDyn(&[]), 1.0)),
            "y: expected an array whose first axis counts the samples, got an array of shape []",
        ),
        (
            &idx[..idx.len() - 1],
            "y: truncated: the header promises shape [4, 3, 4], 48 bytes, but only 47 follow",
        ),
        (
            &[&idx[..], b"x"].concat(),
            "y: too long: the header promises shape [4, 3, 4], 48 bytes, but more follow",
        ),
        (&[0, 0, 8], "y: truncated: expected a header of 4 bytes, got 3"),
        (&gzip(&sound), "y: gzipped, expected a file without compression, of which parts can be read"),
        (&bytes(&inputs(3)), "y: inputs hold 4 samples, targets hold 3: expected the same number"),
    ];
    for (bytes, expected) in table {
        let message = Streamed::<f32>::regression(&x, folder.write("y", bytes)).unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}\nshould end with: {expected}");
    }
    let y = folder.write("y", &sound);
    let message = Streamed::<f32>::classification(&x, &y, 3).unwrap_err().to_string();
    assert!(
        message.ends_with("y: expected labels, which have one axis, got an array of shape [4, 3, 4]"),
        "{message}"
    );
    let none = folder.write("none", &bytes(&inputs(0)));
    let message = Streamed::<f32>::regression(&none, &none).unwrap_err().to_string();
    assert!(message.ends_with("none: data set: expected at least one sample, got none"), "{message}");
    let message = Streamed::<f32>::regression(&x, folder.path("nothing")).unwrap_err().to_string();
    assert!(message.contains("nothing: cannot be read: "), "{message}");
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let folder = Folder::new("shrinks");
    let file = write(&folder, "x.npy", &inputs(10));
    let set = Streamed::<f64>::regression(&file, &file).unwrap();
    File::options().write(true).open(&file).unwrap().set_len(128 + 5 * 96).unwrap();
    assert!(gather(&set, &[4]).is_ok());
    let message = gather(&set, &[5]).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: sample 5 cannot be read: ", file.display())), "{message}");
}

#[test]
#[should_panic(expected = "gather inputs: sample 10 does not exist, there are 10")]
fn a_sample_that_does_not_exist_panics() {
    let folder = Folder::new("panics");
    let file = write(&folder, "x.npy", &inputs(10));
    let _ = gather(&Streamed::<f64>::regression(&file, &file).unwrap(), &[10]);
}

/// The largest resident memory of this process so far, in bytes.
#[cfg(target_os = "linux")]
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// A sparse file of `n` samples of `features` zeros of this type.
fn zeros(path: &Path, descr: &str, size: u64, shape: &[usize]) {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape:?}, }}");
    let text = text.replace('[', "(").replace(']', ",)");
    let mut file = File::create(path).unwrap();
    file.write_all(b"\x93NUMPY\x01\x00").unwrap();
    file.write_all(&(text.len() as u16).to_le_bytes()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let bytes = shape.iter().product::<usize>() as u64 * size;
    file.set_len(10 + text.len() as u64 + bytes).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_gigabyte_is_read_in_little_memory() {
    const SAMPLES: usize = 340_000;
    let folder = Folder::new("gigabyte");
    let (x, y) = (folder.path("x.npy"), folder.path("y.npy"));
    zeros(&x, "<f4", 4, &[SAMPLES, 784]);
    zeros(&y, "|u1", 1, &[SAMPLES]);
    assert!(std::fs::metadata(&x).unwrap().len() > 1_000_000_000);
    let before = peak_memory();
    let set = Streamed::<f32>::classification(&x, &y, 10).unwrap();
    let (mut inputs, mut targets) = (Array::zeros((64, 784)).into_dyn(), Array::ones(64).into_dyn());
    let mut sample = 1;
    for _ in 0..100 {
        let samples: Vec<usize> = (0..64)
            .map(|_| {
                sample = sample * 48_271 % 2_147_483_647;
                sample % SAMPLES
            })
            .collect();
        set.gather(None, &samples, inputs.view_mut(), targets.view_mut()).unwrap();
    }
    assert!(inputs.iter().chain(&targets).all(|&x| x == 0.0_f32));
    assert_eq!(inputs.len_of(Axis(0)), 64);
    let grown = peak_memory() - before;
    assert!(grown < 100 << 20, "{grown} bytes");
}
