//! Layer by layer: any network with its matrix products, and its ordinary cells, on the kernels.
//!
//! Some series go through a layer together, from its first step to its last, before the next layer begins. The products
//! are those of the kernels, in the same packing as a plain model's; a cell with functions, peepholes, a clip or coupled
//! gates of its own is closed by scalar code between them. A series that is shorter than its window keeps its state
//! while the others go on. A row's bits depend on nothing but the row.

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use crate::cpu::Kernels;
use crate::lstm::packed::{interleave, row_of};
use crate::op::gemm::{GROUP, Gemm, Left, PANEL, Right, Start};
use crate::op::lstm_cell::{Forward, gate_index};
use crate::op::lstm_function::Function;
use crate::op::lstm_layer::{LstmLayer, ORDINARY, Pass, State};
use crate::op::lstm_stack::{Dense, Head, Layer, Read, Run, Stack, What, place};

/// Most series that go together: eight full tiles of the AVX-512 product.
pub const BLOCK: usize = 48;

/// A network's weights as the kernels want them.
#[derive(Debug)]
pub struct Layers {
    pub kernels: Kernels,
    layers: Vec<Packed>,
    heads: Vec<Vec<Packed>>,
}

#[derive(Debug)]
enum Packed {
    Lstm(Vec<PackedPass>),
    Dense(Matrix),
    /// A function, which has no weights.
    Function,
}

/// One direction of a layer.
#[derive(Debug)]
struct PackedPass {
    /// Cells rounded up to a multiple of 16.
    units: usize,
    weight_x: Buffer<f32>,
    weight_h: Buffer<f32>,
    bias: Buffer<f32>,
    projection: Option<Matrix>,
}

/// A dense layer: `[input, cols]`, row by row, `cols` being the outputs rounded up to a multiple of 16.
#[derive(Debug)]
struct Matrix {
    output: usize,
    cols: usize,
    weight: Buffer<f32>,
    bias: Buffer<f32>,
}

/// Some series: `[time, rows, input]`, of each how many steps count, and what each layer starts from.
pub struct Block<'a> {
    pub rows: usize,
    pub time: usize,
    pub x: Vec<f32>,
    pub lengths: Vec<usize>,
    /// For each series, a state for each LSTM layer.
    pub states: Option<&'a [Vec<State<f32>>]>,
}

fn zeroed(len: usize) -> Result<Buffer<f32>, OutOfMemory> {
    Buffer::zeroed(len, Alignment::CACHE_LINE)
}

impl Matrix {
    fn new(
        input: usize,
        output: usize,
        weight: &[f32],
        bias: Option<&Vec<f32>>,
    ) -> Result<Self, OutOfMemory> {
        let cols = output.next_multiple_of(GROUP);
        let (mut turned, mut padded) = (zeroed(input.saturating_mul(cols))?, zeroed(cols)?);
        for (col, row) in weight.chunks_exact(input).enumerate() {
            row.iter().enumerate().for_each(|(k, &w)| turned[k * cols + col] = w);
        }
        if let Some(bias) = bias {
            padded[..output].copy_from_slice(bias);
        }
        Ok(Self { output, cols, weight: turned, bias: padded })
    }

    /// `[rows, output]` of rows of `depth` values that lie `stride` apart.
    fn apply(&self, kernels: &Kernels, values: &[f32], stride: usize, depth: usize) -> Vec<f32> {
        let rows = values.len() / stride;
        let mut out = vec![0.0; rows * self.cols];
        kernels.gemm(
            &Gemm {
                rows,
                cols: self.cols,
                depth,
                left: Left { values, row_stride: stride, depth_stride: 1 },
                right: Right::Rows { values: &self.weight, stride: self.cols },
                start: Start::Bias(&self.bias),
                out_stride: self.cols,
            },
            &mut out,
        );
        out.chunks_exact(self.cols).flat_map(|row| &row[..self.output]).copied().collect()
    }
}

impl PackedPass {
    fn new(lstm: &LstmLayer<f32>, pass: &Pass<f32>) -> Result<Self, OutOfMemory> {
        let (hidden, recurrent) = (lstm.hidden, lstm.pass_output());
        let units = hidden.next_multiple_of(GROUP);
        let gates = PANEL * units;
        let mut weight_x = zeroed(lstm.input.saturating_mul(gates))?;
        let mut weight_h = zeroed(recurrent.saturating_mul(gates))?;
        let mut bias = zeroed(gates)?;
        interleave(&pass.weight_ih, lstm.input, hidden, &mut weight_x);
        interleave(&pass.weight_hh, recurrent, hidden, &mut weight_h);
        if let Some([ih, hh]) = &pass.bias {
            let sum = |col| row_of(col, hidden).map_or(0.0, |row| ih[row] + hh[row]);
            bias.iter_mut().enumerate().for_each(|(col, bias)| *bias = sum(col));
        }
        let projection =
            pass.weight_hr.as_ref().map(|weight| Matrix::new(hidden, recurrent, weight, None)).transpose()?;
        Ok(Self { units, weight_x, weight_h, bias, projection })
    }
}

/// Whether the kernels close the cells of a pass.
pub fn is_ordinary(lstm: &LstmLayer<f32>, pass: &Pass<f32>) -> bool {
    pass.functions == ORDINARY && pass.peepholes.is_none() && lstm.clip.is_none() && !lstm.input_forget
}

impl Layers {
    pub fn new(stack: &Stack<f32>, kernels: Kernels) -> Result<Self, OutOfMemory> {
        let pack = |layer: &Layer<f32>| {
            Ok(match layer {
                Layer::Lstm(lstm) => {
                    let passes = lstm.passes.iter().map(|pass| PackedPass::new(lstm, pass));
                    Packed::Lstm(passes.collect::<Result<_, OutOfMemory>>()?)
                }
                Layer::Dense(Dense { input, output, weight, bias }) => {
                    Packed::Dense(Matrix::new(*input, *output, weight, bias.as_ref())?)
                }
                Layer::Each(_) | Layer::Softmax => Packed::Function,
            })
        };
        let all = |layers: &[Layer<f32>]| layers.iter().map(pack).collect::<Result<Vec<_>, OutOfMemory>>();
        let heads = stack.heads.iter().map(|head| all(&head.layers)).collect::<Result<_, _>>()?;
        Ok(Self { kernels, layers: all(&stack.layers)?, heads })
    }

    /// Takes a block through the stack that this was made of: the first `heads` heads, and the states at the end.
    pub fn run(&self, stack: &Stack<f32>, block: &Block, heads: usize) -> Vec<Run<f32>> {
        let rows = block.rows;
        let mut runs = vec![Run { heads: Vec::with_capacity(heads), states: Vec::new() }; rows];
        let mut sequences: Vec<Vec<f32>> = Vec::with_capacity(stack.layers.len());
        // Of each layer the place among the LSTM layers.
        let mut lstms = Vec::with_capacity(stack.layers.len());
        for (layer, packed) in stack.layers.iter().zip(&self.layers) {
            let before = sequences.last().unwrap_or(&block.x);
            lstms.push(runs.first().map_or(0, |run| run.states.len()));
            sequences.push(match (layer, packed) {
                (Layer::Lstm(lstm), Packed::Lstm(passes)) => {
                    self.lstm(lstm, passes, before, block, lstms.last().copied().unwrap_or(0), &mut runs)
                }
                _ => self.pointwise(layer, packed, before.clone(), before.len() / (block.time * rows)),
            });
        }
        for (head, packed) in stack.heads.iter().zip(&self.heads).take(heads) {
            let mut width = head.read.iter().map(|read| read.features.len()).sum();
            let steps = if head.is_sequence() { block.time } else { 1 };
            let mut values = read(head, steps, block, &sequences, &lstms, &runs);
            for (layer, packed) in head.layers.iter().zip(packed) {
                values = self.pointwise(layer, packed, values, width);
                width = layer.output(width);
            }
            for (run, values) in runs.iter_mut().zip(values.chunks_exact(steps * width)) {
                run.heads.push(values.to_vec());
            }
        }
        runs
    }

    fn pointwise(&self, layer: &Layer<f32>, packed: &Packed, values: Vec<f32>, width: usize) -> Vec<f32> {
        match packed {
            Packed::Dense(matrix) => matrix.apply(&self.kernels, &values, width, width),
            _ => layer.apply(&values, width),
        }
    }

    /// One layer through time: its sequence `[time, rows, output]`; the states at the end go to the runs.
    fn lstm(
        &self,
        lstm: &LstmLayer<f32>,
        passes: &[PackedPass],
        x: &[f32],
        block: &Block,
        place: usize,
        runs: &mut [Run<f32>],
    ) -> Vec<f32> {
        let (rows, time, width, hidden) = (block.rows, block.time, lstm.pass_output(), lstm.hidden);
        let mut sequence = vec![0.0; time * rows * lstm.output()];
        runs.iter_mut().for_each(|run| run.states.push(State { h: Vec::new(), c: Vec::new() }));
        for (direction, (pass, packed)) in lstm.passes.iter().zip(passes).enumerate() {
            let (units, gates) = (packed.units, PANEL * packed.units);
            // A projected state has its own width; another one that of the padded cells.
            let stride = if packed.projection.is_some() { width } else { units };
            let (mut h, mut c) = (vec![0.0; rows * stride], vec![0.0; rows * units]);
            for row in 0..rows {
                let given = block.states.map(|states| &states[row][place]);
                if let Some(State { h: from_h, c: from_c }) = given {
                    h[row * stride..][..width].copy_from_slice(&from_h[direction * width..][..width]);
                    c[row * units..][..hidden].copy_from_slice(&from_c[direction * hidden..][..hidden]);
                } else if let Some(State { h: from_h, c: from_c }) = &pass.initial {
                    h[row * stride..][..width].copy_from_slice(from_h);
                    c[row * units..][..hidden].copy_from_slice(from_c);
                }
            }
            let (mut z, mut c_after, mut cells) =
                (vec![0.0; rows * gates], vec![0.0; rows * units], vec![0.0; rows * units]);
            for step in 0..time {
                let t = if pass.reverse { time - 1 - step } else { step };
                let input = (&x[t * rows * lstm.input..][..rows * lstm.input], lstm.input);
                let product = (lstm.input, gates, packed.weight_x.as_ref());
                self.kernels.gemm(&Gemm::packed(rows, input, product, Start::Bias(&packed.bias)), &mut z);
                let product = (width, gates, packed.weight_h.as_ref());
                self.kernels.gemm(&Gemm::packed(rows, (&h, stride), product, Start::Out), &mut z);
                if is_ordinary(lstm, pass) {
                    self.kernels.lstm_cell_forward(&mut Forward {
                        rows,
                        units,
                        gates: &mut z,
                        c_before: &c,
                        c: &mut c_after,
                        tanh_c: &mut [],
                        h: &mut cells,
                    });
                } else {
                    for row in 0..rows {
                        let (z, at) = (&z[row * gates..][..gates], row * units..(row + 1) * units);
                        close(lstm, pass, z, &c[at.clone()], &mut c_after[at.clone()], &mut cells[at]);
                    }
                }
                let projected = packed
                    .projection
                    .as_ref()
                    .map(|matrix| matrix.apply(&self.kernels, &cells, units, hidden));
                let after = projected.as_ref().unwrap_or(&cells);
                for row in (0..rows).filter(|&row| t < block.lengths[row]) {
                    let state = &after[row * stride..][..stride];
                    h[row * stride..][..stride].copy_from_slice(state);
                    c[row * units..][..units].copy_from_slice(&c_after[row * units..][..units]);
                    let out = (t * rows + row) * lstm.output() + direction * width;
                    sequence[out..][..width].copy_from_slice(&state[..width]);
                }
            }
            for (row, run) in runs.iter_mut().enumerate() {
                let Some(state) = run.states.last_mut() else { continue };
                state.h.extend_from_slice(&h[row * stride..][..width]);
                state.c.extend_from_slice(&c[row * units..][..hidden]);
            }
        }
        sequence
    }
}

/// Closes the cells of one row that are not ordinary, as `LstmLayer::step` does.
fn close(lstm: &LstmLayer<f32>, pass: &Pass<f32>, z: &[f32], c: &[f32], c_after: &mut [f32], h: &mut [f32]) {
    let hidden = lstm.hidden;
    let [gate, candidate, cell]: [Function; 3] = pass.functions;
    let peephole = |place: usize, unit: usize, c: f32| {
        pass.peepholes.as_ref().map_or(0.0, |weights| weights[place * hidden + unit] * c)
    };
    // NaN stays NaN, as in `f32::clamp`.
    let clip = |z: f32| lstm.clip.map_or(z, |bound| z.clamp(-bound, bound));
    for unit in 0..hidden {
        let z = |gate: usize| z[gate_index(gate, unit)];
        let i = gate.apply(clip(z(0) + peephole(0, unit, c[unit])));
        let f = if lstm.input_forget { 1.0 - i } else { gate.apply(clip(z(1) + peephole(1, unit, c[unit]))) };
        c_after[unit] = f * c[unit] + i * candidate.apply(clip(z(2)));
        let o = gate.apply(clip(z(3) + peephole(2, unit, c_after[unit])));
        h[unit] = o * cell.apply(c_after[unit]);
    }
}

/// What a head reads: `[rows, steps, width]`.
fn read(
    head: &Head<f32>,
    steps: usize,
    block: &Block,
    sequences: &[Vec<f32>],
    lstms: &[usize],
    runs: &[Run<f32>],
) -> Vec<f32> {
    let (rows, time) = (block.rows, block.time);
    let mut values = Vec::new();
    for (row, run) in runs.iter().enumerate() {
        for step in 0..steps {
            for Read { layer, what, features } in &head.read {
                let sequence = |t: usize| {
                    let width = sequences[*layer].len() / (time * rows);
                    &sequences[*layer][(t * rows + row) * width..][..width]
                };
                let from = match what {
                    What::Hidden => &run.states[lstms[*layer]].h,
                    What::Cell => &run.states[lstms[*layer]].c,
                    What::Step(step) => sequence(place(*step, time).unwrap_or(time)),
                    What::Sequence => sequence(step),
                };
                values.extend_from_slice(&from[features.clone()]);
            }
        }
    }
    values
}
