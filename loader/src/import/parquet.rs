//! Parquet files, a few thousand rows at a time. The reader of the Arrow project decodes a page of each column at once.

use std::path::{Path, PathBuf};

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::arrow::{Converter, fields};
use super::batch::{Batch, Field};
use super::error::Error;

/// Rows of a batch.
const ROWS: usize = 8192;
const FORMAT: &str = "Parquet";

/// An open file.
pub(super) struct Reader {
    path: PathBuf,
    fields: Vec<Field>,
    rows: Option<ParquetRecordBatchReader>,
    /// Where each chosen field is among the columns that are read, which stand in the order of the file.
    places: Vec<usize>,
    converter: Converter,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let builder = builder(path)?;
        let fields = fields(builder.schema());
        Ok(Self {
            path: path.to_path_buf(),
            fields,
            rows: None,
            places: Vec::new(),
            converter: Converter::new(0),
        })
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn choose(&mut self, numbers: &[usize]) -> Result<(), Error> {
        let builder = builder(&self.path)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), numbers.iter().copied());
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable();
        self.places = numbers.iter().map(|number| sorted.partition_point(|other| other < number)).collect();
        self.converter = Converter::new(numbers.len());
        let rows = builder.with_batch_size(ROWS).with_projection(mask).build();
        self.rows = Some(rows.map_err(|error| broken(&self.path, &error))?);
        Ok(())
    }

    /// Takes these as the first symbols of a chosen field.
    pub fn know(&mut self, lane: usize, symbols: &[String]) {
        self.converter.know(lane, symbols);
    }

    pub fn next(&mut self) -> Result<Option<Batch>, Error> {
        let Some(record) = self.rows.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let ordered = record.and_then(|record| record.project(&self.places));
        let ordered = ordered.map_err(|error| broken(&self.path, &error))?;
        self.converter.convert(&self.path, &ordered).map(Some)
    }
}

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>, Error> {
    let file = super::open(path)?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &dyn ToString) -> Error {
    Error::Broken { path: path.to_path_buf(), format: FORMAT, problem: error.to_string() }
}
