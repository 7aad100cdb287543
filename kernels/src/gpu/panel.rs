//! The shapes of a panel's columns and outputs, as [`Panel`](crate::feature::Panel) wants them.

use ndarray::ArrayView2;

use crate::feature::PanelError;
use crate::feature::program::Program;

/// The rows of `columns`, each `[row, symbol]`, where they and the output `[output, row, symbol]` fit `program`.
pub fn check<T>(
    program: &Program,
    symbols: usize,
    columns: &[ArrayView2<'_, T>],
    out: (usize, usize, usize),
) -> Result<usize, PanelError> {
    let (expected, given) = (program.columns.len(), columns.len());
    if expected != given {
        return Err(PanelError::Columns { expected, given });
    }
    let rows = columns.first().map_or(0, |column| column.dim().0);
    for (column, values) in columns.iter().enumerate() {
        if values.dim() != (rows, symbols) {
            let (found_rows, found) = values.dim();
            return Err(PanelError::Column {
                column,
                rows: found_rows,
                symbols: found,
                expected_rows: rows,
                expected_symbols: symbols,
            });
        }
    }
    let expected = (program.outputs.len(), rows, symbols);
    if out == expected { Ok(rows) } else { Err(PanelError::Output { given: out, expected }) }
}
