//! Features of many symbols on a GPU: one kernel for exactly one plan, an invocation for each symbol, a loop over its rows.
//!
//! The state of an operation lies in a buffer between calls, numbers of few in registers within one. Divisions, square roots
//! and fused operations of WGSL are rounded as the driver likes, so a column is held to the processor's panel in f32 by its
//! norm and not by its bits, see [`WgpuPanel::TOLERANCE`].

mod text;

use std::fmt::Write;

use ::wgpu::{BindGroup, Buffer, BufferUsages};
use ndarray::{ArrayView2, ArrayViewMut3, s};
use thiserror::Error;

use super::error::WgpuError;
use super::gpu::Gpu;
use super::kernel::{Kernel, PLACE_BYTES};
use super::transfer::{STAGING, STORAGE, bytes, download};
use crate::feature::{PanelError, Plan};
use crate::gpu::{Options, panel};
use text::{SYMBOLS, UNKNOWN};

/// Bytes of the largest buffer of a chunk of rows.
const CHUNK_BYTES: u64 = 64 << 20;
/// Rows of a chunk at most, so that no dispatch takes seconds.
const ROWS_MAX: usize = 4096;

/// A plan that f32 cannot hold, or a panel that cannot go on.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum WgpuPanelError {
    /// Columns or outputs of the wrong shape.
    #[error(transparent)]
    Panel(#[from] PanelError),
    /// The device is not there or failed.
    #[error(transparent)]
    Device(#[from] WgpuError),
}

/// A plan in the middle of many series, on a GPU, in f32.
#[derive(Debug)]
pub struct WgpuPanel {
    gpu: Gpu,
    plan: Plan,
    symbols: usize,
    rows: u64,
    kernel: Kernel,
    state: Buffer,
    state_bytes: u64,
    room: Option<Room>,
    failed: bool,
}

/// The buffers of a chunk of rows.
#[derive(Debug)]
struct Room {
    rows: usize,
    span: Buffer,
    columns: Buffer,
    out: Buffer,
    staging: Buffer,
    bound: BindGroup,
}

impl Plan {
    /// The plan over `symbols` series at once on `gpu`, before their first row, in f32.
    ///
    /// # Errors
    /// [`WgpuPanelError`] when the plan reads the time of the rows, which f32 cannot hold, or when the device lacks memory or
    /// refuses the kernel.
    pub fn panel_wgpu(&self, gpu: &Gpu, symbols: usize) -> Result<WgpuPanel, WgpuPanelError> {
        let program = self.program();
        let timed = program.nodes.iter().find_map(|node| Some(node.inputs[node.op.clock_input()?]));
        if let Some(register) = timed {
            let column = self.inputs().get(register).cloned().unwrap_or_default();
            return Err(PanelError::Time { column, format: "f32" }.into());
        }
        let kernel = Kernel::new(gpu, "the kernel of a plan", text::kernel(program), &[false, true, true])?;
        let initial: Vec<f32> =
            text::initial(program).into_iter().flat_map(|x| std::iter::repeat_n(x, symbols)).collect();
        let state_bytes = (size_of::<f32>() * initial.len()) as u64;
        let state = gpu.buffer("the state of a plan", state_bytes, STORAGE)?;
        gpu.queue.write_buffer(&state, 0, &bytes(&initial));
        gpu.check("the state of a plan")?;
        let (gpu, plan) = (gpu.clone(), self.clone());
        Ok(WgpuPanel { gpu, plan, symbols, rows: 0, kernel, state, state_bytes, room: None, failed: false })
    }
}

impl WgpuPanel {
    /// How far a feature may lie from the processor's panel in f32, `|got - wanted| / |wanted|` in the Euclidean norm over all rows and
    /// symbols where it is known.
    ///
    /// WGSL allows 2.5 units in the last place for a division and about as much for a root, where IEEE allows half a unit: 3e-7 for
    /// an operation. A feature is a chain of some ten of them, and a difference of two averages may cancel to a hundredth: 3e-4.
    pub const TOLERANCE: f64 = 3e-4;

    /// Symbols side by side.
    #[must_use]
    pub const fn symbols(&self) -> usize {
        self.symbols
    }

    /// Rows seen so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes the next rows as [`Panel::extend`](crate::feature::Panel::extend) does: `columns[input][row, symbol]` to
    /// `out[output, row, symbol]`, within [`Self::TOLERANCE`]. A number within a part in 10,000 of the greatest counts as not known.
    ///
    /// # Errors
    /// [`WgpuPanelError`] when the columns or the output array do not fit, and nothing is then written or changed; or when the
    /// device fails, after which the state is lost and every further call fails too.
    pub fn extend(
        &mut self,
        columns: &[ArrayView2<'_, f32>],
        mut out: ArrayViewMut3<'_, f32>,
    ) -> Result<(), WgpuPanelError> {
        let rows = panel::check(self.plan.program(), self.symbols, columns, out.dim())?;
        if rows == 0 || self.symbols == 0 {
            return Ok(());
        }
        if self.failed {
            let (adapter, reason) =
                (self.gpu.name(), "an earlier call failed, and with it the state".to_owned());
            return Err(WgpuError::Lost { adapter, reason }.into());
        }
        let most = self.rows_max()?.min(rows);
        self.failed = true;
        for first in (0..rows).step_by(most) {
            let count = most.min(rows - first);
            let part: Vec<ArrayView2<'_, f32>> =
                columns.iter().map(|column| column.slice(s![first..first + count, ..])).collect();
            let mut part_out = out.slice_mut(s![.., first..first + count, ..]);
            let found = self.chunk(&part, (count, most))?;
            for (to, from) in part_out.iter_mut().zip(found) {
                *to = if from == UNKNOWN { f32::NAN } else { from };
            }
        }
        self.failed = false;
        self.rows += rows as u64;
        Ok(())
    }

    /// Rows of a chunk whose buffers the device allows.
    fn rows_max(&self) -> Result<usize, WgpuError> {
        let (inputs, outputs) = (self.plan.inputs().len(), self.plan.names().len());
        let row = (size_of::<f32>() * self.symbols * inputs.max(outputs)) as u64;
        let allowed = self.gpu.binding_bytes_max().min(CHUNK_BYTES);
        let rows = usize::try_from(allowed / row).unwrap_or(usize::MAX).min(ROWS_MAX);
        if rows == 0 {
            let (adapter, what) = (self.gpu.name(), "a row of all symbols".to_owned());
            return Err(WgpuError::Limit { adapter, what, wanted: row, allowed });
        }
        Ok(rows)
    }

    /// Some rows through the device: `[output, row, symbol]`.
    fn chunk(
        &mut self,
        columns: &[ArrayView2<'_, f32>],
        (rows, most): (usize, usize),
    ) -> Result<Vec<f32>, WgpuError> {
        let room = match self.room.take().filter(|room| rows <= room.rows) {
            Some(room) => room,
            None => self.room(most)?,
        };
        let room = self.room.insert(room);
        let gpu = &self.gpu;
        let span: Vec<u8> =
            [rows, self.symbols, 0, 0].iter().flat_map(|&word| (word as u32).to_le_bytes()).collect();
        let known = |&x: &f32| if x.is_finite() { x } else { UNKNOWN };
        let values: Vec<f32> = columns.iter().flat_map(|column| column.iter().map(known)).collect();
        gpu.queue.write_buffer(&room.span, 0, &span);
        gpu.queue.write_buffer(&room.columns, 0, &bytes(&values));
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        self.kernel.dispatch(&mut encoder, (&room.bound, 0), (self.symbols.div_ceil(SYMBOLS), 1));
        let len = self.plan.names().len() * rows * self.symbols;
        encoder.copy_buffer_to_buffer(&room.out, 0, &room.staging, 0, (size_of::<f32>() * len) as u64);
        let mut found = Vec::with_capacity(len);
        let waits = ("features", Options::default().wait_max);
        download(gpu, waits, encoder, (&room.staging, len), &mut found)?;
        Ok(found)
    }

    fn room(&self, rows: usize) -> Result<Room, WgpuError> {
        let gpu = &self.gpu;
        let size = |width: usize| (size_of::<f32>() * width * rows * self.symbols) as u64;
        let (inputs, outputs) = (size(self.plan.inputs().len()), size(self.plan.names().len()));
        let span =
            gpu.buffer("the span of a chunk", PLACE_BYTES, BufferUsages::UNIFORM | BufferUsages::COPY_DST)?;
        let columns = gpu.buffer("the columns of a chunk", inputs, STORAGE)?;
        let out = gpu.buffer("the features of a chunk", outputs, STORAGE)?;
        let staging = gpu.buffer("the features on the host", outputs, STAGING)?;
        let bound = self.kernel.bind(gpu, &span, &[&columns, &out, &self.state]);
        gpu.check("binding the buffers of a chunk")?;
        Ok(Room { rows, span, columns, out, staging, bound })
    }

    /// What was chosen, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let (inputs, outputs) = (self.plan.inputs().len(), self.plan.names().len());
        let _ = writeln!(
            text,
            "plan         {outputs} features of {inputs} columns, {} symbols in f32",
            self.symbols
        );
        let _ = writeln!(text, "{}", self.gpu.explain());
        let _ = write!(text, "state        {} bytes on the device", self.state_bytes);
        text
    }
}

#[cfg(test)]
mod tests;
