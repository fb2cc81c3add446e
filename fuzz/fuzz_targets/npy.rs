//! Any bytes give an array of NumPy or an error; what was read is written, and read again, the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nn_data::npy;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = npy::from_reader(bytes) {
        let numbers = array.cast::<f64>();
        assert_eq!(numbers.shape(), array.shape());
        let mut written = Vec::new();
        npy::to_writer(&mut written, numbers.view()).expect("memory can be written");
        let again = npy::from_reader(&written[..]).expect("what was written can be read").cast::<f64>();
        assert!(numbers.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
});
