//! Parquet files.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::Type;
use nn_core::Real;

use crate::TableReader;
use crate::table::{Builder, Cell, Table, TableProblem};

/// Reads all rows of the columns that are used.
pub(crate) fn read<F: Real>(options: &TableReader, path: &Path) -> Result<Table<F>, TableProblem> {
    let file = File::open(path).map_err(TableProblem::Io)?;
    // Damaged files make the reader of the format panic in some places; where panics abort, so does this.
    catch_unwind(AssertUnwindSafe(|| rows(options, file)))
        .unwrap_or_else(|_| Err(TableProblem::Parquet("its reader gave up".into())))
}

fn rows<F: Real>(options: &TableReader, file: File) -> Result<Table<F>, TableProblem> {
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema();
    let names: Vec<String> = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
    let mut builder = Builder::new(options, names.clone())?;
    let mut used = builder.used();
    used.sort_unstable();
    let fields = used.iter().map(|&column| schema.get_fields()[column].clone()).collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(damaged)?;
    let rows = reader.get_row_iter(Some(projection)).map_err(damaged)?;
    for (row, line) in rows.zip(1..) {
        let row = row.map_err(damaged)?;
        let cells = cells(&row, &used, &names)?;
        builder.push(line, |column| {
            let place = used.binary_search(&column).map_err(|_| String::new())?;
            cells.get(place).copied().ok_or_else(String::new)
        })?;
    }
    builder.finish()
}

/// The cells of a row, in the order of the columns.
fn cells<'a>(row: &'a Row, used: &[usize], names: &[String]) -> Result<Vec<Cell<'a>>, TableProblem> {
    let fields = row.get_column_iter().map(|(_, field)| field);
    let cells = fields.zip(used).map(|(field, &column)| {
        cell(field).ok_or_else(|| TableProblem::ColumnType {
            column: names[column].clone(),
            found: kind(field).into(),
        })
    });
    cells.collect()
}

/// `None` for what is neither a number nor text.
fn cell(field: &Field) -> Option<Cell<'_>> {
    let number = match *field {
        Field::Null => return Some(Cell::Missing),
        Field::Str(ref text) => return Some(Cell::from_text(text.trim())),
        Field::Bool(value) => u8::from(value).into(),
        Field::Byte(value) => value.into(),
        Field::Short(value) => value.into(),
        Field::Int(value) => value.into(),
        Field::Long(value) => value as f64,
        Field::UByte(value) => value.into(),
        Field::UShort(value) => value.into(),
        Field::UInt(value) => value.into(),
        Field::ULong(value) => value as f64,
        Field::Float16(value) => value.into(),
        Field::Float(value) => value.into(),
        Field::Double(value) => value,
        _ => return None,
    };
    Some(if number.is_nan() { Cell::Missing } else { Cell::Number(number) })
}

/// The name of a type that is not read.
fn kind(field: &Field) -> &'static str {
    match field {
        Field::Decimal(_) => "decimal numbers",
        Field::Bytes(_) => "bytes",
        Field::Date(_) => "dates",
        Field::TimeMillis(_) | Field::TimeMicros(_) => "times of day",
        Field::TimestampMillis(_) | Field::TimestampMicros(_) => "times",
        Field::Group(_) => "groups of columns",
        Field::ListInternal(_) => "lists",
        Field::MapInternal(_) => "maps",
        _ => "something else",
    }
}

fn damaged(error: ParquetError) -> TableProblem {
    TableProblem::Parquet(error.to_string())
}
