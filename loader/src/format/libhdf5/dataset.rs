//! Data sets and attributes, as the library is asked for them.

use hdf5_metno::types::VarLenUnicode;
use hdf5_metno::{Dataset, DatasetBuilderEmpty, File, Location, Result};

use super::form::Form;
use super::packing::Packing;
use super::{Kind, Value, ffi};

/// An empty data set that may grow, in chunks of `chunk_rows` that are stored as `packing` says.
pub(super) fn create(file: &File, name: &str, packing: &Packing, chunk_rows: usize) -> Result<Dataset> {
    let builder = file.new_dataset_builder();
    let make = |builder: DatasetBuilderEmpty| {
        let builder = builder.shape(0..).chunk(chunk_rows);
        let builder = if packing.is_shuffled { builder.shuffle() } else { builder };
        builder.obj_track_times(false).add_filter(ffi::ZSTD, &[packing.level.cast_unsigned()]).create(name)
    };
    match packing.form {
        Form::Plain(Kind::F64) => make(builder.empty::<f64>()),
        Form::Single => make(builder.empty::<f32>()),
        Form::Plain(Kind::I64) => make(builder.empty::<i64>()),
        Form::Short { bytes } | Form::Ticks { bytes, .. } => match bytes {
            1 => make(builder.empty::<i8>()),
            2 => make(builder.empty::<i16>()),
            4 => make(builder.empty::<i32>()),
            _ => make(builder.empty::<i64>()),
        },
    }
}

/// Makes a data set `rows` long and writes its last chunk.
pub(super) fn extend(dataset: &Dataset, rows: u64, chunk_rows: usize, stored: &[u8]) -> Result<()> {
    // The extent is only ever enlarged: shrinking would make the library run the filter on the last chunk.
    dataset.resize(rows as usize)?;
    ffi::write_chunk(dataset, (rows - 1) / chunk_rows as u64 * chunk_rows as u64, stored)
}

pub(super) fn attribute(at: &Location, name: &str, value: &Value) -> Result<()> {
    // The library's texts end at a NUL; a name with one, which no file system allows, is cut there.
    let text = |text: &str| text.split('\0').next().unwrap_or_default().parse::<VarLenUnicode>();
    let refused = |error: hdf5_metno::types::StringError| hdf5_metno::Error::Internal(error.to_string());
    match value {
        Value::Int(number) => at.new_attr::<i64>().create(name)?.write_scalar(number),
        Value::Text(value) => {
            at.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text(value).map_err(refused)?)
        }
        Value::Texts(values) => {
            let values = values
                .iter()
                .map(|value| text(value).map_err(refused))
                .collect::<std::result::Result<Vec<_>, _>>()?;
            at.new_attr::<VarLenUnicode>().shape(values.len()).create(name)?.write_raw(&values)
        }
    }
}
