//! A plan over many symbols at once, on a device.

use std::marker::PhantomData;
use std::time::Duration;

use ndarray::{ArrayView2, ArrayViewMut3};
use thiserror::Error;

use super::text::{THREADS, initial, kernel};
use crate::cuda::engine::{DeviceEngine, Engine};
use crate::cuda::error::CudaError;
use crate::cuda::gpu::Gpu;
use crate::cuda::plan::{Argument, Kernels, Launch};
use crate::feature::{Number, PanelError, Plan};

/// Bytes of inputs and outputs of one launch at most: a long series goes in pieces.
const PIECE_BYTES: usize = 256 << 20;
/// The longest wait for a piece.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Why a panel cannot be computed on a device.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CudaPanelError {
    /// As on the processor: columns or outputs do not fit.
    #[error(transparent)]
    Panel(#[from] PanelError),
    /// The device.
    #[error(transparent)]
    Cuda(#[from] CudaError),
}

/// A plan in the middle of many series on a device; [`Panel`](crate::feature::Panel) is the same on the processor.
#[derive(Debug)]
pub struct CudaPanel<T> {
    engine: Engine,
    columns: usize,
    outputs: usize,
    symbols: usize,
    rows: u64,
    format: PhantomData<T>,
}

/// Numbers of the buffers.
const COLUMNS: usize = 0;
const OUT: usize = 1;
const STATE: usize = 2;

impl Plan {
    /// The plan over `symbols` series at once on a GPU, before their first row, in `f32` or `f64`. Its kernel is compiled for
    /// exactly this plan.
    ///
    /// # Errors
    /// [`CudaPanelError`] when the plan reads the time of the rows and the format is `f32`, the device lacks the memory, or
    /// NVRTC is missing and the kernel was never compiled here.
    pub fn panel_cuda<T: Number>(&self, gpu: &Gpu, symbols: usize) -> Result<CudaPanel<T>, CudaPanelError> {
        CudaPanel::on(self, symbols, |kernels| {
            Ok(Engine::Device(Box::new(DeviceEngine::new(gpu, kernels, 3, WAIT_MAX)?)))
        })
    }
}

impl<T: Number> CudaPanel<T> {
    pub(super) fn on(
        plan: &Plan,
        symbols: usize,
        engine: impl FnOnce(&Kernels) -> Result<Engine, CudaError>,
    ) -> Result<Self, CudaPanelError> {
        // The same formats as on the processor.
        plan.panel::<T>(0)?;
        let program = plan.program();
        let mut kernels = Kernels::default();
        kernels.add(kernel::<T>(program), 0);
        let mut engine = engine(&kernels)?;
        let state: Vec<u8> =
            initial(program).into_iter().flat_map(|x| bytes(T::of(x)).repeat(symbols)).collect();
        engine.room(STATE, "the states of a panel", state.len().max(16))?;
        engine.write(STATE, &state)?;
        engine.read("the states of a panel", STATE, 0, 0)?;
        let (columns, outputs) = (program.columns.len(), program.outputs.len());
        Ok(Self { engine, columns, outputs, symbols, rows: 0, format: PhantomData })
    }

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

    /// Takes the next rows: `columns[input][row, symbol]`, in the order of [`Plan::inputs`](crate::feature::Plan::inputs), and
    /// writes `out[output, row, symbol]`, as [`Panel::extend`](crate::feature::Panel::extend) does.
    ///
    /// # Errors
    /// [`CudaPanelError`] when the columns or the output array do not fit, and nothing is then changed, or when the device fails.
    pub fn extend(
        &mut self,
        columns: &[ArrayView2<'_, T>],
        mut out: ArrayViewMut3<'_, T>,
    ) -> Result<(), CudaPanelError> {
        let rows = self.check(columns, out.dim())?;
        if self.symbols == 0 {
            return Ok(());
        }
        let row_bytes = size_of::<T>() * self.symbols * (self.columns + self.outputs).max(1);
        let piece = (PIECE_BYTES / row_bytes).max(1);
        for start in (0..rows).step_by(piece) {
            self.piece(columns, &mut out, (start, piece.min(rows - start)))?;
        }
        Ok(())
    }

    fn piece(
        &mut self,
        columns: &[ArrayView2<'_, T>],
        out: &mut ArrayViewMut3<'_, T>,
        (start, count): (usize, usize),
    ) -> Result<(), CudaPanelError> {
        let plane = size_of::<T>() * self.symbols * count;
        let mut values = Vec::with_capacity(plane * self.columns);
        for column in columns {
            for row in column.outer_iter().skip(start).take(count) {
                row.iter().for_each(|&x| values.extend(bytes(x)));
            }
        }
        self.engine.room(COLUMNS, "the columns of a panel", (plane * self.columns).max(16))?;
        self.engine.room(OUT, "the outputs of a panel", (plane * self.outputs).max(16))?;
        self.engine.write(COLUMNS, &values)?;
        self.engine.launch(&[Launch {
            kernel: 0,
            grid: [self.symbols.div_ceil(THREADS), 1, 1],
            threads: THREADS,
            arguments: vec![
                Argument::Buffer(COLUMNS, 0),
                Argument::Buffer(OUT, 0),
                Argument::Buffer(STATE, 0),
                Argument::Int(count),
                Argument::Int(self.symbols),
            ],
        }])?;
        let results = self.engine.read("the features of a panel", OUT, 0, plane * self.outputs)?;
        let mut numbers = results.chunks_exact(size_of::<T>()).map(number::<T>);
        for output in 0..self.outputs {
            for row in start..start + count {
                for symbol in 0..self.symbols {
                    out[[output, row, symbol]] = numbers.next().unwrap_or_else(T::nan);
                }
            }
        }
        self.rows += count as u64;
        Ok(())
    }

    fn check(&self, columns: &[ArrayView2<'_, T>], out: (usize, usize, usize)) -> Result<usize, PanelError> {
        let (expected, given) = (self.columns, columns.len());
        if expected != given {
            return Err(PanelError::Columns { expected, given });
        }
        let expected_rows = columns.first().map_or(0, |column| column.dim().0);
        for (column, values) in columns.iter().enumerate() {
            let (rows, symbols) = values.dim();
            if (rows, symbols) != (expected_rows, self.symbols) {
                let expected_symbols = self.symbols;
                return Err(PanelError::Column { column, rows, symbols, expected_rows, expected_symbols });
            }
        }
        let expected = (self.outputs, expected_rows, self.symbols);
        if out != expected {
            return Err(PanelError::Output { given: out, expected });
        }
        Ok(expected_rows)
    }
}

/// A number as a device reads it.
#[expect(clippy::cast_possible_truncation, reason = "an f32 comes back as it was")]
fn bytes<T: Number>(x: T) -> Vec<u8> {
    if size_of::<T>() == 8 {
        x.wide().to_le_bytes().to_vec()
    } else {
        (x.wide() as f32).to_le_bytes().to_vec()
    }
}

/// And as it was.
fn number<T: Number>(bytes: &[u8]) -> T {
    match *bytes {
        [a, b, c, d] => T::of(f64::from(f32::from_le_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => T::of(f64::from_le_bytes([a, b, c, d, e, f, g, h])),
        _ => T::nan(),
    }
}
