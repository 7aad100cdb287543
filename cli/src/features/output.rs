//! Where computed features go: a file of the form that its name tells, which has its name when it is complete.

use std::fs::File;
use std::path::{Path, PathBuf};

use diapason_loader::export::{self, Field, Format, Meaning, Sink};
#[cfg(feature = "libhdf5")]
use diapason_loader::format::libhdf5::{self, Column, Kind, Value, Writer};
use diapason_loader::table::Values;
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::line::feed::{Feed, TIME};
use crate::line::keep::Row;
use crate::write;

/// Rows that are written together.
const ROWS: usize = 8192;
/// Rows of a chunk of HDF5.
#[cfg(feature = "libhdf5")]
const CHUNK_ROWS: usize = 65_536;
/// The highest zstd level of a column.
#[cfg(feature = "libhdf5")]
const LEVEL: i32 = 3;
/// The unit by which a column is known as a time.
#[cfg(feature = "libhdf5")]
const NANOSECONDS: &str = "nanoseconds since 1970-01-01 UTC";

/// Ends of names, and what is said of others.
#[cfg(feature = "libhdf5")]
const HDF5_ENDS: [&str; 2] = ["h5", "hdf5"];
const REASON: &str = if cfg!(feature = "arrow") {
    "its name does not end with .h5, .hdf5, .npy, .csv, .parquet, .arrow or .feather, which are what is written; give such a name"
} else if cfg!(feature = "libhdf5") {
    "its name does not end with .h5, .hdf5, .npy or .csv, which are what this build writes; give such a name"
} else {
    "its name does not end with .npy, which is what this build writes; give such a name"
};

/// What is written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    #[cfg(feature = "libhdf5")]
    Hdf5,
    Export(Format),
}

impl Form {
    /// The form that the name of `path` tells.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        #[cfg(feature = "libhdf5")]
        if path.extension().and_then(|end| end.to_str()).is_some_and(|end| HDF5_ENDS.contains(&end)) {
            return Ok(Self::Hdf5);
        }
        let refused = || Failure::Refused { file: path.to_path_buf(), reason: REASON };
        Format::of(path).map(Self::Export).ok_or_else(refused)
    }
}

enum Target {
    #[cfg(feature = "libhdf5")]
    Hdf5 {
        writer: Box<Writer>,
        plan: String,
    },
    Export {
        sink: Box<Sink<File>>,
        file: NamedTempFile,
    },
}

/// A file on its way.
pub(super) struct Output {
    path: PathBuf,
    target: Target,
    times: Vec<i64>,
    features: Vec<Vec<f64>>,
    written: Result<(), Failure>,
}

impl Output {
    /// Begins the file of the features of `feed`.
    pub(super) fn new(path: &Path, form: Form, feed: &Feed) -> Result<Self, Failure> {
        let names = feed.plan.names();
        let target = match form {
            #[cfg(feature = "libhdf5")]
            Form::Hdf5 => {
                let column = |name: &str, kind, unit: &str, role: &str| Column {
                    name: name.to_owned(),
                    kind,
                    unit: unit.to_owned(),
                    role: role.to_owned(),
                };
                let mut columns = vec![column(TIME, Kind::I64, NANOSECONDS, TIME)];
                // In HDF5 a slash parts a group from what is in it.
                columns.extend(
                    names.iter().map(|name| column(&name.replace('/', ":"), Kind::F64, "", "feature")),
                );
                let mut writer = Writer::create(path, &columns, CHUNK_ROWS, LEVEL)?;
                for (place, name) in names.iter().enumerate() {
                    writer.note(place + 1, "feature", Value::Text(name.clone()));
                }
                Target::Hdf5 { writer: Box::new(writer), plan: feed.plan.hash().to_owned() }
            }
            Form::Export(format) => {
                let field = |name: &str, meaning| Field { name: name.to_owned(), meaning };
                let mut fields = vec![field(TIME, Meaning::Time)];
                fields.extend(names.iter().map(|name| field(name, Meaning::Float)));
                let of_file = |error| Failure::Write { file: path.to_path_buf(), error };
                let file = write::beside(path).map_err(of_file)?;
                let handle = file.as_file().try_clone().map_err(of_file)?;
                let sink = Sink::new(format, &fields, feed.table.rows(), handle);
                Target::Export { sink: Box::new(sink.map_err(|error| refused(path, error))?), file }
            }
        };
        let features = names.iter().map(|_| Vec::with_capacity(ROWS)).collect();
        Ok(Self {
            path: path.to_path_buf(),
            target,
            times: Vec::with_capacity(ROWS),
            features,
            written: Ok(()),
        })
    }

    /// Takes a row, unless one before could not be written.
    pub(super) fn write(&mut self, row: Row<'_>) {
        if self.written.is_ok() {
            self.times.push(row.time);
            self.features.iter_mut().zip(row.features).for_each(|(column, value)| column.push(*value));
            if self.times.len() == ROWS {
                self.written = self.flush();
            }
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        match &mut self.target {
            #[cfg(feature = "libhdf5")]
            Target::Hdf5 { writer, .. } => {
                let mut rows = vec![libhdf5::Values::I64(&self.times)];
                rows.extend(self.features.iter().map(|column| libhdf5::Values::F64(column)));
                writer.push_rows(&rows, 1)?;
            }
            Target::Export { sink, .. } => {
                let mut columns = vec![Values::Whole(self.times.clone())];
                columns.extend(self.features.iter().cloned().map(Values::Float));
                sink.push(columns).map_err(|error| refused(&self.path, error))?;
            }
        }
        self.times.clear();
        self.features.iter_mut().for_each(Vec::clear);
        Ok(())
    }

    /// Writes what is left, and puts the file at its place.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        std::mem::replace(&mut self.written, Ok(()))?;
        self.flush()?;
        let Self { path, target, .. } = self;
        match target {
            #[cfg(feature = "libhdf5")]
            Target::Hdf5 { writer, plan } => {
                writer.finish(&[("feature_plan", Value::Text(plan))])?;
            }
            Target::Export { sink, file } => {
                sink.finish().map_err(|error| refused(&path, error))?;
                let of_file = |error| Failure::Write { file: path.clone(), error };
                file.as_file().sync_all().map_err(of_file)?;
                file.persist(&path).map_err(|error| of_file(error.error))?;
            }
        }
        Ok(())
    }
}

fn refused(path: &Path, error: export::Error) -> Failure {
    let file = path.to_path_buf();
    match error {
        export::Error::Output(error) => Failure::Write { file, error },
        error => Failure::Export { file, error },
    }
}
