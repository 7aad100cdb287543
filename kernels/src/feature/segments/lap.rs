//! Sixteen segments of one series side by side: a warm-up whose outputs nobody sees, then the rows.

use crate::feature::destination::{Cell, Destination, TILE_GROUPS, TILE_ROWS};
use crate::feature::loops::GroupJob;
use crate::feature::program::{Known, Program};
use crate::feature::turned;
use crate::feature::value::{Group, Lanes, WIDTH};

/// Rows in a block: a square.
const BLOCK: usize = WIDTH;

/// The work.
pub(super) struct Lap<'a, 'o, T, F> {
    pub program: &'a Program,
    /// Of each column, the rows of each segment from the first of its warm-up on.
    pub columns: &'a [[&'a [f64]; WIDTH]],
    pub warm_up: usize,
    /// Rows of a segment after the warm-up.
    pub rows: usize,
    /// The state before the first row; afterwards, after the last.
    pub state: &'a mut [Group<f64>],
    /// Becomes the state after the warm-up.
    pub joint: &'a mut [Group<f64>],
    /// Where the rows of each segment go.
    pub out: &'a mut [Destination<'o, T>],
    /// Whether what is written will not stay in the caches.
    pub past: bool,
    pub convert: &'a F,
}

impl<T: Cell, F: Fn(usize, f64) -> T> GroupJob for Lap<'_, '_, T, F> {
    type Number = f64;

    #[inline(always)]
    fn run<V: Lanes<Number = f64>>(self) {
        let Self { program, columns, warm_up, rows, state, joint, out, past, convert } = self;
        let mut lanes = program.lanes::<Group<f64>, BLOCK>(program.groups.lanes);
        let (lanes, _) = V::of_groups(lanes.as_flattened_mut()).as_chunks_mut::<BLOCK>();
        let state = V::of_groups(state);
        let mut row = 0;
        while row < warm_up {
            let count = BLOCK.min(warm_up - row);
            for (column, lane) in columns.iter().zip(&mut *lanes) {
                turned::read(column, row, &mut lane[..count]);
            }
            for step in &program.groups.steps {
                step.advance(state, lanes, count);
            }
            row += count;
        }
        V::of_groups(joint).copy_from_slice(state);

        let mut tiles = Tiles::new(program.outputs.len());
        // Blocks after the first begin where lines do.
        let head = out.first().map_or(0, Destination::head_rows).min(rows);
        while row < warm_up + rows {
            let done = row - warm_up;
            let count = if done == 0 && head > 0 { head } else { BLOCK.min(rows - done) };
            for (column, lane) in columns.iter().zip(&mut *lanes) {
                turned::read(column, row, &mut lane[..count]);
            }
            let mut pending = &program.groups.known[..];
            for (ran, step) in program.groups.steps.iter().enumerate() {
                while let [Known { after, lane, output }, later @ ..] = pending
                    && *after <= ran
                {
                    tiles.put(*output, &lanes[*lane]);
                    pending = later;
                }
                step.advance(state, lanes, count);
            }
            for Known { lane, output, .. } in pending {
                tiles.put(*output, &lanes[*lane]);
            }
            row += count;
            tiles.filled += count;
            if tiles.filled == TILE_ROWS || count < BLOCK || row == warm_up + rows {
                let rows = (row - warm_up - tiles.filled, tiles.filled);
                for (out, tile) in out.iter_mut().zip(tiles.numbers.chunks_exact(tiles.pitch)) {
                    out.take::<V>(rows, &tile[..program.outputs.len() * TILE_GROUPS], past, convert);
                }
                tiles.filled = 0;
            }
        }
        V::settle();
    }
}

/// Rows on their way out, `[segment][output][row]`.
struct Tiles {
    numbers: Vec<Group<f64>>,
    /// Groups from segment to segment: odd, so that segments share no set of a cache.
    pitch: usize,
    filled: usize,
}

impl Tiles {
    fn new(outputs: usize) -> Self {
        let pitch = (outputs * TILE_GROUPS) | 1;
        Self { numbers: vec![Group([0.0; WIDTH]); WIDTH * pitch], pitch, filled: 0 }
    }

    /// Takes the next rows of an output.
    #[inline(always)]
    fn put<V: Lanes<Number = f64>>(&mut self, output: usize, lane: &[V; BLOCK]) {
        let place = output * TILE_GROUPS + self.filled / WIDTH;
        let targets = &mut V::of_groups(&mut self.numbers)[place..];
        let square = turned::square(lane);
        for (segment, rows) in square.iter().enumerate() {
            targets[segment * self.pitch] = *rows;
        }
    }
}
