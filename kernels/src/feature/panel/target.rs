//! Where the outputs of a panel go.
//!
//! What fits the caches is written where it belongs, each output as soon as its node has run. What does not would
//! leave them line by line in the order of the groups, 64 bytes here and 64 bytes a row further, and memory is half as
//! fast at that as at long runs. So the outputs of a strip of groups are kept in a stage that fits the second-level
//! cache, and while the next strip is computed they leave it row by row, past the caches, a few lines after each node.
//! A plan that computes next to nothing then writes at 98 % of the rate of a copy (14 outputs, Zen 4). What a real plan
//! computes overlaps with its writing only in part.
//!
//! Tried and refused: prefetching the lines to be written, or those to be read (no gain).

use ndarray::{ArrayViewMut3, Axis};

use super::pass::{BLOCK, Place};
use crate::feature::op::shown;
use crate::feature::turned;
use crate::feature::value::{Lanes, Number, WIDTH};

/// Bytes of output of one call that do not stay in the last-level cache.
const STAGED_BYTES_MIN: usize = 16 << 20;
/// Bytes of a stage: two of them and the states of a strip fit the second-level cache.
const STAGE_BYTES: usize = 192 << 10;
/// Bytes of a line of the caches.
const LINE_BYTES: usize = 64;

/// `[output, row, symbol]`, and how it is written.
pub(super) enum Target<'o, T> {
    /// In memory in the order of its indices.
    Direct { out: &'o mut [T], rows: usize, symbols: usize },
    /// The same, larger than the caches.
    Staged(Stage<'o, T>),
    /// In memory symbol after symbol: the rows of each output of each symbol.
    Turned { series: Vec<&'o mut [T]>, symbols: usize },
    /// Any other order.
    Strided(ArrayViewMut3<'o, T>),
}

impl<'o, T: Number> Target<'o, T> {
    pub(super) fn new(out: ArrayViewMut3<'o, T>) -> Self {
        let (outputs, rows, symbols) = out.dim();
        if !out.is_standard_layout() {
            return if rows > 1 && out.strides()[1] == 1 { Self::turned(out) } else { Self::Strided(out) };
        }
        let staged = size_of::<T>() * out.len() >= STAGED_BYTES_MIN;
        match out.into_slice() {
            Some(out) if staged => Self::Staged(Stage::new(out, outputs, rows, symbols)),
            Some(out) => Self::Direct { out, rows, symbols },
            None => Self::Direct { out: &mut [], rows, symbols },
        }
    }

    fn turned(out: ArrayViewMut3<'o, T>) -> Self {
        let (_, _, symbols) = out.dim();
        let (mut series, mut rest) = (Vec::new(), out);
        while rest.dim().0 > 0 {
            let (first, later) = rest.split_at(Axis(0), 1);
            series.extend(turned::columns_mut(first.index_axis_move(Axis(0), 0)));
            rest = later;
        }
        Self::Turned { series, symbols }
    }

    /// Groups that are computed before their outputs are taken together.
    pub(super) fn strip_groups(&self) -> usize {
        match self {
            Self::Staged(stage) => stage.strip_groups,
            _ => usize::MAX >> 8,
        }
    }

    /// Takes an output of a group.
    #[inline(always)]
    pub(super) fn write<V: Lanes<Number = T>>(&mut self, output: usize, lane: &[V], place: Place) {
        let Place { start, symbol, .. } = place;
        match self {
            Self::Staged(stage) => stage.write(output, lane, symbol),
            Self::Turned { series, symbols } => {
                let last = (symbol + WIDTH).min(*symbols);
                turned::write(lane, &mut series[output * *symbols..][symbol..last], start);
            }
            Self::Direct { out, rows, symbols } if symbol + WIDTH <= *symbols => {
                let mut rest = &mut out[(output * *rows + start) * *symbols + symbol..];
                for values in lane {
                    if let Some(target) = rest.first_chunk_mut::<WIDTH>() {
                        shown(*values).store(target);
                    }
                    rest = std::mem::take(&mut rest).get_mut(*symbols..).unwrap_or_default();
                }
            }
            Self::Direct { out, rows, symbols } => {
                for (values, row) in lane.iter().zip(start..) {
                    let target = &mut out[(output * *rows + row) * *symbols..][symbol..*symbols];
                    target.copy_from_slice(&array(*values)[..target.len()]);
                }
            }
            Self::Strided(out) => {
                let (_, _, symbols) = out.dim();
                for (values, row) in lane.iter().zip(start..) {
                    for (value, symbol) in array(*values).into_iter().zip(symbol..symbols) {
                        out[[output, row, symbol]] = value;
                    }
                }
            }
        }
    }

    /// Lets some of what was taken go on to memory.
    #[inline(always)]
    pub(super) fn drain<V: Lanes<Number = T>>(&mut self) {
        if let Self::Staged(stage) = self {
            stage.drain::<V>(stage.lines_a_time);
        }
    }

    /// A strip is complete, from the symbol of `place` to before `end`; the next one takes `steps` calls of `drain`.
    #[inline(always)]
    pub(super) fn turn<V: Lanes<Number = T>>(&mut self, place: Place, end: usize, steps: usize) {
        if let Self::Staged(stage) = self {
            stage.drain::<V>(usize::MAX);
            stage.turn(place, end, steps);
        }
    }

    /// Everything is taken.
    #[inline(always)]
    pub(super) fn finish<V: Lanes<Number = T>>(&mut self) {
        if let Self::Staged(stage) = self {
            stage.drain::<V>(usize::MAX);
            V::settle();
        }
    }
}

#[inline(always)]
fn array<V: Lanes>(values: V) -> [V::Number; WIDTH] {
    let mut array = [V::Number::of(0.0); WIDTH];
    shown(values).store(&mut array);
    array
}

/// Two strips: one is being filled, the other on its way to memory.
pub(super) struct Stage<'o, T> {
    out: &'o mut [T],
    rows: usize,
    symbols: usize,
    outputs: usize,
    strip_groups: usize,
    /// Numbers from row to row of a strip, an odd number of groups so that rows share no set of a cache.
    pitch: usize,
    filling: Vec<T>,
    leaving: Vec<T>,
    /// First number of either that begins a line.
    begin: [usize; 2],
    /// What is leaving: its place, its end, and how far it has come.
    place: Place,
    end: usize,
    output: usize,
    row: usize,
    at: usize,
    lines_a_time: usize,
}

impl<'o, T: Number> Stage<'o, T> {
    fn new(out: &'o mut [T], outputs: usize, rows: usize, symbols: usize) -> Self {
        let group_bytes = outputs * BLOCK * WIDTH * size_of::<T>();
        let strip_groups = (STAGE_BYTES / group_bytes).clamp(1, symbols.div_ceil(WIDTH));
        let pitch = (strip_groups | 1) * WIDTH;
        let numbers = || vec![T::zero(); outputs * BLOCK * pitch + LINE_BYTES / size_of::<T>()];
        let (filling, leaving) = (numbers(), numbers());
        let begin = [&filling, &leaving].map(|numbers| numbers.as_ptr().align_offset(LINE_BYTES));
        let place = Place { start: 0, symbol: 0, count: 0 };
        Self {
            out,
            rows,
            symbols,
            outputs,
            strip_groups,
            pitch,
            filling,
            leaving,
            begin,
            place,
            end: 0,
            output: outputs,
            row: 0,
            at: 0,
            lines_a_time: 0,
        }
    }

    #[inline(always)]
    fn write<V: Lanes<Number = T>>(&mut self, output: usize, lane: &[V], symbol: usize) {
        let within = symbol % (self.strip_groups * WIDTH);
        let mut rest = &mut self.filling[self.begin[0] + output * BLOCK * self.pitch + within..];
        for values in lane {
            if let Some(target) = rest.first_chunk_mut::<WIDTH>() {
                shown(*values).store(target);
            }
            rest = std::mem::take(&mut rest).get_mut(self.pitch..).unwrap_or_default();
        }
    }

    fn turn(&mut self, place: Place, end: usize, steps: usize) {
        std::mem::swap(&mut self.filling, &mut self.leaving);
        self.begin.swap(0, 1);
        (self.place, self.end) = (place, end);
        (self.output, self.row, self.at) = (0, 0, 0);
        let lines = self.outputs * place.count * (end - place.symbol) * size_of::<T>() / LINE_BYTES;
        self.lines_a_time = lines / steps.max(1) + 1;
    }

    /// Writes about `lines` lines of what is leaving.
    #[inline(always)]
    fn drain<V: Lanes<Number = T>>(&mut self, mut lines: usize) {
        let width = self.end - self.place.symbol;
        while lines > 0 && self.output < self.outputs {
            let from = self.begin[1] + (self.output * BLOCK + self.row) * self.pitch;
            let from = &self.leaving[from..][..width];
            let row = self.output * self.rows + self.place.start + self.row;
            let to = &mut self.out[row * self.symbols..][self.place.symbol..self.end];
            if self.at == 0 {
                let head = to.as_ptr().align_offset(LINE_BYTES).min(width);
                to[..head].copy_from_slice(&from[..head]);
                self.at = head;
            }
            let mut sources = from[self.at..].as_chunks::<WIDTH>().0.iter();
            let targets = to[self.at..].as_chunks_mut::<WIDTH>().0.iter_mut();
            for (target, source) in targets.zip(&mut sources) {
                V::load(source).stream(target);
                self.at += WIDTH;
                lines = lines.saturating_sub(size_of::<V>() / LINE_BYTES);
                if lines == 0 {
                    break;
                }
            }
            if width - self.at < WIDTH {
                to[self.at..].copy_from_slice(&from[self.at..]);
                self.at = 0;
                self.row += 1;
                if self.row == self.place.count {
                    (self.output, self.row) = (self.output + 1, 0);
                }
            }
        }
    }
}
