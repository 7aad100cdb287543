//! Windows copied out of decoded blocks, and the memory that they are copied to.

use diapason_buffer::{Alignment, Buffer, buffer::OutOfMemory};

use super::schedule::Portion;
use crate::sampler::Shape;

/// What a window is made of.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub shape: Shape,
    /// Rows of a block in the order of windows.
    pub block_rows: u32,
    /// Values in a row of a block: the features, then the targets that are no features.
    pub width: usize,
    pub features: usize,
    /// Where each target is in a row.
    pub targets: Vec<usize>,
}

impl Form {
    /// Values of one window.
    pub const fn window(&self) -> usize {
        self.shape.length as usize * self.features
    }

    /// Rows from a window's first to that of its target.
    pub const fn target_row(&self) -> usize {
        (self.shape.length - 1 + self.shape.horizon) as usize
    }

    /// Bytes of a slab of `batch` windows, saturated.
    pub fn slab_bytes(&self, batch: usize) -> u64 {
        let one = (self.shape.length.saturating_mul(self.features as u64))
            .saturating_add(self.targets.len() as u64)
            .saturating_mul(size_of::<f32>() as u64)
            .saturating_add(size_of::<u64>() as u64);
        one.saturating_mul(batch as u64)
    }
}

/// The memory of a batch.
#[derive(Debug)]
pub(super) struct Slab {
    pub windows: Buffer<f32>,
    pub targets: Buffer<f32>,
    pub starts: Vec<u64>,
}

impl Slab {
    /// A slab that takes its memory when it is filled first, so that the first batch does not wait for that of all others.
    pub fn empty() -> Result<Self, OutOfMemory> {
        let nothing = || Buffer::zeroed(0, Alignment::PAGE);
        Ok(Self { windows: nothing()?, targets: nothing()?, starts: Vec::new() })
    }

    /// Takes the memory for `batch` windows, if that was not done before.
    pub fn take_memory(&mut self, form: &Form, batch: usize) -> Result<(), OutOfMemory> {
        let room = |one: usize, alignment| Buffer::zeroed(one.saturating_mul(batch), alignment);
        if self.starts.capacity() < batch {
            self.windows = room(form.window(), Alignment::PAGE)?;
            self.targets = room(form.targets.len(), Alignment::CACHE_LINE)?;
            self.starts = Vec::with_capacity(batch);
        }
        Ok(())
    }

    /// Gathers the windows of `portions` that hold no hidden row.
    pub fn fill(&mut self, form: &Form, portions: &[Portion<Buffer<f32>>]) {
        self.starts.clear();
        let mut windows = self.windows.chunks_exact_mut(form.window().max(1));
        let mut targets = self.targets.chunks_exact_mut(form.targets.len().max(1));
        for Portion { group, range } in portions {
            for place in &group.mix.order[range.clone()] {
                let (number, row) = place.split(form.block_rows);
                let start = group.mix.blocks[number].start + row as u64;
                let end = start + form.shape.span();
                if group.hidden.iter().any(|rows| rows.start < end && start < rows.end) {
                    continue;
                }
                let rows = &group.blocks[number][row * form.width..];
                let Some(window) = windows.next() else { return };
                if form.width == form.features {
                    window.copy_from_slice(&rows[..window.len()]);
                } else {
                    let features = rows.chunks_exact(form.width).map(|row| &row[..form.features]);
                    for (to, from) in window.chunks_exact_mut(form.features).zip(features) {
                        to.copy_from_slice(from);
                    }
                }
                if !form.targets.is_empty()
                    && let Some(values) = targets.next()
                {
                    let row = &rows[form.target_row() * form.width..];
                    for (value, &at) in values.iter_mut().zip(&form.targets) {
                        *value = row[at];
                    }
                }
                self.starts.push(start);
            }
        }
    }
}
