//! Parquet and Arrow files, through the writers of the Arrow project.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::Error;
use super::meaning::{Meaning, batches};
use crate::table::{Column, Table, Values};

const LEVEL: i32 = 3;
/// Rows of a row group: they are in memory, packed, until it is written.
const GROUP_ROWS: usize = 262_144;
const ZONE: &str = "UTC";

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Output(error),
            other => Self::Form(other.to_string()),
        }
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(error) => match error.downcast::<std::io::Error>() {
                Ok(error) => Self::Output(*error),
                Err(other) => Self::Form(other.to_string()),
            },
            other => Self::Form(other.to_string()),
        }
    }
}

pub(super) fn write_parquet(
    table: &Table,
    output: impl Write + Send,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let shape = Shape::of(table);
    let level = ZstdLevel::try_new(LEVEL)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let output = BufWriter::with_capacity(1 << 20, output);
    let mut writer = ArrowWriter::try_new(output, Arc::clone(&shape.schema), Some(properties))?;
    batches(table, &shape.meanings, progress, |values| Ok(writer.write(&shape.record(values)?)?))?;
    Ok(writer.into_inner()?.flush()?)
}

pub(super) fn write_ipc(
    table: &Table,
    output: impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let shape = Shape::of(table);
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let output = BufWriter::with_capacity(1 << 20, output);
    let mut writer = FileWriter::try_new_with_options(output, &shape.schema, options)?;
    batches(table, &shape.meanings, progress, |values| Ok(writer.write(&shape.record(values)?)?))?;
    Ok(writer.into_inner()?.flush()?)
}

/// What the columns are in terms of Arrow.
struct Shape {
    schema: Arc<Schema>,
    meanings: Vec<Meaning>,
    /// The symbols of each column, where it has some.
    symbols: Vec<Option<ArrayRef>>,
    is_single: Vec<bool>,
}

impl Shape {
    fn of(table: &Table) -> Self {
        let meanings: Vec<Meaning> = table.columns().iter().map(Meaning::of).collect();
        let is_single: Vec<bool> = table.columns().iter().map(|column| column.dtype == "f32").collect();
        let field = |((column, meaning), single): ((&Column, &Meaning), &bool)| {
            let kind = match meaning {
                Meaning::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some(ZONE.into())),
                Meaning::Symbols(_) => {
                    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
                }
                Meaning::Whole => DataType::Int64,
                Meaning::Float if *single => DataType::Float32,
                Meaning::Float => DataType::Float64,
            };
            Field::new(&column.name, kind, false)
        };
        let fields: Vec<Field> = table.columns().iter().zip(&meanings).zip(&is_single).map(field).collect();
        let symbols = |meaning: &Meaning| match meaning {
            Meaning::Symbols(symbols) => Some(Arc::new(StringArray::from_iter_values(symbols)) as ArrayRef),
            _ => None,
        };
        let symbols = meanings.iter().map(symbols).collect();
        Self { schema: Arc::new(Schema::new(fields)), meanings, symbols, is_single }
    }

    fn record(&self, columns: Vec<Values>) -> Result<RecordBatch, ArrowError> {
        let array = |(at, values): (usize, Values)| -> Result<ArrayRef, ArrowError> {
            Ok(match (values, &self.symbols[at]) {
                (Values::Float(values), _) if self.is_single[at] => {
                    // They came from single precision, so nothing is lost.
                    Arc::new(Float32Array::from_iter_values(values.into_iter().map(|value| value as f32)))
                }
                (Values::Float(values), _) => Arc::new(Float64Array::from(values)),
                (Values::Whole(values), Some(symbols)) => {
                    let keys = Int32Array::from_iter_values(values.into_iter().map(|value| value as i32));
                    Arc::new(DictionaryArray::try_new(keys, Arc::clone(symbols))?)
                }
                (Values::Whole(values), None) if self.meanings[at] == Meaning::Time => {
                    Arc::new(TimestampNanosecondArray::from(values).with_timezone(ZONE))
                }
                (Values::Whole(values), None) => Arc::new(Int64Array::from(values)),
            })
        };
        let arrays = columns.into_iter().enumerate().map(array).collect::<Result<_, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}
