//! CSV files as tables: features, classes, missing values, and every error with its place.

use crate::files;

use files::Folder;
use ndarray::{Array2, array};
use nn_data::{Column, DataError, Missing, Schema, Table, TableProblem, TableReader};
use proptest::collection::vec;
use proptest::prelude::*;

fn read(reader: &TableReader, text: &str) -> Result<Table<f64>, TableProblem> {
    reader.read_csv_from(text.as_bytes())
}

#[track_caller]
fn sound(reader: &TableReader, text: &str) -> Table<f64> {
    match read(reader, text) {
        Ok(table) => table,
        Err(problem) => panic!("{problem}"),
    }
}

const FLOWERS: &str = "\
length,width,species
5.1,3.5,setosa
7.0,3.2,versicolor
6.3,3.3,virginica
4.9,3.0,setosa
";

#[test]
fn labels_are_numbered_and_their_names_kept() {
    for target in [Column::from("species"), Column::from(2), Column::Last] {
        let table = sound(&TableReader::new().labels(target), FLOWERS);
        assert_eq!(table.features(), ["length", "width"]);
        assert_eq!(table.classes().unwrap(), ["setosa", "versicolor", "virginica"]);
        assert!(table.missing().is_empty());
        let set = table.into_dataset().unwrap();
        assert_eq!(set.inputs(), &array![[5.1, 3.5], [7.0, 3.2], [6.3, 3.3], [4.9, 3.0]].into_dyn());
        assert_eq!((set.labels().unwrap(), set.classes()), (vec![0, 1, 2, 0], Some(3)));
    }
}

#[test]
fn classes_are_in_the_order_of_names_or_numbers_or_as_told() {
    let classes = |reader: TableReader, text: &str| {
        let table = sound(&reader, text);
        let classes = table.classes().unwrap().to_vec();
        (classes, table.into_dataset().unwrap().labels().unwrap())
    };
    let labels = || TableReader::new().labels("y");
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(classes(labels(), "x,y\n1,b\n1,a\n1,b\n"), (names(&["a", "b"]), vec![1, 0, 1]));
    assert_eq!(classes(labels(), "x,y\n1,10\n1,9\n1,-1\n"), (names(&["-1", "9", "10"]), vec![2, 1, 0]));
    let told = labels().classes(["c", "b", "a"]);
    assert_eq!(classes(told, "x,y\n1,b\n1,a\n1,b\n"), (names(&["c", "b", "a"]), vec![1, 2, 1]));
}

#[test]
fn several_numbers_are_predicted_in_the_order_asked_for() {
    let table = sound(&TableReader::new().targets(["z", "x"]).ignore([1]), "x,id,y,z\n1,a,2,3\n4,b,5,6\n");
    assert_eq!(table.features(), ["y"]);
    let set = table.into_dataset().unwrap();
    assert_eq!(set.inputs(), &array![[2.0], [5.0]].into_dyn());
    assert_eq!(set.targets(), &array![[3.0, 1.0], [6.0, 4.0]].into_dyn());
    assert_eq!(set.classes(), None);
}

#[test]
fn a_table_without_targets_is_no_data_set() {
    let table = sound(&TableReader::new(), "x,y\n1,2\n");
    assert_eq!(table.clone().into_dataset().unwrap_err(), DataError::NoTargets);
    assert_eq!(table.into_inputs(), array![[1.0, 2.0]]);
}

#[test]
fn what_stands_in_files_is_understood() {
    let expected = array![[1.0, -2.5e3], [0.25, 4.0]];
    let comma = TableReader::new();
    let table: &[(TableReader, &str)] = &[
        (comma.clone(), "a,b\n1,-2.5e3\n.25,+4\n"),
        (comma.clone(), "a,b\r\n1,-2.5e3\r\n0.25,4\r\n"),
        (comma.clone(), "a,b\n1,-2.5e3\n0.25,4"),
        (comma.clone(), "\u{feff}a,b\n1,-2.5e3\n0.25,4\n"),
        (comma.clone(), "a,b\n\n1 , -2.5e3\n\n 0.25,\t4\n\n"),
        (comma.clone(), "\"a\",\"b\"\n\"1\",\"-2.5e3\"\n0.25,4\n"),
        (comma.clone().separator(b';'), "a;b\n1;-2.5e3\n0.25;4\n"),
        (comma.clone().separator(b'\t'), "a\tb\n1\t-2.5e3\n0.25\t4\n"),
        (comma.clone().header(false), "1,-2.5e3\n0.25,4\n"),
        (comma.clone().header(true), "3,7\n1,-2.5e3\n0.25,4\n"),
        (comma.clone(), "0,1\n1,-2.5e3\n0.25,4\n"),
    ];
    for (reader, text) in table {
        assert_eq!(sound(reader, text).inputs(), expected, "{text}");
    }
    assert_eq!(sound(&comma.clone().header(false), "1,2\n").features(), ["0", "1"]);
    let quoted = sound(&comma.labels(1), "x,y\n1,\"a, \"\"b\"\"\nc\"\n");
    assert_eq!(quoted.classes().unwrap(), ["a, \"b\"\nc"]);
}

#[test]
fn missing_values_are_counted_and_named() {
    let text = "a,b,c\n1,NA,x\n2,?,y\n,4,x\n3,8,x\n";
    let counts = [("a".to_owned(), 1), ("b".to_owned(), 2)];
    let labels = TableReader::new().labels("c");

    let message = read(&labels, text).unwrap_err().to_string();
    assert!(message.starts_with("missing values: 1 in `a`, 2 in `b` (the first in line 2); "), "{message}");

    let dropped = sound(&labels.clone().missing(Missing::DropRow), text);
    assert_eq!((dropped.missing(), dropped.dropped()), (&counts[..], 3));
    assert_eq!(dropped.inputs(), array![[3.0, 8.0]]);
    assert_eq!(dropped.classes().unwrap(), ["x"]);

    let filled = sound(&labels.missing(Missing::Mean), text);
    assert_eq!((filled.missing(), filled.dropped()), (&counts[..], 0));
    assert_eq!(filled.inputs(), array![[1.0, 6.0], [2.0, 6.0], [2.0, 4.0], [3.0, 8.0]]);
}

#[test]
fn every_way_to_write_that_a_value_is_missing() {
    for mark in ["", "NA", "na", "N/A", "NaN", "nan", "NULL", "null", "?", "  ", "\"\""] {
        let text = format!("a,b\n1,2\n{mark},4\n3,6\n");
        let table = sound(&TableReader::new().missing(Missing::Mean), &text);
        assert_eq!(table.missing(), [("a".to_owned(), 1)], "{mark}");
        assert_eq!(table.inputs()[[1, 0]], 2.0);
    }
}

#[test]
fn categories_become_one_feature_each() {
    let text = "size,colour,price\n1,red,10\n2,blue,20\n3,?,30\n4,red,40\n";
    let reader = TableReader::new().targets(["price"]).categories(["colour"]).missing(Missing::Mean);
    let table = sound(&reader, text);
    assert_eq!(table.features(), ["size", "colour=blue", "colour=red"]);
    let (one, two) = (1.0 / 3.0, 2.0 / 3.0);
    assert_eq!(table.inputs(), array![[1.0, 0.0, 1.0], [2.0, 1.0, 0.0], [3.0, one, two], [4.0, 0.0, 1.0]]);
    let text = "a,b\nx,u\ny,v\n";
    let all = sound(&TableReader::new().categories(["a", "b"]), text);
    assert_eq!(all.inputs(), array![[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]);
}

#[test]
fn another_file_is_read_alike() {
    let train = "id,size,colour,kind\n1,10,red,b\n2,30,blue,a\n3,,red,c\n";
    let reader = TableReader::new().labels("kind").categories(["colour"]).ignore(["id"]);
    let table = sound(&reader.missing(Missing::Mean), train);
    let saved = serde_json::to_string(table.schema()).unwrap();
    let schema: Schema = serde_json::from_str(&saved).unwrap();
    assert_eq!(&schema, table.schema());

    let like = TableReader::like(&schema).missing(Missing::Mean);
    let test = sound(&like, "kind,colour,size,weight\nc,blue,?,heavy\nb,red,7,light\n");
    assert_eq!(test.features(), table.features());
    assert_eq!(test.classes(), table.classes());
    // The mean is that of the training file.
    assert_eq!(test.inputs(), array![[20.0, 1.0, 0.0], [7.0, 0.0, 1.0]]);
    assert_eq!(test.into_dataset().unwrap().labels().unwrap(), [2, 1]);
    assert_eq!(sound(&like, "size,colour\n,red\n").into_inputs(), array![[20.0, 0.0, 1.0]]);

    let message = |text: &str| read(&like, text).unwrap_err().to_string();
    assert_eq!(
        message("size,colour,kind\n1,green,a\n"),
        "line 2, column `colour`: expected one of `blue`, `red`, got `green`"
    );
    assert_eq!(
        message("size,colour,kind\n1,red,d\n"),
        "line 2, column `kind`: expected one of `a`, `b`, `c`, got `d`"
    );
    assert_eq!(
        message("size,kind\n1,a\n"),
        "there is no column named `colour`, the columns are `size`, `kind`"
    );
}

#[test]
fn each_error_has_its_place() {
    let plain = TableReader::new();
    let long = format!("a,b\n1,{}\n", "x".repeat(100));
    let expected_long = format!("line 2, column `b`: expected a finite number, got `{}…`", "x".repeat(40));
    let table: &[(TableReader, &str, &str)] = &[
        (plain.clone(), "", "expected at least one row of values, got none"),
        (plain.clone(), "\n\n", "expected at least one row of values, got none"),
        (plain.clone(), "a,b\n", "expected at least one row of values, got none"),
        (plain.clone(), "a,b\n1,2\n3\n", "line 3: expected 2 cells as in the first line, got 1"),
        (plain.clone(), "a,b\n1,2,3\n", "line 2: expected 2 cells as in the first line, got 3"),
        (plain.clone(), "a,b\n1,2\n\n3,two\n", "line 4, column `b`: expected a finite number, got `two`"),
        (
            plain.clone(),
            "a,b\r\n1,2\r\n\r\n3,two\r\n",
            "line 4, column `b`: expected a finite number, got `two`",
        ),
        (plain.clone(), "\na,b\r1,2\r3,two", "line 4, column `b`: expected a finite number, got `two`"),
        (
            plain.clone().labels(0),
            "a,b\n\"x\ny\",1\n\"z\r\n\",2\nw,two",
            "line 6, column `b`: expected a finite number, got `two`",
        ),
        (plain.clone(), "a,b\n\"1\n\",x\n", "line 2, column `b`: expected a finite number, got `x`"),
        (plain.clone(), "a,b\n1,inf\n", "line 2, column `b`: expected a finite number, got `inf`"),
        (plain.clone(), "a,b\n1,1e999\n", "line 2, column `b`: expected a finite number, got `1e999`"),
        (plain.clone(), "a,b\n1,\"2,5\"\n", "line 2, column `b`: expected a finite number, got `2,5`"),
        (plain.clone(), &long, &expected_long),
        (plain.clone().header(false), "1,2\n3,x\n", "line 2, column `1`: expected a finite number, got `x`"),
        (
            plain.clone(),
            "1.5,2\n3,4\n",
            "line 1: expected the names of the columns, got numbers only; say `header(false)` if the file has none",
        ),
        (plain.clone().labels("c"), "a,b\n1,2\n", "there is no column named `c`, the columns are `a`, `b`"),
        (
            plain.clone().targets([2]),
            "a,b\n1,2\n",
            "there is no column number 2 (from 0), the columns are `a`, `b`",
        ),
        (plain.clone().labels("a"), "a,a\n1,2\n", "there are 2 columns named `a`: choose by number"),
        (plain.clone().labels("a"), "a\n1\n", "no column is left for the inputs: the columns are `a`"),
        (
            plain.clone().labels("b").classes(["x", "y"]),
            "a,b\n1,x\n2,z\n",
            "line 3, column `b`: expected one of `x`, `y`, got `z`",
        ),
        (
            plain.clone().missing(Missing::DropRow),
            "a,b\n1,\n,2\n",
            "no row is left: all 2 have missing values, 1 in `a`, 1 in `b`",
        ),
        (
            plain.clone().labels("b").missing(Missing::Mean),
            "a,b\n1,x\n,\n3,y\n",
            "missing targets: 1 in `b` (the first in line 3), which cannot be filled in",
        ),
        (
            plain.clone().missing(Missing::Mean),
            "a,b\n1,\n2,\n",
            "column `b`: expected at least one value to take the mean of, got none",
        ),
    ];
    for (reader, text, expected) in table {
        match read(reader, text) {
            Ok(table) => panic!("{text:?} was read as {table:?}"),
            Err(problem) => assert_eq!(&problem.to_string(), expected, "{text:?}"),
        }
    }
    let problem = plain.read_csv_from::<f64>(&b"a,b\n1,\xff\n"[..]).unwrap_err();
    assert_eq!(problem.to_string(), "line 2, column `b`: expected UTF-8, got `\u{fffd}`");
    let narrow = plain.read_csv_from::<f32>("a\n1e300\n".as_bytes()).unwrap_err();
    assert_eq!(narrow.to_string(), "line 2, column `a`: expected a finite number, got `1e300`");
}

#[test]
fn errors_name_the_file() {
    let folder = Folder::new("table");
    let path = folder.write("numbers.csv", b"a,b\n1,2\n3,four\n");
    let message = TableReader::new().read_csv::<f32>(&path).unwrap_err().to_string();
    let expected = "line 3, column `b`: expected a finite number, got `four`";
    assert_eq!(message, format!("{}: {expected}", path.display()));
    let missing = TableReader::new().read_csv::<f32>(folder.path("nothing.csv")).unwrap_err().to_string();
    assert!(missing.contains("nothing.csv: cannot be read: "), "{missing}");
    let path = folder.write("sound.csv", FLOWERS.as_bytes());
    let set = TableReader::new().labels("species").read_csv::<f32>(path).unwrap().into_dataset().unwrap();
    assert_eq!(set.len(), 4);
}

fn options() -> [TableReader; 5] {
    let new = TableReader::new;
    [
        new(),
        new().header(false).labels(0).missing(Missing::Mean),
        new().header(false).labels(Column::Last).missing(Missing::DropRow).categories([0]),
        new().header(true).targets([0]).separator(b';').missing(Missing::Mean),
        new().header(false).categories([0]).missing(Missing::Mean),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_a_table_or_an_error(bytes in vec(any::<u8>(), 0..60)) {
        for reader in options() {
            let _ = reader.read_csv_from::<f32>(&bytes[..]);
        }
    }

    #[test]
    fn any_text_of_likely_characters_gives_a_sound_table_or_an_error(text in "[a1.,;?\"\n-]{0,60}") {
        for reader in options() {
            if let Ok(table) = reader.read_csv_from::<f32>(text.as_bytes()) {
                prop_assert!(table.inputs().iter().all(|x| x.is_finite()));
                prop_assert_eq!(table.inputs().ncols(), table.features().len());
                if table.targets().is_some() {
                    prop_assert!(table.into_dataset().is_ok());
                }
            }
        }
    }

    #[test]
    fn numbers_come_back_with_the_same_bits(rows in vec([any::<i64>(), any::<i64>()], 1..20)) {
        let numbers = Array2::from_shape_fn((rows.len(), 2), |(i, j)| rows[i][j] as f64 / 1024.0);
        let lines: String = numbers.rows().into_iter().map(|row| format!("{},{}\n", row[0], row[1])).collect();
        let table = TableReader::new().header(false).read_csv_from::<f64>(lines.as_bytes()).unwrap();
        prop_assert_eq!(table.into_inputs(), numbers);
    }
}
