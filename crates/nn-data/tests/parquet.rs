//! Parquet files as tables. (With the feature `parquet`.)

#![cfg(feature = "parquet")]

use crate::files;

use files::Folder;
use ndarray::array;
use nn_data::{Missing, Table, TableError, TableReader};

fn fixture() -> String {
    format!("{}/tests/fixtures/fruit.parquet", env!("CARGO_MANIFEST_DIR"))
}

fn reader() -> TableReader {
    TableReader::new().labels("kind").ignore(["id", "tags", "day"]).categories(["colour"])
}

fn read(reader: &TableReader) -> Result<Table<f64>, TableError> {
    reader.read_parquet(fixture())
}

#[test]
fn what_arrow_writes_is_read() {
    let table = read(&reader().missing(Missing::Mean)).unwrap();
    assert_eq!(table.features(), ["width", "length", "colour=blue", "colour=red", "ripe"]);
    assert_eq!(table.classes().unwrap(), ["9", "10"]);
    assert_eq!(table.missing(), [("width".to_owned(), 2)]);
    let expected = array![
        [0.5, 1.0, 0.0, 1.0, 1.0],
        [1.5, -2.0, 1.0, 0.0, 0.0],
        [1.5, 3.0, 0.0, 1.0, 1.0],
        [2.5, 200.0, 0.0, 1.0, 1.0]
    ];
    assert_eq!(table.inputs(), expected);
    let schema = table.schema().clone();
    assert_eq!(table.into_dataset().unwrap().labels().unwrap(), [1, 0, 1, 0]);
    assert_eq!(read(&TableReader::like(&schema).missing(Missing::Mean)).unwrap().inputs(), expected);

    let dropped = read(&reader().missing(Missing::DropRow)).unwrap();
    assert_eq!((dropped.dropped(), dropped.inputs().nrows()), (2, 2));
}

#[test]
fn each_error_has_its_place() {
    let ignoring = |columns: &[&'static str]| TableReader::new().ignore(columns.iter().copied());
    let table = [
        (reader(), "missing values: 2 in `width` (the first in line 2)"),
        (ignoring(&["width", "tags", "day"]), "line 1, column `colour`: expected a finite number, got `red`"),
        (ignoring(&["width", "tags", "colour"]), "column `day`: expected numbers or text, got dates"),
        (ignoring(&["width", "day", "colour"]), "column `tags`: expected numbers or text, got lists"),
        (
            TableReader::new().labels("x"),
            "there is no column named `x`, the columns are `id`, `width`, `tags`",
        ),
        (reader().classes(["9", "11"]), "line 1, column `kind`: expected one of `9`, `11`, got `10`"),
    ];
    for (reader, expected) in table {
        let message = read(&reader).unwrap_err().to_string();
        assert!(
            message.contains(&format!("fruit.parquet: {expected}")),
            "{message}\nshould contain: {expected}"
        );
    }
    let missing = reader().read_parquet::<f32>("nothing.parquet").unwrap_err().to_string();
    assert!(missing.starts_with("nothing.parquet: cannot be read: "), "{missing}");
}

#[test]
fn damaged_files_are_errors_or_give_a_table() {
    let folder = Folder::new("parquet");
    let whole = std::fs::read(fixture()).unwrap();
    let reader = reader().missing(Missing::Mean);
    for end in (0..whole.len()).step_by(29) {
        let path = folder.write("x.parquet", &whole[..end]);
        let message = reader.read_parquet::<f32>(&path).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: not a sound Parquet file: ", path.display())), "{message}");
    }
    for at in (0..whole.len()).step_by(13) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        if let Ok(table) = reader.read_parquet::<f32>(folder.write("x.parquet", &flipped)) {
            assert!(table.inputs().iter().all(|x| x.is_finite()));
        }
    }
}
