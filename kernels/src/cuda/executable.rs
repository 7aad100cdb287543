//! A model on an NVIDIA GPU: its weights, its kernels, and the buffers of a batch in flight.

use std::fmt::Write;

use cudarc::driver::{CudaFunction, CudaSlice, LaunchConfig, PinnedHostSlice, PushKernelArg};
use half::{bf16, f16};
use ndarray::{ArrayView3, ArrayViewMut2};

use super::error::CudaError;
use super::fragments::{bias, fragments};
use super::gpu::{FROM_PTX, Gpu, Origin};
use super::shape::{self, Layer, Machine, PORTABLE};
use super::source;
use crate::gpu::cut::{Cut, cut};
use crate::gpu::{Options, Precision, packed, windows};
use crate::lstm::Lstm;
use crate::op::network::Spec;

/// Bytes by which a chunk of steps is bounded: the gates that it would take if they were written.
const CHUNK_BYTES: usize = 2 << 30;
/// Bytes below which a chunk is not cut any further for want of memory.
const CHUNK_BYTES_MIN: usize = 1 << 20;
/// Windows of each multiprocessor that kernels are compiled for: a small batch spreads over all of them.
pub const CLASSES: [usize; 4] = [8, 24, 48, 80];

/// A model made ready for one GPU.
#[derive(Debug)]
pub struct CudaExecutable {
    gpu: Gpu,
    spec: Spec,
    options: Options,
    layers: Vec<Weights>,
    head: Vec<CudaSlice<u8>>,
    dense: CudaFunction,
    /// For each of the [`CLASSES`] the kernels of all layers, once a batch wanted it.
    kernels: [Option<Vec<Kernel>>; CLASSES.len()],
    room: Option<Room>,
    chunk_bytes: usize,
    /// Something did not end in time: nothing here may be freed or used again.
    lost: Option<CudaError>,
}

/// A layer's weights, as its kernel reads them.
#[derive(Debug)]
struct Weights {
    layer: Layer,
    /// Both matrices in fragments; or the inputs' matrix, then the units'.
    matrices: Vec<CudaSlice<u8>>,
    bias: CudaSlice<u8>,
}

/// A layer's kernel.
#[derive(Debug)]
struct Kernel {
    function: CudaFunction,
    origin: Origin,
    threads: usize,
    /// Windows of a block.
    columns: usize,
    shared_bytes: usize,
    cut: String,
}

/// The buffers of a cut.
#[derive(Debug)]
struct Room {
    cut: Cut,
    /// On the host and on the device, one filled while the other is read.
    staging: [PinnedHostSlice<u8>; 2],
    x: [CudaSlice<u8>; 2],
    /// Written by the layers in turn.
    sequence: [CudaSlice<u8>; 2],
    states: Vec<[CudaSlice<u8>; 2]>,
    out: CudaSlice<u8>,
}

impl Lstm {
    /// Compiles kernels for this model's shape and brings its weights to `gpu`.
    ///
    /// # Errors
    /// [`CudaError`] when the device lacks the precision or the memory, a layer is too wide, a weight is not finite, or NVRTC
    /// is missing and the kernels were never compiled here.
    pub fn compile_cuda(&self, gpu: &Gpu, options: &Options) -> Result<CudaExecutable, CudaError> {
        let (spec, precision) = (self.spec(), options.precision);
        if !gpu.offers(precision) {
            return Err(CudaError::Precision { device: gpu.name().to_owned(), precision });
        }
        self.check_finite()?;
        if let Some(index) = precision.too_large(&self.weights().values) {
            let value = self.weights().values[index];
            return Err(CudaError::WeightRange { index, value, precision });
        }
        let f32s = |values: &[f32]| Precision::F32.encode(values);
        let place = |(index, packed): (usize, packed::PackedLayer)| {
            let layer = Layer { inputs: spec.layer_input(index), units: spec.hidden };
            let (matrices, bias) = match precision {
                Precision::F32 => (vec![f32s(&packed.weight_x), f32s(&packed.weight_h)], packed.bias.clone()),
                _ => (vec![fragments(layer, &packed, precision)], bias(layer, &packed)),
            };
            let matrices = matrices.iter().map(|bytes| gpu.upload("a layer's weights", bytes));
            Ok(Weights {
                layer,
                matrices: matrices.collect::<Result<_, _>>()?,
                bias: gpu.upload("a layer's bias", &f32s(&bias))?,
            })
        };
        let layers = packed::layers(self.weights()).into_iter().enumerate().map(place);
        let layers = layers.collect::<Result<_, CudaError>>()?;
        let (weight, bias) = self.weights().head();
        let head = vec![gpu.upload("the head", &f32s(weight))?, gpu.upload("the head", &f32s(bias))?];
        let (dense, _) = gpu.load(&source::dense(spec.hidden, spec.output), 0)?;
        let (gpu, options, chunk_bytes) = (gpu.clone(), options.clone(), CHUNK_BYTES);
        let kernels = [const { None }; CLASSES.len()];
        let (room, lost) = (None, None);
        let mut executable =
            CudaExecutable { gpu, spec, options, layers, head, dense, kernels, room, chunk_bytes, lost };
        // What a large batch wants is compiled now, and what could be wrong with it said now.
        executable.prepare(CLASSES.len() - 1)?;
        Ok(executable)
    }
}

impl CudaExecutable {
    /// Predicts a batch of windows `[batch, time, input]`, each from zero state, into `[batch, output]`, as
    /// [`Executable::predict`](crate::lstm::Executable::predict) does, within the
    /// [tolerance](crate::gpu::Precision::tolerance) of its precision. A window's numbers do not depend on its batch.
    ///
    /// # Errors
    /// [`CudaError`] when a shape does not fit, a feature is not finite or beyond the precision and may not be, or the device
    /// fails; `out` is then untouched.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn predict(
        &mut self,
        windows: ArrayView3<f32>,
        mut out: ArrayViewMut2<f32>,
    ) -> Result<(), CudaError> {
        windows::check(&self.spec, &windows, &out)?;
        self.lost.clone().map_or(Ok(()), Err)?;
        let batch = windows.dim().0;
        let (mut spoiled, mut logits) = (vec![false; batch], Vec::new());
        while let Err(error) = self.run(&windows, &mut spoiled, &mut logits) {
            match error {
                CudaError::Memory { .. } if self.chunk_bytes > CHUNK_BYTES_MIN => {
                    self.room = None;
                    self.chunk_bytes /= 2;
                    logits.clear();
                }
                CudaError::Timeout { .. } => {
                    self.forget(&error);
                    return Err(error);
                }
                other => return Err(other),
            }
        }
        windows::write(&self.spec, &mut logits, (0, &spoiled), &mut out);
        Ok(())
    }

    /// Gives up what did not end in time. To free what a kernel may still use would wait for it, and so would ending its module,
    /// its stream or the context.
    fn forget(&mut self, error: &CudaError) {
        std::mem::forget(self.room.take());
        std::mem::forget(std::mem::take(&mut self.layers));
        std::mem::forget(std::mem::take(&mut self.head));
        std::mem::forget(std::mem::take(&mut self.kernels));
        std::mem::forget(self.dense.clone());
        std::mem::forget(self.gpu.clone());
        self.lost = Some(error.clone());
    }

    /// Compiles the kernels of a class, unless they are there. Without a compiler and machine code for this kind of device,
    /// those that were made ahead for any.
    fn prepare(&mut self, class: usize) -> Result<(), CudaError> {
        if self.kernels[class].is_some() {
            return Ok(());
        }
        let kernels = match self.compile(class, self.gpu.machine) {
            Err(missing @ CudaError::NoNvrtc { .. }) => match self.compile(class, PORTABLE) {
                Err(CudaError::NoNvrtc { .. }) => return Err(missing),
                other => other?,
            },
            other => other?,
        };
        self.kernels[class] = Some(kernels);
        Ok(())
    }

    /// The kernels of a class, cut for a machine.
    fn compile(&self, class: usize, machine: Machine) -> Result<Vec<Kernel>, CudaError> {
        let (gpu, precision) = (&self.gpu, self.options.precision);
        let rows = CLASSES[class] * machine.processors;
        let top = self.layers.len() - 1;
        let kernel = |(index, weights): (usize, &Weights)| {
            let (layer, last) = (weights.layer, index == top);
            match precision {
                Precision::F32 => {
                    let cut = shape::single(layer, machine, rows)?;
                    let (threads, columns) = (cut.lanes * cut.row_groups, cut.rows * cut.row_groups);
                    let (function, origin) =
                        gpu.load(&source::single(layer, &cut, last), cut.shared_bytes)?;
                    let (shared_bytes, cut) = (cut.shared_bytes, format!("{cut:?}"));
                    Ok(Kernel { function, origin, threads, columns, shared_bytes, cut })
                }
                Precision::F16 | Precision::Bf16 => {
                    let attempt = |kernel: &source::Kernel, cut: &shape::Half| {
                        Ok::<_, CudaError>(match gpu.load(kernel, cut.shared_bytes) {
                            // What was made ahead is one cut of these; how it does on this device is not looked at.
                            Err(missing @ CudaError::NoNvrtc { .. }) if machine == PORTABLE => {
                                (Err(missing), true)
                            }
                            Err(error) => return Err(error),
                            Ok(loaded) => {
                                let spills = loaded.1 == Origin::MachineCode && gpu.spills(&loaded.0)?;
                                (Ok(loaded), spills)
                            }
                        })
                    };
                    let (loaded, cut) = source::fitting((layer, machine, rows), (precision, last), attempt)?;
                    let (function, origin) = loaded?;
                    let (threads, columns, shared_bytes) = (32 * cut.warps, cut.columns, cut.shared_bytes);
                    Ok(Kernel { function, origin, threads, columns, shared_bytes, cut: format!("{cut:?}") })
                }
            }
        };
        self.layers.iter().enumerate().map(kernel).collect()
    }

    fn run(
        &mut self,
        windows: &ArrayView3<f32>,
        spoiled: &mut [bool],
        logits: &mut Vec<f32>,
    ) -> Result<(), CudaError> {
        let (batch, time, _) = windows.dim();
        if batch == 0 {
            return Ok(());
        }
        let covers = |&class: &usize| CLASSES[class] * self.gpu.machine.processors >= batch;
        let class = (0..CLASSES.len()).find(covers).unwrap_or(CLASSES.len() - 1);
        self.prepare(class)?;
        let rows_max = CLASSES[class] * self.gpu.machine.processors;
        let Some(cut) = cut(&self.spec, (batch, time), (rows_max, self.chunk_bytes)) else {
            let (what, precision) = ("the widest layer", self.options.precision);
            let (value, max) = (self.spec.input.max(self.spec.hidden), self.chunk_bytes / 16);
            return Err(CudaError::Limit { what, value, max, precision, remedy: "predict on the cpu" });
        };
        let fits = |room: &Room| cut.rows <= room.cut.rows && cut.steps <= room.cut.steps;
        let mut room = match self.room.take().filter(fits) {
            Some(room) => room,
            None => self.room_for(cut)?,
        };
        let done = self.chunks(windows, (class, cut), &mut room, (spoiled, logits));
        self.room = Some(room);
        done
    }

    /// Bytes of a number between layers.
    const fn number_bytes(&self) -> usize {
        self.options.precision.bytes()
    }

    /// Values of a row that a layer reads, as stored.
    const fn stored(&self, layer: Layer) -> usize {
        match self.options.precision {
            Precision::F32 => layer.inputs,
            Precision::F16 | Precision::Bf16 => layer.stored_inputs(),
        }
    }

    fn room_for(&self, cut: Cut) -> Result<Room, CudaError> {
        let (gpu, spec) = (&self.gpu, &self.spec);
        let Cut { rows, steps } = cut;
        let x_bytes = self.number_bytes() * steps * rows * self.stored(self.layers[0].layer);
        let staging = || gpu.pinned("the features of a chunk on the host", x_bytes);
        let x = || gpu.buffer("the features of a chunk", x_bytes);
        let between = if self.layers.len() > 1 { spec.hidden.next_multiple_of(8) } else { 0 };
        let sequence =
            || gpu.buffer("the hidden states of a chunk", self.number_bytes() * steps * rows * between);
        let state = || gpu.buffer("states", size_of::<f32>() * rows * spec.hidden);
        let states = self.layers.iter().map(|_| Ok([state()?, state()?]));
        Ok(Room {
            cut,
            staging: [staging()?, staging()?],
            x: [x()?, x()?],
            sequence: [sequence()?, sequence()?],
            states: states.collect::<Result<_, CudaError>>()?,
            out: gpu.buffer("the outputs", size_of::<f32>() * rows * spec.output)?,
        })
    }

    /// Takes all windows through the device: while it computes a chunk, the host prepares the next.
    fn chunks(
        &self,
        windows: &ArrayView3<f32>,
        (class, cut): (usize, Cut),
        room: &mut Room,
        (spoiled, logits): (&mut [bool], &mut Vec<f32>),
    ) -> Result<(), CudaError> {
        let (batch, time, _) = windows.dim();
        let [compute, copy] = &self.gpu.streams;
        let (mut x, mut turn, mut marks) = (Vec::new(), 0, [None, None]);
        for first in (0..batch).step_by(cut.rows) {
            let rows = cut.rows.min(batch - first);
            for state in room.states.iter_mut().flatten() {
                self.gpu.call("clearing states", compute.memset_zeros(state))?;
            }
            for start in (0..time).step_by(cut.steps) {
                let steps = cut.steps.min(time - start);
                let spoiled = &mut spoiled[first..first + rows];
                let non_finite = self.options.non_finite;
                windows::read(windows, (first, rows), (start, steps), non_finite, (&mut x, spoiled))?;
                let half = turn % 2;
                // What was copied from this half must have been computed with before it is written. So the copy below,
                // for which cudarc waits without a bound, has nothing else to wait for.
                if let Some(mark) = &marks[half] {
                    self.gpu.wait("a chunk of steps", mark, self.options.wait_max)?;
                }
                let staging = self.gpu.call("preparing a copy", room.staging[half].as_mut_slice())?;
                let len = self.encode(&x, (first, rows), staging)?;
                let mut to = room.x[half].slice_mut(..len);
                self.gpu
                    .call("copying features to the device", copy.memcpy_htod(&staging[..len], &mut to))?;
                self.layers(class, room, half, Cut { rows, steps })?;
                marks[half] = Some(self.gpu.mark("a chunk of steps", compute)?);
                turn += 1;
            }
            self.head(room, rows)?;
            let mark = self.gpu.mark("a batch of windows", compute)?;
            self.gpu.wait("a batch of windows", &mark, self.options.wait_max)?;
            let mut bytes = vec![0; size_of::<f32>() * rows * self.spec.output];
            let view = room.out.slice(..bytes.len());
            self.gpu.call("reading predictions", compute.memcpy_dtoh(&view, &mut bytes))?;
            let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            logits.extend(bytes.chunks_exact(4).map(value));
        }
        Ok(())
    }

    /// Writes the features `[steps * rows, input]` as the first layer reads them. How many bytes that took.
    fn encode(&self, x: &[f32], (first, rows): (usize, usize), to: &mut [u8]) -> Result<usize, CudaError> {
        let (input, precision) = (self.spec.input, self.options.precision);
        let row_bytes = self.number_bytes() * self.stored(self.layers[0].layer);
        for (row, (from, to)) in x.chunks_exact(input).zip(to.chunks_exact_mut(row_bytes)).enumerate() {
            match precision {
                Precision::F32 => {
                    to.chunks_exact_mut(4).zip(from).for_each(|(to, x)| to.copy_from_slice(&x.to_le_bytes()));
                }
                Precision::F16 | Precision::Bf16 => {
                    if precision.too_large(from).is_some() {
                        return Err(CudaError::FeatureRange { window: first + row % rows, precision });
                    }
                    for (to, &x) in to.chunks_exact_mut(2).zip(from) {
                        to.copy_from_slice(&match precision {
                            Precision::Bf16 => bf16::from_f32(x).to_le_bytes(),
                            _ => f16::from_f32(x).to_le_bytes(),
                        });
                    }
                }
            }
        }
        Ok(x.len() / input * row_bytes)
    }

    /// Takes every layer through a chunk.
    fn layers(&self, class: usize, room: &mut Room, half: usize, cut: Cut) -> Result<(), CudaError> {
        let stream = &self.gpu.streams[0];
        let (rows, steps) = (int(cut.rows), int(cut.steps));
        let Room { x, sequence, states, .. } = room;
        let kernels = self.kernels[class].as_deref().unwrap_or_default();
        for (index, ((weights, kernel), state)) in self.layers.iter().zip(kernels).zip(states).enumerate() {
            let [even, odd] = &mut *sequence;
            let (below, above) = if index % 2 == 0 { (&*odd, even) } else { (&*even, odd) };
            let below = if index == 0 { &x[half] } else { below };
            let [h, c] = state;
            let mut launch = stream.launch_builder(&kernel.function);
            launch.arg(below);
            for matrix in &weights.matrices {
                launch.arg(matrix);
            }
            launch.arg(&weights.bias).arg(h).arg(c).arg(above).arg(&rows).arg(&steps);
            let config = LaunchConfig {
                grid_dim: (u32::try_from(cut.rows.div_ceil(kernel.columns)).unwrap_or(u32::MAX), 1, 1),
                block_dim: (u32::try_from(kernel.threads).unwrap_or(u32::MAX), 1, 1),
                shared_mem_bytes: u32::try_from(kernel.shared_bytes).unwrap_or(u32::MAX),
            };
            // SAFETY: the arguments are those of `lstm_layer` in the file that `prepare` compiled, with the sizes of this
            // model; `room_for` made every buffer for at least `cut`, and the kernel guards rows beyond `rows`.
            self.gpu.call("starting a layer", unsafe { launch.launch(config) })?;
        }
        Ok(())
    }

    /// Applies the head to what the last layer left.
    fn head(&self, room: &mut Room, rows: usize) -> Result<(), CudaError> {
        let Some([h, _]) = room.states.last() else { return Ok(()) };
        let [weight, bias] = &self.head[..] else { return Ok(()) };
        let (count, cells) = (int(rows), rows * self.spec.output);
        let mut launch = self.gpu.streams[0].launch_builder(&self.dense);
        // One model: no way from one to the next.
        let stride = 0_i64;
        launch.arg(h).arg(weight).arg(bias).arg(&mut room.out).arg(&count).arg(&stride).arg(&stride);
        let blocks = u32::try_from(cells.div_ceil(8)).unwrap_or(u32::MAX);
        let config = LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (256, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the arguments are those of `dense` in dense.cu, compiled for this model's units and outputs; a warp beyond
        // the outputs returns at once.
        self.gpu.call("starting the head", unsafe { launch.launch(config) })?;
        Ok(())
    }

    /// What was chosen, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "model        {}, {} parameters", self.spec, self.spec.parameters());
        let _ = writeln!(text, "{}", self.gpu.explain());
        let precision = self.options.precision;
        let _ = writeln!(text, "precision    {precision}, sums, gates and cell states in f32");
        let _ = write!(text, "tolerance    {:e} of the outputs' norm", precision.tolerance());
        for (class, kernels) in CLASSES.iter().zip(&self.kernels) {
            for (layer, kernel) in kernels.iter().flatten().enumerate() {
                let _ =
                    write!(text, "\nlayer {layer:<6} for {class} windows a multiprocessor: {}", kernel.cut);
            }
        }
        if self.kernels.iter().flatten().flatten().any(|kernel| kernel.origin == Origin::Ptx) {
            text.push_str(FROM_PTX);
        }
        if self.chunk_bytes < CHUNK_BYTES {
            let _ = write!(text, "\nbatches      cut smaller since the device had no memory for more");
        }
        text
    }
}

/// A size as kernels take it.
fn int(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::exam::{CASES, sit};
    use diapason_tests::{Need, need};

    #[test]
    fn every_shape_is_the_references() {
        let gpu = Gpu::open(0);
        let lack = gpu.as_ref().err().map(ToString::to_string);
        if !need::met(Need::Gpu, lack) {
            return;
        }
        let gpu = gpu.unwrap();
        for precision in Precision::ALL.into_iter().filter(|&precision| gpu.offers(precision)) {
            for case in CASES {
                let mark = sit(case, precision, |model, x, out| {
                    let options = Options { precision, ..Options::default() };
                    model.compile_cuda(&gpu, &options)?.predict(x, out)
                })
                .unwrap();
                assert!(mark.passed, "{mark:?}");
            }
        }
    }
}
