//! The steps of one instance: with carried state, of all windows under way, of the one that ends, and ahead of time.

use super::{Instance, Scratch, State};
use crate::cpu::Kernels;
use crate::lstm::matrix::{Cell, Input, Matrix, Narrowed};
use crate::lstm::packed::{Packed, PackedLayer};
use crate::op::activation::Activations;
use crate::op::gemm::{PANEL, Start};
use crate::op::int8::Range;
use crate::op::lstm_cell::Forward;
use crate::op::lstm_step::{LstmStep, State as Sums};

/// What a step works with.
pub(super) struct Step<'a> {
    pub kernels: &'a Kernels,
    pub packed: &'a Packed<Matrix>,
    pub scratch: &'a mut Scratch,
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
        let before = Input { values: before, stride: units, range: Range::Unit };
        weights.weight_h.product(kernels, (1, before), Start::Zero, narrowed, sums);
    }
    let cell = Cell { bias: &weights.bias, sums, c_before, c, h, gates };
    weights.weight_x.step(kernels, x, cell, after.map(|after| &after.weight_x), narrowed);
}

impl Instance {
    /// One step of every layer with carried state. Returns the state that the head reads.
    pub fn carry(&mut self, step: &mut Step, row: &[f32]) -> &[f32] {
        let Step { kernels, packed, scratch } = step;
        let units = packed.units;
        for (layer, weights) in packed.layers.iter().enumerate() {
            let (below, here) = self.layers.split_at_mut(layer);
            let State { h: [before, h], c: [c_before, c], sums } = &mut here[0];
            let x = Step::input(layer, below.last().map_or(row, |state| &state.h[0]), units);
            let Scratch { gates, narrowed, .. } = &mut **scratch;
            let weights = (weights, packed.layers.get(layer + 1));
            let made = self.made;
            one(kernels, weights, (gates, narrowed), One { x, before, sums, made, c_before, c, h });
            here[0].h.swap(0, 1);
            here[0].c.swap(0, 1);
        }
        self.ticks += 1;
        self.made = false;
        self.top(0, units)
    }

    /// One step of every window under way. Returns the state of the one that is complete.
    pub fn slide(&mut self, step: &mut Step, window: usize, row: &[f32]) -> Option<&[f32]> {
        let (start, rows) = Step::place(self.ticks, window);
        self.all(step, (start, rows), row);
        self.ticks += 1;
        (rows == window).then(|| self.top((start + 1) % window, step.packed.units))
    }

    /// Takes the window that ends with this tick to its end, and keeps the row for the others.
    pub fn end<'a>(&'a mut self, step: &'a mut Step, window: usize, row: &[f32]) -> Option<&'a [f32]> {
        self.settle(step, window);
        let (start, rows) = Step::place(self.ticks, window);
        let units = step.packed.units;
        let ends = (start + 1) % window;
        let made = std::mem::take(&mut self.made);
        self.ticks += 1;
        self.behind = true;
        self.row.copy_from_slice(row);
        if rows < window {
            return None;
        }
        self.clear(start, units);
        let Step { kernels, packed, scratch } = step;
        let Scratch { gates, narrowed, h: [above, below], c } = &mut **scratch;
        for (layer, weights) in packed.layers.iter().enumerate() {
            let State { h: [before, _], c: [c_before, _], sums } = &mut self.layers[layer];
            let x = Step::input(layer, if layer == 0 { row } else { below }, units);
            let (before, c_before) = (&before[ends * units..][..units], &c_before[ends * units..][..units]);
            let weights = (weights, packed.layers.get(layer + 1));
            let step = One { x, before, sums, made, c_before, c, h: above };
            one(kernels, weights, (gates, narrowed), step);
            std::mem::swap(above, below);
        }
        Some(below)
    }

    /// Brings all windows to the last row.
    pub fn settle(&mut self, step: &mut Step, window: usize) {
        if std::mem::take(&mut self.behind) {
            let place = Step::place(self.ticks - 1, window);
            let row = std::mem::take(&mut self.row);
            self.all(step, place, &row);
            self.row = row;
        }
    }

    /// The same, and zero state for the window that starts with the next tick, whose place is returned.
    pub fn begin(&mut self, step: &mut Step, window: usize) -> usize {
        self.settle(step, window);
        let (start, _) = Step::place(self.ticks, window);
        self.clear(start, step.packed.units);
        start
    }

    /// What can be done for the next tick without its row.
    pub fn prepare(&mut self, step: &mut Step, window: Option<usize>) {
        if std::mem::replace(&mut self.made, true) {
            return;
        }
        let units = step.packed.units;
        let mut ends = 0;
        if let Some(window) = window {
            ends = (self.begin(step, window) + 1) % window;
        }
        let Step { kernels, packed, scratch } = step;
        for (state, weights) in self.layers.iter_mut().zip(&packed.layers) {
            let State { h: [before, _], sums, .. } = state;
            let before = Input { values: &before[ends * units..], stride: units, range: Range::Unit };
            weights.weight_h.product(kernels, (1, before), Start::Zero, &mut scratch.narrowed, sums);
        }
    }

    /// The top layer's hidden state in one row.
    fn top(&self, row: usize, units: usize) -> &[f32] {
        &self.layers[self.layers.len() - 1].h[0][row * units..][..units]
    }

    /// Zero state for the window that starts.
    fn clear(&mut self, start: usize, units: usize) {
        for State { h: [h, _], c: [c, _], .. } in &mut self.layers {
            h[start * units..][..units].fill(0.0);
            c[start * units..][..units].fill(0.0);
        }
    }

    /// One step of the first `rows` windows, of which the one at `start` begins.
    fn all(&mut self, step: &mut Step, (start, rows): (usize, usize), row: &[f32]) {
        let Step { kernels, packed, scratch } = step;
        let Scratch { gates, narrowed, .. } = &mut **scratch;
        let (units, width) = (packed.units, PANEL * packed.units);
        self.clear(start, units);
        for (layer, weights) in packed.layers.iter().enumerate() {
            let (below, here) = self.layers.split_at_mut(layer);
            let State { h: [before, h], c: [c_before, c], .. } = &mut here[0];
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
            kernels.lstm_cell_forward(&mut Forward {
                activations: Activations::Accurate,
                rows,
                units,
                gates,
                c_before,
                c,
                tanh_c: &mut [],
                h,
            });
            here[0].h.swap(0, 1);
            here[0].c.swap(0, 1);
        }
    }
}
