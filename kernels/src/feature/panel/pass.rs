//! Some rows of all symbols, block by block and group by group.

use ndarray::ArrayView2;

use super::target::Target;
use crate::feature::loops::GroupJob;
use crate::feature::op::known;
use crate::feature::program::{Known, Program};
use crate::feature::turned;
use crate::feature::value::{Group, Lanes, Number, WIDTH};

/// Rows in a block: a lane in `f64` is 2 KiB, and a dozen of them stay in the first-level cache. Blocks of 32 rows were 3 to 7 %
/// faster to memory, and in cache within the spread of the measurements (Zen 4).
pub(super) const BLOCK: usize = 16;

/// The work, whose shapes were checked.
pub(super) struct Pass<'a, 'i, 'o, T> {
    pub program: &'a Program,
    /// The states of the groups, one after the other.
    pub states: &'a mut [Group<T>],
    pub columns: &'a [Column<'i, T>],
    pub target: Target<'o, T>,
    pub rows: usize,
    pub symbols: usize,
}

/// `[row, symbol]` of a column, and again where it lies in memory row after row or symbol after symbol.
pub(super) struct Column<'i, T> {
    view: ArrayView2<'i, T>,
    flat: Option<&'i [T]>,
    turned: Option<Vec<&'i [T]>>,
}

impl<'i, T: Number> Column<'i, T> {
    pub(super) fn new(view: ArrayView2<'i, T>) -> Self {
        Self { view, flat: view.to_slice(), turned: turned::columns(view) }
    }
}

/// Where a pass stands: first row, first symbol, rows.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub start: usize,
    pub symbol: usize,
    pub count: usize,
}

impl<T: Number> GroupJob for Pass<'_, '_, '_, T> {
    type Number = T;

    #[inline(always)]
    fn run<V: Lanes<Number = T>>(self) {
        let Self { program, states, columns, mut target, rows, symbols } = self;
        let mut lanes = program.lanes::<Group<T>, BLOCK>(program.groups.lanes);
        let (lanes, _) = V::of_groups(lanes.as_flattened_mut()).as_chunks_mut::<BLOCK>();
        let states = V::of_groups(states);
        let (groups, strip) = (symbols.div_ceil(WIDTH), target.strip_groups());
        let mut start = 0;
        while start < rows {
            let count = BLOCK.min(rows - start);
            let mut first = 0;
            while first < groups {
                let last = groups.min(first + strip);
                for group in first..last {
                    let place = Place { start, symbol: group * WIDTH, count };
                    for (column, lane) in columns.iter().zip(&mut *lanes) {
                        column.read(lane, place);
                    }
                    let state = &mut states[group * program.state_len..][..program.state_len];
                    let mut pending = &program.groups.known[..];
                    for (ran, step) in program.groups.steps.iter().enumerate() {
                        while let [Known { after, lane, output }, later @ ..] = pending
                            && *after <= ran
                        {
                            target.write(*output, &lanes[*lane][..count], place);
                            pending = later;
                        }
                        step.advance(state, lanes, count);
                        target.drain::<V>();
                    }
                    for Known { lane, output, .. } in pending {
                        target.write(*output, &lanes[*lane][..count], place);
                    }
                }
                let work = program.groups.steps.len().saturating_mul(strip);
                target.turn::<V>(
                    Place { start, symbol: first * WIDTH, count },
                    symbols.min(last * WIDTH),
                    work,
                );
                first = last;
            }
            start += count;
        }
        target.finish::<V>();
    }
}

impl<T: Number> Column<'_, T> {
    #[inline(always)]
    fn read<V: Lanes<Number = T>>(&self, lane: &mut [V; BLOCK], Place { start, symbol, count }: Place) {
        let (_, symbols) = self.view.dim();
        let series = self.turned.as_ref().and_then(|series| series[symbol..].first_chunk::<WIDTH>());
        let slots = lane[..count].iter_mut();
        match (self.flat, series) {
            (Some(flat), _) if symbol + WIDTH <= symbols => {
                let mut rest = &flat[start * symbols + symbol..];
                for slot in slots {
                    if let Some(row) = rest.first_chunk::<WIDTH>() {
                        *slot = known(V::load(row));
                    }
                    rest = rest.get(symbols..).unwrap_or_default();
                }
            }
            (_, Some(series)) => turned::read(series, start, &mut lane[..count]),
            _ => {
                for (slot, row) in slots.zip(start..) {
                    // The places beyond the last symbol repeat it, so that they warm up with it.
                    let at = |place: usize| self.view[[row, (symbol + place).min(symbols - 1)]];
                    *slot = known(V::load(&std::array::from_fn(at)));
                }
            }
        }
    }
}
