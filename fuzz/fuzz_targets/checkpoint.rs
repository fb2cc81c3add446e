//! Any bytes give tensors or an error, and then a model or an error; what was read is written, and read again, the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nn_train::checkpoint::{Model, TensorFile};
use nn_train::layers::Registry;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = TensorFile::<f64>::from_bytes(bytes) {
        let again = TensorFile::<f64>::from_bytes(&file.to_bytes()).expect("what was written can be read");
        assert_eq!(file.to_bytes(), again.to_bytes());
        let _ = Model::from_file(&Registry::new(), &file);
    }
});
