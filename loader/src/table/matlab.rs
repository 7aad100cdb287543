//! Variables of MATLAB 7.3 files: HDF5 behind a user block of 512 bytes, with arrays stored by columns.
//!
//! A column of N values is there a grid of 1 x N. What MATLAB shows as a row of N is N x 1, which is one column for us
//! as well.

use std::collections::BTreeMap;

use super::facts::Attribute;
use crate::format::hdf5::{Dataset, Layout};

/// The attribute that MATLAB gives its variables.
const CLASS: &str = "MATLAB_class";

/// `dataset` with the one column of a variable of MATLAB's along its first dimension; or why it is no column.
pub(super) fn upright(mut dataset: Dataset, notes: &BTreeMap<String, Attribute>) -> Result<Dataset, String> {
    let [columns, rows] = dataset.shape.dims[..] else { return Ok(dataset) };
    if !notes.contains_key(CLASS) || rows <= 1 {
        return Ok(dataset);
    }
    let chunk = match &mut dataset.layout {
        Layout::Chunked { chunk, .. } if chunk.len() == 2 => Some(chunk),
        Layout::Chunked { .. } => return Ok(dataset),
        Layout::Compact { .. } | Layout::Contiguous { .. } => None,
    };
    let is_one = columns == 1 && chunk.as_ref().is_none_or(|chunk| chunk[0] == 1);
    if !is_one {
        return Err(format!(
            "it is a matrix of MATLAB's with {columns} columns, save each as a variable of its own"
        ));
    }
    if let Some(chunk) = chunk {
        chunk.remove(0);
    }
    dataset.shape.dims.remove(0);
    dataset.shape.max.remove(0);
    Ok(dataset)
}
