//! Features of many rows at once: pieces long enough for the kernels to cut them into segments, short enough to be held.

use diapason_kernels::feature::{ShapeError, Stream};
use ndarray::Array2;

/// Bytes of features that are held at most.
const PIECE_BYTES_MAX: usize = 32 << 20;
/// Rows in a piece at least, however many features there are.
const PIECE_ROWS_MIN: usize = 1024;

/// Memory for a piece, used again for the next one.
#[derive(Default)]
pub(super) struct Piece {
    columns: Vec<Vec<f64>>,
    features: Array2<f64>,
}

impl Piece {
    /// Gives `stream` the rows of `inputs`, `[row][input]`, and calls `each` with the number of each row and its features.
    ///
    /// # Errors
    /// [`ShapeError`] where the inputs are not those of the stream's plan, which computes `width` features of `count` inputs,
    /// and what `each` returns.
    pub(super) fn run<E: From<ShapeError>>(
        &mut self,
        stream: &mut Stream,
        (inputs, count): (&[f64], usize),
        width: usize,
        mut each: impl FnMut(usize, &[f64]) -> Result<(), E>,
    ) -> Result<(), E> {
        let piece_rows = (PIECE_BYTES_MAX / (size_of::<f64>() * width.max(1))).max(PIECE_ROWS_MIN);
        let mut first = 0;
        for inputs in inputs.chunks(piece_rows * count.max(1)) {
            let rows = inputs.len() / count.max(1);
            self.columns.resize_with(count, Vec::new);
            for (place, column) in self.columns.iter_mut().enumerate() {
                column.clear();
                column.extend(inputs.iter().skip(place).step_by(count));
            }
            if self.features.dim() != (rows, width) {
                self.features = Array2::zeros((rows, width));
            }
            let columns: Vec<&[f64]> = self.columns.iter().map(Vec::as_slice).collect();
            stream.extend(&columns, self.features.view_mut())?;
            for (row, features) in self.features.rows().into_iter().enumerate() {
                each(first + row, features.to_slice().unwrap_or_default())?;
            }
            first += rows;
        }
        Ok(())
    }
}
