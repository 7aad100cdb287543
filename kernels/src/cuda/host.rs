//! The kernels run on the host, on machines without a GPU: the file that NVRTC compiles, compiled by the C++ compiler over
//! `tests/cuda/host.cuh`, which does what CUDA and the PTX manual say. Weights come from the same functions as on a device.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use diapason_tests::require;
use half::{bf16, f16};

use super::fragments::{bias, fragments};
use super::shape::{self, Layer, Machine};
use super::source::{self, Kernel};
use crate::gpu::exam::distance;
use crate::gpu::{Precision, packed};
use crate::lstm::{Head, Lstm, Spec};
use crate::op::network::{Weights, forward};
use crate::random;

/// Compiles a kernel with a call of it.
fn build(folder: &Path, kernel: &Kernel, pointers: usize, call: &str) -> PathBuf {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda");
    let text = folder.join("kernel.cu");
    std::fs::write(&text, &kernel.text).unwrap();
    let program = folder.join("kernel");
    let mut command = Command::new("c++");
    command.args(["-O1", "-std=c++17", "-w", "-DDIAPASON_HOST"]);
    command.arg(format!("-DKERNEL=\"{}\"", text.display()));
    command.args([format!("-DARGUMENTS={pointers}"), format!("-DCALL={call}")]);
    command.args(kernel.defines.iter().map(|(name, value)| format!("-D{name}={value}")));
    command.arg(assets.join("driver.cpp")).arg("-o").arg(&program);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    program
}

/// Runs a kernel: the arrays after it.
fn run(program: &Path, sizes: [usize; 4], arrays: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut input: Vec<u8> = sizes.iter().flat_map(|&size| (size as u32).to_le_bytes()).collect();
    for array in arrays {
        input.extend((array.len() as u64).to_le_bytes());
        input.extend(array);
    }
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let mut rest = &output.stdout[..];
    arrays
        .iter()
        .map(|array| {
            let (part, after) = rest.split_at(array.len());
            rest = after;
            part.to_vec()
        })
        .collect()
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Numbers between layers, and of rows of `stored` the first `wanted`.
fn numbers(bytes: &[u8], precision: Precision, stored: usize, wanted: usize) -> Vec<f32> {
    let values: Vec<f32> = match precision {
        Precision::F32 => f32s(bytes),
        Precision::F16 => {
            bytes.chunks_exact(2).map(|b| f16::from_le_bytes(b.try_into().unwrap()).to_f32()).collect()
        }
        Precision::Bf16 => {
            bytes.chunks_exact(2).map(|b| bf16::from_le_bytes(b.try_into().unwrap()).to_f32()).collect()
        }
    };
    values.chunks_exact(stored).flat_map(|row| row[..wanted].to_vec()).collect()
}

/// A device with so much shared memory.
const fn machine(shared_bytes: usize, processors: usize) -> Machine {
    Machine { capability: 90, shared_bytes, processors }
}

/// One layer from zero state through `steps`, in two launches, so that states are carried; the cut so often relaxed.
fn sit(layer: Layer, precision: Precision, machine: Machine, (rows, steps, relaxed): (usize, usize, usize)) {
    let Layer { inputs, units } = layer;
    let spec = Spec { input: inputs, hidden: units, layers: 1, output: 1, head: Head::Linear };
    let model = Lstm::new(spec, 7).unwrap();
    let packed = packed::layers(model.weights()).remove(0);
    let x: Vec<f32> = (0..(steps * rows * inputs) as u64).map(|k| 4.0 * random::unit(5, k) - 2.0).collect();
    let folder = tempfile::tempdir().unwrap();
    let encode = |values: &[f32]| Precision::F32.encode(values);
    let (program, threads, columns, weights, stored) = match precision {
        Precision::F32 => {
            let cut = shape::single(layer, machine, rows).unwrap();
            let call = "lstm_layer((float*)p[0],(float4*)p[1],(float4*)p[2],(float4*)p[3],(float*)p[4],(float*)p[5],\
                        (float*)p[6],rows,steps)";
            let program = build(folder.path(), &source::single(layer, &cut, false), 7, call);
            let weights = vec![encode(&packed.weight_x), encode(&packed.weight_h), encode(&packed.bias)];
            (program, cut.lanes * cut.row_groups, cut.rows * cut.row_groups, weights, (inputs, units))
        }
        Precision::F16 | Precision::Bf16 => {
            let cut = shape::half(layer, machine, rows, precision).unwrap();
            let cut = (0..relaxed).fold(cut, |cut, _| cut.relaxed(layer, machine).unwrap());
            println!("{layer:?} {cut:?}");
            let call = "lstm_layer((half_bits*)p[0],(uint4*)p[1],(float*)p[2],(float*)p[3],(float*)p[4],\
                        (half_bits*)p[5],rows,steps)";
            let program = build(folder.path(), &source::half(layer, &cut, precision, false), 6, call);
            let weights = vec![fragments(layer, &packed, precision), encode(&bias(layer, &packed))];
            let stored = (layer.stored_inputs(), 8 * layer.groups());
            (program, 32 * cut.warps, cut.columns, weights, stored)
        }
    };
    let features = |from: usize, to: usize| {
        let rows = x[from * rows * inputs..to * rows * inputs].chunks_exact(inputs);
        let padded: Vec<f32> = rows
            .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, stored.0 - inputs)))
            .collect();
        precision.encode(&padded)
    };
    let mut state = vec![vec![0; 4 * rows * units]; 2];
    let mut sequence = Vec::new();
    for (from, to) in [(0, steps / 2), (steps / 2, steps)] {
        let mut arrays = vec![features(from, to)];
        arrays.extend(weights.clone());
        arrays.extend(state);
        arrays.push(precision.encode(&vec![0.0; (to - from) * rows * stored.1]));
        let sizes = [rows, to - from, rows.div_ceil(columns), threads];
        let mut after = run(&program, sizes, &arrays);
        sequence.extend(numbers(&after.pop().unwrap(), precision, stored.1, units));
        state = after.split_off(after.len() - 2);
    }
    let exact = Weights { spec, values: model.weights().values.iter().map(|&w| f64::from(w)).collect() };
    let (mut h, mut c, mut all) = (Vec::new(), Vec::new(), vec![0.0; steps * rows * units]);
    for row in 0..rows {
        let window: Vec<f64> = (0..steps)
            .flat_map(|t| &x[(t * rows + row) * inputs..][..inputs])
            .map(|&x| f64::from(x))
            .collect();
        let trace = forward::forward(&exact, &window);
        for (t, step) in trace.steps[0].iter().enumerate() {
            all[(t * rows + row) * units..][..units].copy_from_slice(&step.h);
        }
        let last = trace.steps[0].last().unwrap();
        h.extend(&last.h);
        c.extend(&last.c);
    }
    for (got, wanted) in [(f32s(&state[0]), h), (f32s(&state[1]), c), (sequence, all)] {
        let off = distance(&got, &wanted);
        assert!(off <= precision.tolerance(), "{layer:?}, {precision}, {rows} rows, {steps} steps: {off:e}");
    }
}

#[test]
fn layers_are_the_references() {
    require!(Cxx);
    let layer = |inputs, units| Layer { inputs, units };
    let large = machine(232_448, 1);
    for precision in Precision::ALL {
        // Padded inputs and units, one block that is not full.
        sit(layer(5, 12), precision, large, (5, 4, 0));
        // Several blocks, the last not full; weights in registers, shared memory and the caches.
        sit(layer(20, 33), precision, machine(24_000, 4), (100, 3, 4));
        // More groups of units than warps.
        sit(layer(8, 136), precision, large, (9, 2, 1));
    }
    sit(layer(3, 300), Precision::F32, large, (6, 2, 0));
}

#[test]
fn the_head_is_the_references() {
    require!(Cxx);
    let (units, outputs, rows) = (37, 3, 5);
    let values = |key, len: usize| (0..len as u64).map(|k| random::unit(key, k) - 0.5).collect::<Vec<f32>>();
    let (h, weight, bias) = (values(1, rows * units), values(2, outputs * units), values(3, outputs));
    let folder = tempfile::tempdir().unwrap();
    let call = "dense((float*)p[0],(float*)p[1],(float*)p[2],(float*)p[3],rows,0,0)";
    let program = build(folder.path(), &source::dense(units, outputs), 4, call);
    let arrays = [&h, &weight, &bias, &vec![0.0; rows * outputs]].map(|values| Precision::F32.encode(values));
    let got = f32s(&run(&program, [rows, 0, (rows * outputs).div_ceil(8), 256], &arrays)[3]);
    let mut wanted = Vec::new();
    for h in h.chunks_exact(units) {
        for (weight, &bias) in weight.chunks_exact(units).zip(&bias) {
            let products = h.iter().zip(weight).map(|(&h, &w)| f64::from(h) * f64::from(w));
            wanted.push(products.sum::<f64>() + f64::from(bias));
        }
    }
    assert!(distance(&got, &wanted) <= 1e-6);
}
