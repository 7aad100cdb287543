//! Series that each lie in memory row after row, as groups of values side by side and back: `[series][row]`, turned square by
//! square in registers.
//!
//! Sixteen rows of sixteen series are read as sixteen runs of whole cache lines, so every line is touched once. Loops rather
//! than closures, which would be compiled without the vector instructions.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use crate::feature::op::{known, shown};
use crate::feature::value::{Lanes, Number, WIDTH};

/// Rows ahead whose lines are asked for. Sixteen series of several columns are more runs than the processor follows by itself:
/// with the lines asked for an average of a million rows took two thirds of the time (one run, Zen 4; 32 to 128 rows were alike).
const AHEAD_ROWS: usize = 64;

/// The rows from `start` of sixteen series of one length.
#[inline(always)]
pub(crate) fn read<V: Lanes>(series: &[&[V::Number]; WIDTH], start: usize, lane: &mut [V]) {
    let (squares, rest) = lane.as_chunks_mut::<WIDTH>();
    let done = squares.len() * WIDTH;
    for (square, at) in squares.iter_mut().zip((start..).step_by(WIDTH)) {
        for (row, series) in square.iter_mut().zip(series) {
            if let Some(numbers) = series.get(at..).and_then(<[V::Number]>::first_chunk::<WIDTH>) {
                *row = V::load(numbers);
            }
            for line in [0, WIDTH / 2] {
                if let Some(number) = series.get(at + AHEAD_ROWS + line) {
                    V::fetch(number);
                }
            }
        }
        V::turn(square);
        for row in square {
            *row = known(*row);
        }
    }
    for (slot, row) in rest.iter_mut().zip(start + done..) {
        *slot = known(V::load(&series.map(|series| series[row])));
    }
}

/// Sixteen rows of a lane as sixteen numbers of each series, and only NaN of one form.
#[inline(always)]
pub(crate) fn square<V: Lanes>(lane: &[V; WIDTH]) -> [V; WIDTH] {
    let mut square = *lane;
    for row in &mut square {
        *row = shown(*row);
    }
    V::turn(&mut square);
    square
}

/// Writes a lane from row `start` on to at most sixteen series.
#[inline(always)]
pub(crate) fn write<V: Lanes>(lane: &[V], series: &mut [&mut [V::Number]], start: usize) {
    let (squares, rest) = lane.as_chunks::<WIDTH>();
    let done = squares.len() * WIDTH;
    for (lane, at) in squares.iter().zip((start..).step_by(WIDTH)) {
        let square = square(lane);
        for (numbers, series) in square.iter().zip(series.iter_mut()) {
            if let Some(target) = series.get_mut(at..).and_then(<[V::Number]>::first_chunk_mut::<WIDTH>) {
                numbers.store(target);
            }
        }
    }
    for (values, row) in rest.iter().zip(start + done..) {
        let values = shown(*values);
        series.iter_mut().enumerate().for_each(|(place, series)| series[row] = values.at(place));
    }
}

/// The columns of `[row, series]`, where each lies in memory row after row, and the last one again until groups are full.
pub(crate) fn columns<'i, T: Number>(view: ArrayView2<'i, T>) -> Option<Vec<&'i [T]>> {
    let (rows, series) = view.dim();
    if rows < 2 || series == 0 || view.strides()[0] != 1 {
        return None;
    }
    let column = |series| view.index_axis_move(Axis(1), series).to_slice();
    (0..series.next_multiple_of(WIDTH)).map(|place| column(place.min(series - 1))).collect()
}

/// The columns of `[row, series]` to write to; those that lie in memory row after row, so all or none.
pub(crate) fn columns_mut<T>(view: ArrayViewMut2<'_, T>) -> Vec<&mut [T]> {
    let (mut columns, mut rest) = (Vec::with_capacity(view.dim().1), view);
    while rest.dim().1 > 0 {
        let (first, later) = rest.split_at(Axis(1), 1);
        columns.extend(first.index_axis_move(Axis(1), 0).into_slice());
        rest = later;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::loops::{GroupJob, Loops};
    use crate::isa::Isa;

    /// Reads `rows` rows from the third on and writes them to the same place.
    struct ThereAndBack<'a, T> {
        series: &'a [&'a [T]; WIDTH],
        rows: usize,
        seen: &'a mut Vec<[T; WIDTH]>,
        out: &'a mut [&'a mut [T]],
    }

    impl<T: Number> GroupJob for ThereAndBack<'_, T> {
        type Number = T;

        fn run<V: Lanes<Number = T>>(self) {
            let mut lane = [V::all_of(T::zero()); 40];
            let lane = &mut lane[..self.rows];
            read(self.series, 3, lane);
            self.seen.extend(lane.iter().map(|row| {
                let mut numbers = [T::zero(); WIDTH];
                row.store(&mut numbers);
                numbers
            }));
            write(lane, self.out, 3);
        }
    }

    fn squares_of<T: Number>() {
        let all: Vec<Vec<T>> = (0..WIDTH)
            .map(|series| (0..50).map(|row| T::of((series * 100 + row) as f64)).collect())
            .collect();
        let series: [&[T]; WIDTH] = std::array::from_fn(|place| &all[place][..]);
        for isa in Isa::available() {
            for (rows, width) in [(0, 16), (5, 16), (16, 3), (37, 16), (40, 11)] {
                let mut out = vec![vec![T::of(-1.0); 50]; width];
                let mut targets: Vec<&mut [T]> = out.iter_mut().map(Vec::as_mut_slice).collect();
                let mut seen = Vec::new();
                let job = ThereAndBack { series: &series, rows, seen: &mut seen, out: &mut targets };
                Loops::new(Some(isa)).unwrap().wide(job);
                for (row, numbers) in seen.iter().enumerate() {
                    assert!((0..WIDTH).all(|place| numbers[place] == all[place][row + 3]), "{isa}: {row}");
                }
                for (place, out) in out.iter().enumerate() {
                    for (row, value) in out.iter().enumerate() {
                        let inside = (3..3 + rows).contains(&row);
                        assert!(*value == if inside { all[place][row] } else { T::of(-1.0) }, "{isa}: {row}");
                    }
                }
            }
        }
    }

    #[test]
    fn squares_are_read_and_written_alike_on_every_set_of_instructions() {
        squares_of::<f32>();
        squares_of::<f64>();
    }
}
