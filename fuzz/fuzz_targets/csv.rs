//! Any bytes give a table of finite numbers or an error. The first byte chooses the options.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nn_data::{Column, Missing, TableReader};

fuzz_target!(|bytes: &[u8]| {
    let Some((&options, text)) = bytes.split_first() else {
        return;
    };
    let chosen = |bit: u8| options & (1 << bit) != 0;
    let mut reader = TableReader::new();
    if chosen(0) {
        reader = reader.header(chosen(1));
    }
    if chosen(2) {
        reader = if chosen(3) { reader.labels(Column::Last) } else { reader.targets([0]) };
    }
    if chosen(4) {
        reader = reader.categories([1]);
    }
    if chosen(5) {
        reader = reader.missing(if chosen(6) { Missing::Mean } else { Missing::DropRow });
    }
    if chosen(7) {
        reader = reader.separator(b';');
    }
    let Ok(table) = reader.read_csv_from::<f32>(text) else {
        return;
    };
    assert!(table.inputs().iter().all(|x| x.is_finite()));
    assert_eq!(table.inputs().ncols(), table.features().len());
    // The same file is like itself, though it may not be found by name in it.
    if let Ok(again) = TableReader::like(table.schema()).missing(Missing::Mean).read_csv_from::<f32>(text) {
        assert_eq!(again.features(), table.features());
    }
    if table.targets().is_some() {
        table.into_dataset().expect("a table with targets is a data set");
    }
});
