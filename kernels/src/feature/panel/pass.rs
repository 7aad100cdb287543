//! Some rows of all symbols, block by block and group by group.

use ndarray::{ArrayView2, ArrayViewMut3};

use crate::feature::loops::Job;
use crate::feature::op::known;
use crate::feature::program::Program;
use crate::feature::value::{Group, Number};

/// Symbols in a group: a register of AVX-512 in `f32`, two in `f64`.
pub(super) const WIDTH: usize = 16;
/// Rows in a block: the registers of thirty nodes in `f32` are 30 KiB.
pub(super) const BLOCK: usize = 16;

/// Values of a group in the rows of a block.
type Lane<T> = [Group<T, WIDTH>; BLOCK];

/// The work, whose shapes were checked.
pub(super) struct Pass<'a, 'i, 'o, T> {
    pub program: &'a Program,
    /// The states of the groups, one after the other.
    pub states: &'a mut [Group<T, WIDTH>],
    pub lanes: &'a mut [Lane<T>],
    /// `[row, symbol]` of each column.
    pub columns: &'a [ArrayView2<'i, T>],
    /// The columns again, where they lie in memory in the order of their indices.
    pub flat: &'a [Option<&'a [T]>],
    /// `[output, row, symbol]`.
    pub out: &'a mut ArrayViewMut3<'o, T>,
}

impl<T: Number> Job for Pass<'_, '_, '_, T> {
    #[inline(always)]
    fn run(mut self) {
        let (_, rows, symbols) = self.out.dim();
        let state_len = self.program.state_len;
        for start in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - start);
            for (group, symbol) in (0..symbols).step_by(WIDTH).enumerate() {
                self.read(start, symbol, count);
                let state = &mut self.states[group * state_len..][..state_len];
                self.program.advance(state, self.lanes, count);
                self.write(start, symbol, count);
            }
        }
    }
}

impl<T: Number> Pass<'_, '_, '_, T> {
    #[inline(always)]
    fn read(&mut self, start: usize, symbol: usize, count: usize) {
        for ((lane, column), flat) in self.lanes.iter_mut().zip(self.columns).zip(self.flat) {
            let (_, symbols) = column.dim();
            let slots = lane[..count].iter_mut();
            match flat {
                Some(flat) if symbol + WIDTH <= symbols => {
                    for (slot, row) in slots.zip(flat[start * symbols..].chunks_exact(symbols)) {
                        let row = &row[symbol..symbol + WIDTH];
                        *slot = Group(std::array::from_fn(|place| known(row[place])));
                    }
                }
                _ => {
                    for (slot, row) in slots.zip(start..) {
                        // The places beyond the last symbol repeat it, so that they warm up with it.
                        let at = |place: usize| [row, (symbol + place).min(symbols - 1)];
                        *slot = Group(std::array::from_fn(|place| known(column[at(place)])));
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn write(&mut self, start: usize, symbol: usize, count: usize) {
        let (_, rows, symbols) = self.out.dim();
        for (output, register) in self.program.outputs.iter().enumerate() {
            let lane = self.lanes[*register][..count].iter();
            let Some(flat) = self.out.as_slice_mut() else {
                for (row, values) in (start..).zip(lane) {
                    for (symbol, value) in (symbol..symbols).zip(values.0) {
                        self.out[[output, row, symbol]] = value;
                    }
                }
                continue;
            };
            let targets = flat[(output * rows + start) * symbols..].chunks_exact_mut(symbols);
            for (target, values) in targets.zip(lane) {
                match target[symbol..].first_chunk_mut::<WIDTH>() {
                    Some(target) => *target = values.0,
                    None => target[symbol..].copy_from_slice(&values.0[..symbols - symbol]),
                }
            }
        }
    }
}
