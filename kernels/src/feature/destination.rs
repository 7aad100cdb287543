//! Where the outputs of one series go: `[row, output]` of any layout.

use ndarray::ArrayViewMut2;

use crate::feature::graph::Register;
use crate::feature::op::shown;
use crate::feature::turned;
use crate::feature::value::{Group, Lanes, WIDTH};

/// Rows of a tile: runs of 512 bytes of each output.
pub(crate) const TILE_ROWS: usize = 64;
/// Groups of rows of an output in a tile.
pub(crate) const TILE_GROUPS: usize = TILE_ROWS / WIDTH;
/// Bytes of a line of the caches.
const LINE_BYTES: usize = 64;

/// What is written: a feature as it is, or as a model reads it.
pub(crate) trait Cell: Copy + Send {
    /// Writes sixteen of them, past the caches where the instructions allow it.
    fn stream<V: Lanes<Number = f64>>(cells: &[Self; WIDTH], to: &mut [Self; WIDTH]);
}

impl Cell for f64 {
    #[inline(always)]
    fn stream<V: Lanes<Number = f64>>(cells: &[Self; WIDTH], to: &mut [Self; WIDTH]) {
        V::load(cells).stream(to);
    }
}

impl Cell for f32 {
    /// Half as many bytes, which a model is about to read.
    #[inline(always)]
    fn stream<V: Lanes<Number = f64>>(cells: &[Self; WIDTH], to: &mut [Self; WIDTH]) {
        *to = *cells;
    }
}

/// `[row, output]`, and the order in which it lies in memory.
pub(crate) enum Destination<'o, T> {
    /// Row after row.
    Rows(&'o mut [T]),
    /// Output after output.
    Columns(Vec<&'o mut [T]>),
    /// Any other.
    Strided(ArrayViewMut2<'o, T>),
}

impl<'o, T: Cell> Destination<'o, T> {
    pub(crate) fn new(out: ArrayViewMut2<'o, T>) -> Self {
        if out.dim().0 > 1 && out.strides()[0] == 1 {
            return Self::Columns(turned::columns_mut(out));
        }
        if out.is_standard_layout() {
            return Self::Rows(out.into_slice().unwrap_or_default());
        }
        Self::Strided(out)
    }

    /// Rows before the first that begins a line of the caches, where outputs have lines of their own.
    pub(crate) fn head_rows(&self) -> usize {
        let Self::Columns(columns) = self else { return 0 };
        let head = columns.first().map_or(0, |column| column.as_ptr().align_offset(LINE_BYTES));
        if head < LINE_BYTES / size_of::<T>() { head } else { 0 }
    }

    /// Writes the rows of a block: `convert(output, value)` of the lane of each of `registers`.
    #[inline(always)]
    pub(crate) fn write<const B: usize>(
        &mut self,
        (start, count): (usize, usize),
        lanes: &[[f64; B]],
        registers: &[Register],
        convert: &impl Fn(usize, f64) -> T,
    ) {
        match self {
            Self::Columns(columns) => {
                for (output, (column, register)) in columns.iter_mut().zip(registers).enumerate() {
                    let slots = column[start..start + count].iter_mut();
                    for (slot, value) in slots.zip(&lanes[*register]) {
                        *slot = convert(output, shown(*value));
                    }
                }
            }
            // Whole rows in order suit the memory better than columns with a stride, by a quarter of the whole run.
            Self::Rows(out) => {
                let outputs = registers.len();
                let rows = out[start * outputs..(start + count) * outputs].chunks_exact_mut(outputs);
                for (row, target) in rows.enumerate() {
                    for (output, (slot, register)) in target.iter_mut().zip(registers).enumerate() {
                        *slot = convert(output, shown(lanes[*register][row % B]));
                    }
                }
            }
            Self::Strided(out) => {
                for (row, mut target) in out.rows_mut().into_iter().skip(start).take(count).enumerate() {
                    for (output, (slot, register)) in target.iter_mut().zip(registers).enumerate() {
                        *slot = convert(output, shown(lanes[*register][row % B]));
                    }
                }
            }
        }
    }

    /// Writes the rows of a tile, `[output][row]`, whose NaN all have the form that is shown; whole lines `past` the caches.
    #[inline(always)]
    pub(crate) fn take<V: Lanes<Number = f64>>(
        &mut self,
        (start, count): (usize, usize),
        tile: &[Group<f64>],
        past: bool,
        convert: &impl Fn(usize, f64) -> T,
    ) {
        let (tile, _) = tile.as_chunks::<TILE_GROUPS>();
        match self {
            Self::Columns(columns) => {
                for (output, (column, groups)) in columns.iter_mut().zip(tile).enumerate() {
                    let (whole, rest) = column[start..start + count].as_chunks_mut::<WIDTH>();
                    let mut groups = groups.iter();
                    for (to, group) in whole.iter_mut().zip(&mut groups) {
                        let mut cells = [convert(output, group.0[0]); WIDTH];
                        for (cell, value) in cells.iter_mut().zip(&group.0) {
                            *cell = convert(output, *value);
                        }
                        if past {
                            T::stream::<V>(&cells, to);
                        } else {
                            *to = cells;
                        }
                    }
                    let last = groups.next().map_or(&[][..], |group| &group.0);
                    for (slot, value) in rest.iter_mut().zip(last) {
                        *slot = convert(output, *value);
                    }
                }
            }
            Self::Rows(out) => {
                let outputs = tile.len();
                let rows = out[start * outputs..(start + count) * outputs].chunks_exact_mut(outputs);
                for (row, target) in rows.enumerate() {
                    let (group, place) = (row / WIDTH % TILE_GROUPS, row % WIDTH);
                    for (output, (slot, groups)) in target.iter_mut().zip(tile).enumerate() {
                        *slot = convert(output, groups[group].0[place]);
                    }
                }
            }
            Self::Strided(out) => {
                for (row, mut target) in out.rows_mut().into_iter().skip(start).take(count).enumerate() {
                    let (group, place) = (row / WIDTH % TILE_GROUPS, row % WIDTH);
                    for (output, (slot, groups)) in target.iter_mut().zip(tile).enumerate() {
                        *slot = convert(output, groups[group].0[place]);
                    }
                }
            }
        }
    }
}
