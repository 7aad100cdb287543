use diapason_tests::require;

use super::tick::{BUFFERS, Tick, contents, value, word};
use super::*;
use crate::cuda::engine::host::HostEngine;
use crate::cuda::shape::Machine;
use crate::gpu::exam::distance;
use crate::lstm::{Head, Spec};
use crate::op::network::{Weights, forward};
use crate::random;

/// The kernel takes the row that is there and leaves, over and over: the step, the words, the state between launches, the way
/// out. That it sees words that come while it looks is for a device to show.
fn sit(spec: Spec, precision: Precision, shared_bytes: usize, looks: u64) {
    let model = Lstm::new(spec, 3).unwrap();
    let machine = Machine { capability: 90, shared_bytes, processors: 4 };
    let mut kernels = Kernels::default();
    let (tick, cut) = Tick::new(&spec, machine, precision, &mut kernels).unwrap();
    let (row, out, stop) = (BUFFERS, BUFFERS + 1, BUFFERS + 2);
    let mut engine = HostEngine::new(&kernels, BUFFERS + 3);
    for (buffer, bytes) in contents(&model, precision) {
        engine.room(buffer, bytes.len());
        engine.write(buffer, &bytes);
    }
    engine.room(row, 8 * spec.input);
    engine.room(out, 8 * spec.output);
    engine.room(stop, 8);
    let steps = 5;
    let x: Vec<f32> = (0..(steps * spec.input) as u64).map(|k| 4.0 * random::unit(5, k) - 2.0).collect();
    let weights = model.weights().values.iter().map(|&w| f64::from(w)).collect();
    let weights = Weights { spec, values: weights };
    for (step, values) in x.chunks_exact(spec.input).enumerate() {
        let due = step as u32 + 1;
        let words: Vec<u8> = values.iter().flat_map(|&x| word(x, due).to_le_bytes()).collect();
        engine.write(row, &words);
        let all = |buffer| Argument::Buffer(buffer, 0);
        for launch in tick.launch([all(row), all(out), all(stop)], looks) {
            engine.launch(&launch);
        }
        let words = engine.read(out, 0, 8 * spec.output);
        let words = words.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        let mut got: Vec<f32> = words.map(|word| value(word, due).expect("the tick's own word")).collect();
        spec.head.apply_in_place(&mut got);
        let window: Vec<f64> = x[..(step + 1) * spec.input].iter().map(|&x| f64::from(x)).collect();
        let off = distance(&got, &forward::forward(&weights, &window).output);
        assert!(off <= precision.tolerance(), "{spec}, {precision}, {cut:?}, step {step}: {off:e}");
    }
}

#[test]
fn ticks_are_the_references() {
    require!(Cxx);
    let spec = |input, hidden, layers, output, head| Spec { input, hidden, layers, output, head };
    for precision in Precision::ALL {
        sit(spec(3, 20, 2, 1, Head::Linear), precision, 100_000, 0);
        // Units that fill no warp, weights that do not fit, a row wider than the block, several outputs.
        sit(spec(70, 5, 3, 3, Head::Softmax), precision, 4_000, 3);
    }
    sit(spec(8, 160, 1, 2, Head::Sigmoid), Precision::F32, 60_000, 1);
}

#[test]
fn a_word_is_of_its_tick() {
    assert_eq!(value(word(-1.5, 7), 7), Some(-1.5));
    assert_eq!(value(word(-1.5, 7), 8), None);
}
