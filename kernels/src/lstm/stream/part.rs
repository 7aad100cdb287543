//! What one thread of a stream computes: its share of every layer's units, of every instance. Alone, that is all of them.

use std::sync::Arc;

use diapason_buffer::buffer::OutOfMemory;

use super::seat::{Ended, Seat};
use super::step::{Instance, Scratch, Step};
use crate::cpu::Kernels;
use crate::lstm::matrix::{Matrix, Precision};
use crate::lstm::packed::Packed;

/// What every thread needs to make its part.
#[derive(Clone, Debug)]
pub(super) struct Blueprint {
    pub kernels: Kernels,
    pub precision: Precision,
    /// Of all units.
    pub packed: Arc<Packed<Matrix>>,
    pub instances: usize,
    pub window: Option<usize>,
    pub ahead: bool,
}

/// What all threads do at a time, of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Tick(usize),
    Prepare(usize),
    Reset(usize),
    Save(usize),
    Load(usize),
}

impl Order {
    /// As one word.
    pub const fn word(self) -> u64 {
        let (kind, instance) = match self {
            Self::Tick(instance) => (0, instance),
            Self::Prepare(instance) => (1, instance),
            Self::Reset(instance) => (2, instance),
            Self::Save(instance) => (3, instance),
            Self::Load(instance) => (4, instance),
        };
        (instance as u64) << 3 | kind
    }

    /// From one word; `None` where nobody put it so.
    pub fn read(word: u64) -> Option<Self> {
        let instance = usize::try_from(word >> 3).ok()?;
        Some(match word & 7 {
            0 => Self::Tick(instance),
            1 => Self::Prepare(instance),
            2 => Self::Reset(instance),
            3 => Self::Save(instance),
            4 => Self::Load(instance),
            _ => return None,
        })
    }
}

/// One thread's part.
#[derive(Debug)]
pub(super) struct Part {
    kernels: Kernels,
    packed: Arc<Packed<Matrix>>,
    window: Option<usize>,
    ahead: bool,
    units: usize,
    first: usize,
    instances: Vec<Instance>,
    scratch: Scratch,
    pub seat: Option<Seat>,
}

impl Part {
    /// All units, or those of a seat. Its weights are then a copy, which this thread is the first to write: the kernel gives
    /// it memory that is near.
    pub fn new(blueprint: &Blueprint, seat: Option<Seat>) -> Result<Self, OutOfMemory> {
        let Blueprint { kernels, precision, packed, instances, window, ahead } = blueprint;
        let (units, window, ahead) = (packed.units, *window, *ahead);
        let share = seat.as_ref().map(|seat| seat.shared.share(seat.index));
        let first = share.as_ref().map_or(0, |share| share.start);
        let packed = match share {
            Some(share) => Arc::new(packed.share(share)?),
            None => Arc::clone(packed),
        };
        let extent = (window.unwrap_or(1), units);
        let scratch = Scratch::new(&packed, *precision, extent, seat.is_none())?;
        let instances = (0..*instances).map(|_| Instance::new(&packed, extent)).collect::<Result<_, _>>()?;
        Ok(Self { kernels: *kernels, packed, window, ahead, units, first, instances, scratch, seat })
    }

    fn at(&mut self, instance: usize) -> (&mut Instance, Step<'_>) {
        let Self { kernels, packed, units, first, instances, scratch, seat, .. } = self;
        let step = Step { kernels, packed, scratch, seat: seat.as_mut(), units: *units, first: *first };
        (&mut instances[instance], step)
    }

    /// Ticks that an instance has taken.
    pub fn ticks(&self, instance: usize) -> u64 {
        self.instances[instance].ticks
    }

    /// Takes a row. Returns the state that the head reads, where there is one.
    pub fn tick(&mut self, instance: usize, row: &[f32]) -> Result<Option<&[f32]>, Ended> {
        let (window, ahead) = (self.window, self.ahead);
        let (instance, mut step) = self.at(instance);
        match (window, ahead) {
            (None, _) => instance.carry(&mut step, row).map(Some),
            (Some(window), false) => instance.slide(&mut step, window, row),
            (Some(window), true) => instance.end(step, window, row),
        }
    }

    /// Does what can be done for the next tick without its row.
    pub fn prepare(&mut self, instance: usize) -> Result<(), Ended> {
        let window = self.window;
        let (instance, mut step) = self.at(instance);
        instance.prepare(&mut step, window)
    }

    /// Back to zero state.
    pub fn reset(&mut self, instance: usize) {
        let instance = &mut self.instances[instance];
        instance.at(0);
        for state in &mut instance.layers {
            state.h[0].fill(0.0);
            state.c[0].fill(0.0);
        }
    }

    /// Brings all windows to the last row, and the one that comes next to its zero state.
    pub fn settle(&mut self, instance: usize) -> Result<(), Ended> {
        if let Some(window) = self.window {
            let (instance, mut step) = self.at(instance);
            instance.begin(&mut step, window)?;
        }
        Ok(())
    }

    /// Puts the own cell states where they belong in `[layers, 2, rows, units]`, hidden before cell; the first thread puts
    /// the hidden states, which all have, as well.
    pub fn save(&self, instance: usize, values: &mut [f32]) {
        let (units, own, first) = (self.units, self.packed.units, self.first);
        let layers = &self.instances[instance].layers;
        let rows = self.window.unwrap_or(1);
        for (state, both) in layers.iter().zip(values.chunks_exact_mut(2 * rows * units)) {
            let (h, c) = both.split_at_mut(rows * units);
            if self.seat.as_ref().is_none_or(|seat| seat.index == 0) {
                h.copy_from_slice(&state.h[0]);
            }
            for (to, from) in c.chunks_exact_mut(units).zip(state.c[0].chunks_exact(own)) {
                to[first..][..own].copy_from_slice(from);
            }
        }
    }

    /// The other way round, after as many ticks as `ticks` says.
    pub fn load(&mut self, instance: usize, ticks: u64, values: &[f32]) {
        let (units, own, first) = (self.units, self.packed.units, self.first);
        let rows = self.window.unwrap_or(1);
        let instance = &mut self.instances[instance];
        instance.at(ticks);
        for (state, both) in instance.layers.iter_mut().zip(values.chunks_exact(2 * rows * units)) {
            let (h, c) = both.split_at(rows * units);
            state.h[0].copy_from_slice(h);
            for (to, from) in state.c[0].chunks_exact_mut(own).zip(c.chunks_exact(units)) {
                to.copy_from_slice(&from[first..][..own]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_put() {
        for instance in [0, 1, 7, 8, usize::MAX >> 3] {
            for order in
                [Order::Tick, Order::Prepare, Order::Reset, Order::Save, Order::Load].map(|of| of(instance))
            {
                assert_eq!(Order::read(order.word()), Some(order));
            }
        }
        assert_eq!(Order::read(7), None);
    }
}
