//! The four files of MNIST: small ones made here, and the real ones where `MNIST_DIR` names their folder.

use crate::files;
use crate::idx_bytes;

use files::Folder;
use idx_bytes::{encode, gzip};
use ndarray::{Array, ArrayD, IxDyn};
use nn_data::idx::Idx;
use nn_data::mnist::{self, FILES};

/// `n` images of `height`×`width`, pixel i having the value i mod 256.
fn images(n: usize, height: usize, width: usize) -> Vec<u8> {
    let pixels = (0..n * height * width).map(|i| i as u8).collect();
    encode(&Idx::U8(ArrayD::from_shape_vec(IxDyn(&[n, height, width]), pixels).unwrap()))
}

fn labels(labels: &[u8]) -> Vec<u8> {
    encode(&Idx::U8(Array::from(labels.to_vec()).into_dyn()))
}

fn sound() -> [Vec<u8>; 4] {
    [images(3, 4, 5), labels(&[7, 0, 9]), images(2, 4, 5), labels(&[1, 2])]
}

fn folder(contents: &[Vec<u8>; 4]) -> Folder {
    let folder = Folder::new("mnist");
    for (name, bytes) in FILES.iter().zip(contents) {
        folder.write(name, bytes);
    }
    folder
}

#[test]
fn reads_all_spellings() {
    let spellings: [fn(&str) -> String; 4] = [
        |name| name.to_owned(),
        |name| format!("{name}.gz"),
        |name| name.replace("-idx", ".idx"),
        |name| name.replace("-idx", ".idx") + ".gz",
    ];
    for spell in spellings {
        let folder = Folder::new("mnist");
        for (name, bytes) in FILES.iter().zip(sound()) {
            let name = spell(name);
            folder.write(&name, &if name.ends_with(".gz") { gzip(&bytes) } else { bytes });
        }
        let mnist = mnist::load::<f64>(folder.path("")).unwrap();
        assert_eq!(mnist.train.inputs().shape(), [3, 20]);
        assert_eq!(mnist.train.inputs()[[2, 19]], 59.0 / 255.0);
        assert_eq!(mnist.train.labels().unwrap(), [7, 0, 9]);
        assert_eq!(mnist.test.inputs().shape(), [2, 20]);
        assert_eq!((mnist.test.labels().unwrap(), mnist.test.classes()), (vec![1, 2], Some(10)));
    }
}

#[test]
fn names_the_files_and_the_folder_where_one_is_missing() {
    for missing in FILES {
        let folder = folder(&sound());
        std::fs::remove_file(folder.path(missing)).unwrap();
        let message = mnist::load::<f32>(folder.path("")).unwrap_err().to_string();
        let parts = FILES
            .iter()
            .copied()
            .chain([folder.path("").to_str().unwrap()])
            .all(|part| message.contains(part));
        assert!(parts && message.starts_with(&format!("{missing} is not in ")), "{message}");
    }
}

#[test]
fn names_the_file_that_is_wrong() {
    let one_axis = labels(&[1, 2, 3]);
    let signed = encode(&Idx::I8(ArrayD::from_elem(IxDyn(&[3]), 1)));
    let table: &[(usize, Vec<u8>, &str)] = &[
        (0, one_axis, "expected images, u8 [n, height, width], got u8 [3]"),
        (1, images(3, 2, 2), "expected labels, u8 [n], got u8 [3, 2, 2]"),
        (1, signed, "expected labels, u8 [n], got i8 [3]"),
        (1, labels(&[7, 0]), "inputs hold 3 samples, targets hold 2: expected the same number"),
        (1, labels(&[7, 10, 0]), "label 10 of sample 1 is none of the 10 classes, which are numbered from 0"),
        (2, images(2, 5, 4), "expected images of 4×5 pixels as in the training set, got 5×4"),
        (3, vec![0, 0, 8], "truncated: expected a header of 4 bytes, got 3"),
        (3, labels(&[1]), "inputs hold 2 samples, targets hold 1: expected the same number"),
    ];
    for (file, bytes, expected) in table {
        let mut contents = sound();
        contents[*file] = bytes.clone();
        let folder = folder(&contents);
        let message = mnist::load::<f32>(folder.path("")).unwrap_err().to_string();
        assert!(message.contains(folder.path(FILES[*file]).to_str().unwrap()), "{message}");
        assert!(message.ends_with(expected), "{message}\nshould end with: {expected}");
    }
    let nothing = [images(0, 4, 5), labels(&[]), images(2, 4, 5), labels(&[1, 2])];
    let message = mnist::load::<f32>(folder(&nothing).path("")).unwrap_err().to_string();
    assert!(message.ends_with("data set: expected at least one sample, got none"), "{message}");
}

#[test]
fn the_real_files() {
    let Ok(path) = std::env::var("MNIST_DIR") else {
        eprintln!("skipped: MNIST_DIR is not set");
        return;
    };
    let begin = std::time::Instant::now();
    let mnist = mnist::load::<f32>(path).unwrap();
    eprintln!("loaded in {:.3} s", begin.elapsed().as_secs_f64());
    assert_eq!(mnist.train.inputs().shape(), [60_000, 784]);
    assert_eq!(mnist.test.inputs().shape(), [10_000, 784]);
    assert_eq!(mnist.train.labels().unwrap()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(mnist.test.labels().unwrap()[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    // The mean and standard deviation that are quoted for MNIST everywhere: 0.1307 and 0.3081.
    let scaling = nn_data::Standardizer::per_set(&mnist.train).unwrap();
    assert!((scaling.mean()[[]] - 0.1307).abs() < 5e-5 && (scaling.std()[[]] - 0.3081).abs() < 5e-5);
}
