//! The steps of one instance: with carried state, of all windows under way, of the one that ends, and ahead of time.
//!
//! A step computes the own units of each layer; where other threads compute the rest, an exchange follows.

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use super::seat::{Ended, Seat};
use crate::cpu::Kernels;
use crate::lstm::matrix::{Cell, Input, Matrix, Narrowed, Precision};
use crate::lstm::packed::{Packed, PackedLayer};
use crate::op::gemm::{PANEL, Start};
use crate::op::int8::Range;
use crate::op::lstm_cell::Forward;
use crate::op::lstm_step::{LstmStep, State as Sums};

/// What a step works with.
pub(super) struct Step<'a> {
    pub kernels: &'a Kernels,
    /// Of the own units.
    pub packed: &'a Packed<Matrix>,
    pub scratch: &'a mut Scratch,
    pub seat: Option<&'a mut Seat>,
    /// The layer's units, all of them and the first own one.
    pub units: usize,
    pub first: usize,
}

/// What a tick needs for itself; `rows` is the window, or one with carried state.
#[derive(Debug)]
pub(super) struct Scratch {
    /// `[rows, 4 own]`: pre-activations.
    gates: Buffer<f32>,
    /// The rows of a product, rounded.
    narrowed: Narrowed,
    /// `[units]` each: hidden state of a layer and of the one below; `[own]`: cell state, of a window that ends with this
    /// tick.
    h: [Buffer<f32>; 2],
    c: Buffer<f32>,
    /// `[rows, own]` and room for as much of others: hidden states of all windows, to be exchanged.
    exchanged: [Buffer<f32>; 2],
}

/// One series.
#[derive(Debug)]
pub(super) struct Instance {
    pub ticks: u64,
    pub layers: Vec<State>,
    /// The last row, while the windows that did not end with it wait for it.
    row: Vec<f32>,
    behind: bool,
    /// Whether every layer's `sums` are those of the next tick.
    made: bool,
}

/// One layer's state before a tick and after it, swapped at its end: `[rows, units]` hidden, `[rows, own]` cell.
#[derive(Debug)]
pub(super) struct State {
    pub h: [Buffer<f32>; 2],
    pub c: [Buffer<f32>; 2],
    /// `[4 own]`: the hidden state's part of the next sums.
    sums: Buffer<f32>,
}

fn zeroed(rows: usize, cols: usize) -> Result<Buffer<f32>, OutOfMemory> {
    Buffer::zeroed(rows.saturating_mul(cols), Alignment::CACHE_LINE)
}

impl Scratch {
    /// For `rows` rows of `units` units, of which the packed ones are the own.
    pub fn new(
        packed: &Packed<Matrix>,
        precision: Precision,
        (rows, units): (usize, usize),
        alone: bool,
    ) -> Result<Self, OutOfMemory> {
        let own = packed.units;
        let exchanged = if alone || rows == 1 { 0 } else { rows };
        Ok(Self {
            gates: zeroed(rows, PANEL * own)?,
            narrowed: Narrowed::new(rows, packed.depth(), precision)?,
            h: [zeroed(1, units)?, zeroed(1, units)?],
            c: zeroed(1, own)?,
            exchanged: [zeroed(exchanged, own)?, zeroed(exchanged, units)?],
        })
    }
}

impl Instance {
    /// At zero state.
    pub fn new(packed: &Packed<Matrix>, (rows, units): (usize, usize)) -> Result<Self, OutOfMemory> {
        let own = packed.units;
        let state = |_| {
            let h = [zeroed(rows, units)?, zeroed(rows, units)?];
            Ok(State { h, c: [zeroed(rows, own)?, zeroed(rows, own)?], sums: zeroed(PANEL, own)? })
        };
        let layers = (0..packed.spec.layers).map(state).collect::<Result<_, OutOfMemory>>()?;
        Ok(Self { ticks: 0, layers, row: vec![0.0; packed.spec.input], behind: false, made: false })
    }

    /// Forgets what was left to do or made for the next tick, as the state is another now.
    pub fn at(&mut self, ticks: u64) {
        (self.ticks, self.behind, self.made) = (ticks, false, false);
    }
}

/// One series through one layer.
struct One<'a> {
    /// What the layer reads.
    x: Input<'a>,
    /// Hidden state before.
    before: &'a [f32],
    /// Its part of the sums, and whether it is made already.
    sums: &'a mut [f32],
    made: bool,
    /// Cell state before.
    c_before: &'a [f32],
    /// Cell state after.
    c: &'a mut [f32],
    /// Hidden state after.
    h: &'a mut [f32],
}

impl Step<'_> {
    /// The window's place of a tick, and how many windows are under way with it.
    fn place(ticks: u64, window: usize) -> (usize, usize) {
        // The ticks modulo the window fit a usize, since the window does.
        let start = usize::try_from(ticks % window as u64).unwrap_or(0);
        let rows = usize::try_from(ticks).map_or(window, |ticks| window.min(ticks.saturating_add(1)));
        (start, rows)
    }

    /// A row of features, or the hidden state of the layer below.
    const fn input(layer: usize, values: &[f32], stride: usize) -> Input<'_> {
        Input { values, stride, range: if layer == 0 { Range::Row } else { Range::Unit } }
    }
}

/// One series through one layer.
fn one(
    kernels: &Kernels,
    (weights, after): (&PackedLayer<Matrix>, Option<&PackedLayer<Matrix>>),
    (gates, narrowed): (&mut [f32], &mut Narrowed),
    step: One,
) {
    let One { x, before, sums, made, c_before, c, h } = step;
    let units = h.len();
    if let (Some(weight_x), Some(weight_h)) = (weights.weight_x.f32(), weights.weight_h.f32()) {
        c.copy_from_slice(c_before);
        kernels.lstm_step(&mut LstmStep {
            inputs: weights.inputs,
            hidden: weights.weight_h.depth,
            units,
            x: x.values,
            weight_x,
            state: if made { Sums::Ahead(sums) } else { Sums::Now { weight: weight_h, h: before } },
            bias: &weights.bias,
            c,
            h,
        });
        return;
    }
    if !made {
        let before = Input { values: before, stride: 0, range: Range::Unit };
        weights.weight_h.product(kernels, (1, before), Start::Zero, narrowed, sums);
    }
    let cell = Cell { bias: &weights.bias, sums, c_before, c, h, gates };
    weights.weight_x.step(kernels, x, cell, after.map(|after| &after.weight_x), narrowed);
}

impl Instance {
    /// One step of every layer with carried state. Returns the state that the head reads.
    pub fn carry(&mut self, step: &mut Step, row: &[f32]) -> Result<&[f32], Ended> {
        let Step { kernels, packed, scratch, seat, units, first } = step;
        for (layer, weights) in packed.layers.iter().enumerate() {
            let (below, here) = self.layers.split_at_mut(layer);
            let State { h: [before, after], c: [c_before, c], sums } = &mut here[0];
            let x = Step::input(layer, below.last().map_or(row, |state| &state.h[0]), *units);
            let Scratch { gates, narrowed, .. } = &mut **scratch;
            let weights = (weights, packed.layers.get(layer + 1));
            let h = &mut after[*first..][..packed.units];
            let one_step = One { x, before, sums, made: self.made, c_before, c, h };
            one(kernels, weights, (gates, narrowed), one_step);
            if let Some(seat) = seat {
                seat.exchange(after)?;
            }
            here[0].h.swap(0, 1);
            here[0].c.swap(0, 1);
        }
        self.ticks += 1;
        self.made = false;
        Ok(self.top(0, *units))
    }

    /// One step of every window under way. Returns the state of the one that is complete.
    pub fn slide(&mut self, step: &mut Step, window: usize, row: &[f32]) -> Result<Option<&[f32]>, Ended> {
        let (start, rows) = Step::place(self.ticks, window);
        self.all(step, (start, rows), row)?;
        self.ticks += 1;
        Ok((rows == window).then(|| self.top((start + 1) % window, step.units)))
    }

    /// Takes the window that ends with this tick to its end, and keeps the row for the others.
    pub fn end<'a>(
        &mut self,
        mut step: Step<'a>,
        window: usize,
        row: &[f32],
    ) -> Result<Option<&'a [f32]>, Ended> {
        self.settle(&mut step, window)?;
        let (start, rows) = Step::place(self.ticks, window);
        let (units, own) = (step.units, step.packed.units);
        let ends = (start + 1) % window;
        let made = std::mem::take(&mut self.made);
        self.ticks += 1;
        self.behind = true;
        self.row.copy_from_slice(row);
        if rows < window {
            return Ok(None);
        }
        self.clear(start, (units, own));
        let Step { kernels, packed, scratch, mut seat, first, .. } = step;
        let Scratch { gates, narrowed, h: [above, below], c, .. } = scratch;
        for (layer, weights) in packed.layers.iter().enumerate() {
            let State { h: [before, _], c: [c_before, _], sums } = &mut self.layers[layer];
            let x = Step::input(layer, if layer == 0 { row } else { below }, units);
            let (before, c_before) = (&before[ends * units..][..units], &c_before[ends * own..][..own]);
            let weights = (weights, packed.layers.get(layer + 1));
            let h = &mut above[first..][..own];
            one(kernels, weights, (gates, narrowed), One { x, before, sums, made, c_before, c, h });
            if let Some(seat) = &mut seat {
                seat.exchange(above)?;
            }
            std::mem::swap(above, below);
        }
        Ok(Some(below))
    }

    /// Brings all windows to the last row.
    pub fn settle(&mut self, step: &mut Step, window: usize) -> Result<(), Ended> {
        if std::mem::take(&mut self.behind) {
            let place = Step::place(self.ticks - 1, window);
            let row = std::mem::take(&mut self.row);
            let done = self.all(step, place, &row);
            self.row = row;
            return done;
        }
        Ok(())
    }

    /// The same, and zero state for the window that starts with the next tick, whose place is returned.
    pub fn begin(&mut self, step: &mut Step, window: usize) -> Result<usize, Ended> {
        self.settle(step, window)?;
        let (start, _) = Step::place(self.ticks, window);
        self.clear(start, (step.units, step.packed.units));
        Ok(start)
    }

    /// What can be done for the next tick without its row.
    pub fn prepare(&mut self, step: &mut Step, window: Option<usize>) -> Result<(), Ended> {
        if std::mem::replace(&mut self.made, true) {
            return Ok(());
        }
        let mut ends = 0;
        if let Some(window) = window {
            ends = (self.begin(step, window)? + 1) % window;
        }
        let Step { kernels, packed, scratch, units, .. } = step;
        for (state, weights) in self.layers.iter_mut().zip(&packed.layers) {
            let State { h: [before, _], sums, .. } = state;
            let before = Input { values: &before[ends * *units..], stride: *units, range: Range::Unit };
            weights.weight_h.product(kernels, (1, before), Start::Zero, &mut scratch.narrowed, sums);
        }
        packed.layers[0].weight_x.touch();
        Ok(())
    }

    /// The top layer's hidden state in one row.
    fn top(&self, row: usize, units: usize) -> &[f32] {
        &self.layers[self.layers.len() - 1].h[0][row * units..][..units]
    }

    /// Zero state for the window that starts.
    fn clear(&mut self, start: usize, (units, own): (usize, usize)) {
        for State { h: [h, _], c: [c, _], .. } in &mut self.layers {
            h[start * units..][..units].fill(0.0);
            c[start * own..][..own].fill(0.0);
        }
    }

    /// One step of the first `rows` windows, of which the one at `start` begins.
    fn all(&mut self, step: &mut Step, (start, rows): (usize, usize), row: &[f32]) -> Result<(), Ended> {
        let Step { kernels, packed, scratch, seat, units, .. } = step;
        let Scratch { gates, narrowed, exchanged: [mine, theirs], .. } = &mut **scratch;
        let (units, own, width) = (*units, packed.units, PANEL * packed.units);
        self.clear(start, (units, own));
        for (layer, weights) in packed.layers.iter().enumerate() {
            let (below, here) = self.layers.split_at_mut(layer);
            let State { h: [before, after], c: [c_before, c], .. } = &mut here[0];
            let bias = Start::Bias(&weights.bias);
            if let Some(below) = below.last() {
                let x = Step::input(layer, &below.h[0], units);
                weights.weight_x.product(kernels, (rows, x), bias, narrowed, gates);
            } else {
                // Every window reads this row, so its projection is made once and copied.
                weights.weight_x.product(kernels, (1, Step::input(layer, row, 0)), bias, narrowed, gates);
                let (first, rest) = gates.split_at_mut(width);
                rest.chunks_exact_mut(width).take(rows - 1).for_each(|row| row.copy_from_slice(first));
            }
            let before = Input { values: before, stride: units, range: Range::Unit };
            weights.weight_h.product(kernels, (rows, before), Start::Out, narrowed, gates);
            // A window of one tick has one row, whose own units lie together.
            let h = match seat {
                Some(_) if !mine.is_empty() => &mut mine[..],
                Some(_) => &mut after[step.first..][..own],
                None => &mut after[..],
            };
            let tanh_c = &mut [];
            kernels.lstm_cell_forward(&mut Forward { rows, units: own, gates, c_before, c, tanh_c, h });
            match seat {
                Some(seat) if !mine.is_empty() => seat.exchange_rows(rows, mine, theirs, after)?,
                Some(seat) => seat.exchange(after)?,
                None => {}
            }
            here[0].h.swap(0, 1);
            here[0].c.swap(0, 1);
        }
        Ok(())
    }
}
