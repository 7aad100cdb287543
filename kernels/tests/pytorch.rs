//! PyTorch in float64 as the judge: outputs, losses, every gradient, truncated ones,
//! every optimiser, and a model file read by PyTorch.
//!
//! "To 1e-10" and "to 1e-5" are norm-wise, tensor by tensor: `|ours - theirs| / |theirs|` in the Euclidean norm.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]
#![expect(clippy::print_stdout, reason = "the functions that tests share are tests too")]

use std::fmt::Write;
use std::path::Path;

use diapason_kernels::Isa;
use diapason_kernels::lstm::{
    CompileOptions, Head, Loss, Lstm, Optimizer, Precision, Spec, States, TrainOptions, Trainer, Weights,
};
use diapason_kernels::op::network::backward::backward;
use diapason_kernels::op::network::forward::forward;
use diapason_kernels::random;
use diapason_tests::{oracle, require};
use ndarray::{Array2, Array3, s};

struct Case {
    spec: Spec,
    loss: Loss,
    batch: usize,
    time: usize,
    weights: Vec<f32>,
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Case {
    fn new(sizes: [usize; 4], head: Head, loss: Loss, batch: usize, time: usize) -> Self {
        let [input, hidden, layers, output] = sizes;
        let spec = Spec { input, hidden, layers, output, head };
        let weights = Lstm::new(spec, 11).unwrap().weights().values.clone();
        let x = (0..(batch * time * input) as u64).map(|k| 4.0 * random::unit(1, k) - 2.0).collect();
        let mut y: Vec<f32> = (0..(batch * output) as u64).map(|k| random::unit(2, k)).collect();
        match loss {
            Loss::CrossEntropy => {
                for row in y.chunks_exact_mut(output) {
                    let sum: f32 = row.iter().sum();
                    row.iter_mut().for_each(|y| *y /= sum);
                }
            }
            Loss::BinaryCrossEntropy => {}
            // Far enough from the outputs for the Huber and absolute losses to be met on both their branches.
            _ => y.iter_mut().for_each(|y| *y = 3.0 * *y - 1.5),
        }
        Self { spec, loss, batch, time, weights, x, y }
    }

    fn json(&self, more: &str) -> String {
        let Spec { input, hidden, layers, output, .. } = self.spec;
        let head = serde_json::json!(self.spec.head);
        let loss = serde_json::json!(self.loss);
        let (batch, time) = (self.batch, self.time);
        format!(
            "{{\"input\":{input},\"hidden\":{hidden},\"layers\":{layers},\"output\":{output},\"head\":{head},\
             \"loss\":{loss},\"batch\":{batch},\"time\":{time}{more}}}"
        )
    }

    fn numbers(&self) -> impl Iterator<Item = f32> {
        self.weights.iter().chain(&self.x).chain(&self.y).copied()
    }

    fn windows(&self) -> Array3<f32> {
        Array3::from_shape_vec((self.batch, self.time, self.spec.input), self.x.clone()).unwrap()
    }

    fn targets(&self) -> Array2<f32> {
        Array2::from_shape_vec((self.batch, self.spec.output), self.y.clone()).unwrap()
    }

    fn model(&self) -> Lstm {
        Lstm::from_weights(Weights { spec: self.spec, values: self.weights.clone() }).unwrap()
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {:?}, batch {}, time {}", self.spec, self.loss, self.batch, self.time)
    }
}

fn cases() -> Vec<Case> {
    let huber = Loss::Huber { delta: 0.7 };
    vec![
        Case::new([1, 1, 1, 1], Head::Linear, Loss::Mse, 1, 1),
        Case::new([3, 5, 1, 2], Head::Linear, Loss::Mae, 7, 4),
        Case::new([4, 17, 2, 1], Head::Sigmoid, Loss::BinaryCrossEntropy, 5, 9),
        Case::new([12, 32, 1, 1], Head::Linear, huber, 65, 32),
        Case::new([5, 16, 3, 3], Head::Softmax, Loss::CrossEntropy, 33, 6),
        Case::new([9, 33, 3, 4], Head::Softmax, Loss::Mse, 17, 11),
        Case::new([2, 7, 2, 5], Head::Sigmoid, huber, 40, 3),
        Case::new([20, 64, 2, 1], Head::Linear, Loss::Mse, 32, 20),
        Case::new([16, 24, 1, 1], Head::Sigmoid, Loss::BinaryCrossEntropy, 2, 200),
        Case::new([7, 100, 1, 2], Head::Linear, Loss::Mae, 64, 5),
    ]
}

fn ask(arguments: &[&str], cases: &[(String, Vec<f32>)]) -> Vec<f64> {
    let mut input = String::from("[");
    for (index, (json, _)) in cases.iter().enumerate() {
        write!(input, "{}{json}", if index > 0 { "," } else { "" }).unwrap();
    }
    input.push_str("]\n");
    let mut input = input.into_bytes();
    input.extend(cases.iter().flat_map(|(_, numbers)| numbers).flat_map(|&x| f64::from(x).to_le_bytes()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/lstm.py");
    let output = oracle::ask(&script, arguments, &input);
    output.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn distance(ours: impl IntoIterator<Item = f64>, theirs: &[f64]) -> f64 {
    let mut count = 0;
    let off: f64 = ours.into_iter().zip(theirs).inspect(|_| count += 1).map(|(a, b)| (a - b).powi(2)).sum();
    assert_eq!(count, theirs.len());
    let size: f64 = theirs.iter().map(|b| b * b).sum();
    if off == 0.0 { 0.0 } else { (off / size).sqrt() }
}

/// The worst tensor of a flat gradient.
fn worst(spec: Spec, ours: &[f64], theirs: &[f64]) -> (f64, String) {
    let off = |t: diapason_kernels::op::network::Tensor| {
        (distance(ours[t.range.clone()].iter().copied(), &theirs[t.range.clone()]), t.name)
    };
    spec.tensors().into_iter().map(off).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

#[test]
fn outputs_and_every_gradient_are_pytorchs() {
    require!(Oracles);
    let cases = cases();
    let questions: Vec<_> = cases.iter().map(|case| (case.json(""), case.numbers().collect())).collect();
    let answers = ask(&["gradients"], &questions);
    let mut rest = answers.as_slice();
    for case in &cases {
        let mut take = |len: usize| {
            let (head, tail) = rest.split_at(len);
            rest = tail;
            head
        };
        let loss = take(1)[0];
        let outputs = take(case.y.len());
        let gradient = take(case.weights.len());
        let d_x = take(case.x.len());
        the_reference(case, loss, outputs, gradient, d_x);
        for isa in Isa::available() {
            the_kernels(case, isa, loss, outputs, gradient);
        }
        in_bf16(case, loss, gradient);
    }
    assert!(rest.is_empty());
}

/// The scalar reference in f64, to 1e-10.
fn the_reference(case: &Case, loss: f64, outputs: &[f64], gradient: &[f64], d_x: &[f64]) {
    let spec = case.spec;
    let weights = Weights { spec, values: wide(&case.weights) };
    let mut ours = Weights::zeros(spec);
    let divisor = case.loss.divisor(case.batch, spec.output) as f64;
    let (mut our_loss, mut our_outputs, mut our_d_x) = (0.0, Vec::new(), Vec::new());
    for (x, y) in case.x.chunks_exact(case.time * spec.input).zip(case.y.chunks_exact(spec.output)) {
        let (x, y) = (wide(x), wide(y));
        let trace = forward(&weights, &x);
        let mut d_logits = vec![0.0; spec.output];
        our_loss += case.loss.row(spec.head, &trace.logits, &trace.output, &y, 1.0 / divisor, &mut d_logits);
        our_d_x.extend(backward(&weights, &x, &trace, &d_logits, &mut ours));
        our_outputs.extend(trace.output);
    }
    assert!((our_loss / divisor - loss).abs() <= 1e-10 * loss.abs(), "{case}: {our_loss} {loss}");
    let off = distance(our_outputs, outputs);
    assert!(off <= 1e-10, "outputs of {case}: {off:e}");
    let (off, tensor) = worst(spec, &ours.values, gradient);
    assert!(off <= 1e-10, "gradient of {tensor} of {case}: {off:e}");
    let off = distance(our_d_x, d_x);
    assert!(off <= 1e-10, "gradient of the windows of {case}: {off:e}");
}

/// The kernels in f32, to 1e-5.
fn the_kernels(case: &Case, isa: Isa, loss: f64, outputs: &[f64], gradient: &[f64]) {
    let mut out = Array2::zeros((case.batch, case.spec.output));
    let mut executable = case
        .model()
        .compile(&CompileOptions { isa: Some(isa), threads: 2, ..CompileOptions::default() })
        .unwrap();
    executable.predict(case.windows().view(), out.view_mut()).unwrap();
    let off = distance(out.iter().map(|&x| f64::from(x)), outputs);
    assert!(off <= 1e-5, "outputs of {case} on {isa}: {off:e}");

    let options = TrainOptions { loss: case.loss, isa: Some(isa), threads: 2, ..TrainOptions::default() };
    let mut trainer = Trainer::new(case.model(), options).unwrap();
    let (windows, targets) = (case.windows(), case.targets());
    let evaluated = trainer.evaluate(windows.view(), targets.view()).unwrap();
    let (our_loss, ours) = trainer.gradients(windows.view(), targets.view()).unwrap();
    assert_eq!(our_loss, evaluated);
    assert!((our_loss - loss).abs() <= 1e-5 * loss.abs(), "{case} on {isa}: {our_loss} {loss}");
    let (off, tensor) = worst(case.spec, &wide(&ours.values), gradient);
    println!("{case} on {isa}: {tensor} {off:e}");
    assert!(off <= 1e-5, "gradient of {tensor} of {case} on {isa}: {off:e}");
}

/// The kernels in bf16, to 2e-2, and the loss to 1e-3. Rounding to 8 bits is a relative error of up to 2^-9 = 2e-3, and of a third of that in
/// the mean, in each factor of each product; the way from a weight to its gradient and back through time passes some ten
/// products, whose errors add up like a walk.
fn in_bf16(case: &Case, loss: f64, gradient: &[f64]) {
    let options =
        TrainOptions { loss: case.loss, precision: Precision::Bf16, threads: 2, ..TrainOptions::default() };
    let mut trainer = Trainer::new(case.model(), options).unwrap();
    let (our_loss, ours) = trainer.gradients(case.windows().view(), case.targets().view()).unwrap();
    let (off, tensor) = worst(case.spec, &wide(&ours.values), gradient);
    println!("{case} in bf16: loss {:e}, {tensor} {off:e}", (our_loss - loss).abs() / loss.abs());
    assert!((our_loss - loss).abs() <= 1e-3 * loss.abs(), "{case}: {our_loss} {loss}");
    assert!(off <= 2e-2, "gradient of {tensor} of {case}: {off:e}");
}

/// Every optimiser with and without decay and clip, after every step.
#[test]
fn every_optimiser_is_pytorchs_step_by_step() {
    require!(Oracles);
    let sgd = |momentum, dampening, nesterov| Optimizer::Sgd { momentum, dampening, nesterov };
    let optimizers = [
        (Optimizer::ADAM_W, 3e-3),
        (Optimizer::ADAM, 1e-2),
        (Optimizer::Adam { beta1: 0.7, beta2: 0.95, epsilon: 1e-4 }, 1e-3),
        (Optimizer::SGD, 0.5),
        (sgd(0.9, 0.0, false), 0.1),
        (sgd(0.8, 0.3, false), 2.0),
        (sgd(0.9, 0.0, true), 0.05),
    ];
    let steps = 25;
    let mut cases = Vec::new();
    for (optimizer, learning_rate) in optimizers {
        for (weight_decay, clip_norm) in [(0.0, None), (0.0, Some(0.1)), (0.05, Some(5.0)), (0.05, None)] {
            let case = Case::new([6, 20, 2, 2], Head::Linear, Loss::Mse, 30, 8);
            let options =
                TrainOptions { optimizer, learning_rate, weight_decay, clip_norm, ..TrainOptions::default() };
            cases.push((case, options));
        }
    }
    let question = |(case, options): &(Case, TrainOptions)| {
        let TrainOptions { optimizer, learning_rate, weight_decay, clip_norm, .. } = options;
        let (optimizer, clip) = (serde_json::json!(optimizer), serde_json::json!(clip_norm));
        let more = format!(
            ",\"steps\":{steps},\"rate\":{learning_rate},\"optimizer\":{optimizer},\
             \"weight_decay\":{weight_decay},\"clip_norm\":{clip}"
        );
        (case.json(&more), case.numbers().collect())
    };
    let answers = ask(&["descent"], &cases.iter().map(question).collect::<Vec<_>>());
    let mut rest = answers.as_slice();
    for (case, options) in cases {
        let mut trainer = Trainer::new(case.model(), options.clone()).unwrap();
        let (x, y) = (case.windows(), case.targets());
        // The way gone, not the place: the weights start equal, so their distance would flatter.
        let gone =
            |to: &[f64]| to.iter().zip(&case.weights).map(|(a, &b)| a - f64::from(b)).collect::<Vec<_>>();
        let mut worst = 0.0f64;
        for step in 0..steps {
            let (loss, tail) = rest.split_at(1);
            let (weights, tail) = tail.split_at(case.weights.len());
            rest = tail;
            let report = trainer.step(x.view(), y.view()).unwrap();
            let off = (report.loss - loss[0]).abs() / loss[0];
            assert!(off <= 1e-5, "step {step} of {options:?}: {} {}", report.loss, loss[0]);
            worst = worst.max(distance(gone(&wide(&trainer.model().weights().values)), &gone(weights)));
            assert!(worst <= 2e-4, "step {step} of {options:?}: {worst:e}");
        }
        println!("{:?}, decay {}: {worst:e}", options.optimizer, options.weight_decay);
    }
    assert!(rest.is_empty());
}

/// Segments of long series with their states carried on and detached, and windows whose early steps are.
#[test]
fn truncated_gradients_are_pytorchs_with_detach() {
    require!(Oracles);
    let grid = [
        ([3, 5, 1, 2], 7, 12, 3, None),
        ([4, 17, 2, 1], 33, 40, 4, None),
        ([4, 17, 2, 1], 33, 40, 1, Some(7)),
        ([5, 16, 3, 3], 9, 60, 2, Some(8)),
        ([20, 48, 2, 1], 65, 100, 5, Some(15)),
        ([2, 9, 3, 1], 3, 200, 2, Some(90)),
        ([6, 33, 1, 1], 1, 30, 3, Some(1)),
    ];
    let case = |(sizes, batch, time, segments, truncation): ([usize; 4], _, _, usize, Option<usize>)| {
        let mut case = Case::new(sizes, Head::Linear, Loss::Mse, batch, time);
        let one = case.y.clone();
        case.y =
            (0..segments).flat_map(|segment| one.iter().map(move |y| y * (1.0 + segment as f32))).collect();
        (case, segments, truncation)
    };
    let cases: Vec<_> = grid.into_iter().map(case).collect();
    let question = |(case, segments, truncation): &(Case, usize, Option<usize>)| {
        let more = format!(",\"segments\":{segments},\"truncation\":{}", serde_json::json!(truncation));
        (case.json(&more), case.numbers().collect())
    };
    let answers = ask(&["truncated"], &cases.iter().map(question).collect::<Vec<_>>());
    let mut rest = answers.as_slice();
    for (case, segments, truncation) in &cases {
        let mut take = |len: usize| {
            let (head, tail) = rest.split_at(len);
            rest = tail;
            head
        };
        let (x, steps) = (case.windows(), case.time / segments);
        let mut runs = Vec::new();
        for isa in Isa::available() {
            let options = TrainOptions {
                truncation: *truncation,
                isa: Some(isa),
                threads: 2,
                ..TrainOptions::default()
            };
            runs.push((
                isa,
                Trainer::new(case.model(), options).unwrap(),
                States::zeros(case.spec, case.batch),
            ));
        }
        for (segment, y) in case.y.chunks_exact(case.batch * case.spec.output).enumerate() {
            let (loss, gradient) = (take(1)[0], take(case.weights.len()));
            let part = x.slice(s![.., segment * steps..(segment + 1) * steps, ..]);
            let y = Array2::from_shape_vec((case.batch, case.spec.output), y.to_vec()).unwrap();
            for (isa, trainer, states) in &mut runs {
                let evaluated = trainer.evaluate_from(part, y.view(), &mut states.clone()).unwrap();
                let (our_loss, ours) = trainer.gradients_from(part, y.view(), states).unwrap();
                assert_eq!(our_loss, evaluated);
                assert!(
                    (our_loss - loss).abs() <= 1e-5 * loss,
                    "{case}, segment {segment}: {our_loss} {loss}"
                );
                let (off, tensor) = worst(case.spec, &wide(&ours.values), gradient);
                println!("{case}, {truncation:?}, segment {segment} on {isa}: {tensor} {off:e}");
                assert!(
                    off <= 1e-5,
                    "{tensor} of {case}, {truncation:?}, segment {segment} on {isa}: {off:e}"
                );
            }
        }
        let len = case.spec.layers * case.batch * case.spec.hidden;
        let (h, c) = (take(len), take(len));
        for (isa, _, states) in &runs {
            for (ours, theirs) in [(&states.h, h), (&states.c, c)] {
                let off = distance(ours.iter().map(|&x| f64::from(x)), theirs);
                assert!(off <= 1e-5, "states of {case} on {isa}: {off:e}");
            }
        }
    }
    assert!(rest.is_empty());
}

#[test]
fn a_saved_model_gives_pytorch_the_same_outputs() {
    require!(Oracles);
    let case = Case::new([5, 18, 2, 3], Head::Softmax, Loss::CrossEntropy, 9, 12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut model = case.model();
    model.metadata_mut().insert("features".to_owned(), "sma(20)".to_owned());
    model.save(&path).unwrap();
    let theirs = ask(&["model", path.to_str().unwrap()], &[(case.json(""), case.x.clone())]);
    let mut out = Array2::zeros((9, 3));
    let mut executable = Lstm::load(&path).unwrap().compile(&CompileOptions::default()).unwrap();
    executable.predict(case.windows().view(), out.view_mut()).unwrap();
    let off = distance(out.iter().map(|&x| f64::from(x)), &theirs);
    assert!(off <= 1e-6, "{off:e}");
}

#[test]
fn a_state_dict_that_pytorch_saved_is_read() {
    require!(Oracles);
    let case = Case::new([5, 18, 2, 3], Head::Linear, Loss::Mse, 9, 12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    let theirs = ask(&["state-dict", path.to_str().unwrap()], &[(case.json(""), case.x.clone())]);
    let model = Lstm::load(&path).unwrap();
    assert_eq!(model.spec(), case.spec);
    let mut out = Array2::zeros((9, 3));
    let mut executable = model.compile(&CompileOptions::default()).unwrap();
    executable.predict(case.windows().view(), out.view_mut()).unwrap();
    let off = distance(out.iter().map(|&x| f64::from(x)), &theirs);
    assert!(off <= 1e-6, "{off:e}");
    // Saved again it is a file of ours.
    model.save(&path).unwrap();
    assert_eq!(Lstm::load(&path).unwrap(), model);
}
