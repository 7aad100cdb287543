//! Parquet and Arrow files, through the writers of the Arrow project.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, DataType, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::Error;
use super::meaning::{Field, Meaning};
use crate::table::Values;

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

/// A Parquet file on its way.
pub(super) struct Parquet<W: Write + Send> {
    shape: Shape,
    writer: ArrowWriter<BufWriter<W>>,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(fields: &[Field], output: W) -> Result<Self, Error> {
        let shape = Shape::of(fields);
        let level = ZstdLevel::try_new(LEVEL)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let output = BufWriter::with_capacity(1 << 20, output);
        let writer = ArrowWriter::try_new(output, Arc::clone(&shape.schema), Some(properties))?;
        Ok(Self { shape, writer })
    }

    pub(super) fn push(&mut self, columns: Vec<Values>) -> Result<(), Error> {
        Ok(self.writer.write(&self.shape.record(columns)?)?)
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        Ok(self.writer.into_inner()?.flush()?)
    }
}

/// An Arrow file on its way.
pub(super) struct Ipc<W: Write> {
    shape: Shape,
    writer: FileWriter<BufWriter<W>>,
}

impl<W: Write> Ipc<W> {
    pub(super) fn new(fields: &[Field], output: W) -> Result<Self, Error> {
        let shape = Shape::of(fields);
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
        let output = BufWriter::with_capacity(1 << 20, output);
        let writer = FileWriter::try_new_with_options(output, &shape.schema, options)?;
        Ok(Self { shape, writer })
    }

    pub(super) fn push(&mut self, columns: Vec<Values>) -> Result<(), Error> {
        Ok(self.writer.write(&self.shape.record(columns)?)?)
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        Ok(self.writer.into_inner()?.flush()?)
    }
}

/// What the columns are in terms of Arrow.
struct Shape {
    schema: Arc<Schema>,
    meanings: Vec<Meaning>,
    /// The symbols of each column, where it has some.
    symbols: Vec<Option<ArrayRef>>,
}

impl Shape {
    fn of(fields: &[Field]) -> Self {
        let column = |field: &Field| {
            let kind = match field.meaning {
                Meaning::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some(ZONE.into())),
                Meaning::Symbols(_) => {
                    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
                }
                Meaning::Whole => DataType::Int64,
                Meaning::Single => DataType::Float32,
                Meaning::Float => DataType::Float64,
            };
            arrow_schema::Field::new(&field.name, kind, false)
        };
        let symbols = |field: &Field| match &field.meaning {
            Meaning::Symbols(symbols) => Some(Arc::new(StringArray::from_iter_values(symbols)) as ArrayRef),
            _ => None,
        };
        let schema = Arc::new(Schema::new(fields.iter().map(column).collect::<Vec<_>>()));
        let meanings = fields.iter().map(|field| field.meaning.clone()).collect();
        Self { schema, meanings, symbols: fields.iter().map(symbols).collect() }
    }

    fn record(&self, columns: Vec<Values>) -> Result<RecordBatch, ArrowError> {
        let array = |(at, values): (usize, Values)| -> Result<ArrayRef, ArrowError> {
            Ok(match (values, &self.symbols[at]) {
                (Values::Float(values), _) if self.meanings[at] == Meaning::Single => {
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
