//! Any bytes give an IDX array or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nn_data::idx;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(contents) = idx::from_reader(bytes) {
        let numbers = contents.cast::<f32>();
        assert_eq!(numbers.shape(), contents.shape());
    }
});
