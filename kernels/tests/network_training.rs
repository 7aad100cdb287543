//! Training of networks that are not plain: PyTorch in float64 as the judge, the same bits on any thread count and
//! instruction set, resumed or not, and what is refused.
//!
//! "Apart" is norm-wise, tensor by tensor: `|ours - theirs| / |theirs|` in the Euclidean norm.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use std::ops::Range;
use std::path::Path;

use diapason_kernels::lstm::{
    CompileOptions, Loss, Lstm, Network, NetworkTrainer, Optimizer, Precision, Spec, TrainOptions, Trainer,
};
use diapason_kernels::op::lstm_function::Function;
use diapason_kernels::op::lstm_layer::{LstmLayer, State};
use diapason_kernels::op::lstm_stack::{Dense, Head, Layer, Read, Stack, What};
use diapason_kernels::{Isa, random};
use diapason_tests::{oracle, require};
use ndarray::{Array2, Array3, ArrayView2};

/// Numbers in ±1/2, new ones at every call.
struct Numbers(u64);

impl Numbers {
    fn take(&mut self, len: usize) -> Vec<f32> {
        self.0 += 1;
        (0..len as u64).map(|index| random::unit(self.0, index) - 0.5).collect()
    }
}

#[derive(Clone, Copy)]
struct Form {
    hidden: usize,
    projection: Option<usize>,
    directions: usize,
    reverse: bool,
    biased: bool,
}

const ONE: Form = Form { hidden: 5, projection: None, directions: 1, reverse: false, biased: true };
const BOTH: Form = Form { directions: 2, ..ONE };

fn lstm(numbers: &mut Numbers, input: usize, form: Form) -> Layer<f32> {
    let mut lstm = LstmLayer::zeros(input, form.hidden, form.projection, form.directions);
    for pass in &mut lstm.passes {
        pass.reverse |= form.reverse;
        pass.weight_ih = numbers.take(pass.weight_ih.len());
        pass.weight_hh = numbers.take(pass.weight_hh.len());
        pass.weight_hr = pass.weight_hr.as_ref().map(|weight| numbers.take(weight.len()));
        pass.bias = form.biased.then(|| [numbers.take(4 * form.hidden), numbers.take(4 * form.hidden)]);
    }
    Layer::Lstm(lstm)
}

fn dense(numbers: &mut Numbers, input: usize, output: usize, biased: bool) -> Layer<f32> {
    let (weight, bias) = (numbers.take(input * output), biased.then(|| numbers.take(output)));
    Layer::Dense(Dense { input, output, weight, bias })
}

fn head(name: &str, read: Vec<(usize, What, Range<usize>)>, layers: Vec<Layer<f32>>) -> Head<f32> {
    let read = read.into_iter().map(|(layer, what, features)| Read { layer, what, features }).collect();
    Head { name: name.to_owned(), read, layers }
}

/// LSTM layers one after the other, and a dense layer on the last's hidden states.
fn layers(input: usize, forms: &[Form], output: usize, end: Option<Layer<f32>>) -> Stack<f32> {
    let n = &mut Numbers(forms.len() as u64 * 1000 + input as u64);
    let (mut width, mut layers) = (input, Vec::new());
    for &form in forms {
        layers.push(lstm(n, width, form));
        width = form.directions * form.projection.unwrap_or(form.hidden);
    }
    let mut own = vec![dense(n, width, output, true)];
    own.extend(end);
    let read = vec![(layers.len() - 1, What::Hidden, 0..width)];
    Stack { input, layers, heads: vec![head("y", read, own)] }
}

/// Everything at once.
fn all_at_once(function: Function) -> Stack<f32> {
    let n = &mut Numbers(77);
    let layers = vec![
        dense(n, 6, 7, true),
        Layer::Each(function),
        lstm(n, 7, Form { projection: Some(3), hidden: 18, ..BOTH }),
        lstm(n, 6, Form { reverse: true, biased: false, ..ONE }),
        dense(n, 5, 4, false),
        Layer::Softmax,
        lstm(n, 4, Form { hidden: 17, ..BOTH }),
    ];
    let heads = vec![
        head("last", vec![(6, What::Step(-1), 0..34)], vec![dense(n, 34, 2, true), Layer::Each(function)]),
        head(
            "states",
            vec![
                (2, What::Hidden, 1..5),
                (6, What::Cell, 3..30),
                (3, What::Cell, 0..5),
                (1, What::Step(0), 2..4),
            ],
            vec![dense(n, 38, 9, false), Layer::Each(function), dense(n, 9, 3, true), Layer::Softmax],
        ),
        head(
            "steps",
            vec![(6, What::Sequence, 0..34), (2, What::Sequence, 2..3)],
            vec![dense(n, 35, 2, true), Layer::Each(Function::Sigmoid)],
        ),
        head("raw", vec![(3, What::Hidden, 0..5)], vec![]),
    ];
    Stack { input: 6, layers, heads }
}

struct Case {
    stack: Stack<f32>,
    losses: Vec<Loss>,
    batch: usize,
    time: usize,
}

impl Case {
    fn network(&self) -> Network {
        Network::new(self.stack.clone()).unwrap()
    }

    fn windows(&self) -> Array3<f32> {
        let mut index = 0;
        Array3::from_shape_simple_fn((self.batch, self.time, self.stack.input), || {
            index += 1;
            4.0 * random::unit(1, index) - 2.0
        })
    }

    fn targets(&self) -> Vec<Array2<f32>> {
        let one = |(head, loss): (&Head<f32>, &Loss)| {
            let width = head.output();
            let steps = if head.is_sequence() { self.time } else { 1 };
            let mut index = 0;
            let mut y = Array2::from_shape_simple_fn((self.batch * steps, width), || {
                index += 1;
                random::unit(2, index)
            });
            for mut row in y.outer_iter_mut() {
                match loss {
                    Loss::CrossEntropy => {
                        let sum = row.sum();
                        row /= sum;
                    }
                    Loss::BinaryCrossEntropy => {}
                    _ => row.mapv_inplace(|y| 3.0 * y - 1.5),
                }
            }
            y.into_shape_with_order((self.batch, steps * width)).unwrap()
        };
        self.stack.heads.iter().zip(&self.losses).map(one).collect()
    }

    fn trainer(&self, options: TrainOptions) -> NetworkTrainer {
        NetworkTrainer::new(self.network(), options, &self.losses).unwrap()
    }

    /// What the script is to know: the form, with what has a bias.
    fn question(&self) -> (serde_json::Value, Vec<f32>) {
        let mut form = serde_json::json!(self.stack);
        let mark = |json: &mut serde_json::Value, layers: &[Layer<f32>]| {
            for (json, layer) in json.as_array_mut().unwrap().iter_mut().zip(layers) {
                match layer {
                    Layer::Lstm(lstm) => json["lstm"]["biased"] = lstm.passes[0].bias.is_some().into(),
                    Layer::Dense(dense) => json["dense"]["biased"] = dense.bias.is_some().into(),
                    _ => {}
                }
            }
        };
        mark(&mut form["layers"], &self.stack.layers);
        for (place, head) in self.stack.heads.iter().enumerate() {
            mark(&mut form["heads"][place]["layers"], &head.layers);
        }
        let case = serde_json::json!({
            "stack": form, "losses": self.losses, "batch": self.batch, "time": self.time,
        });
        let mut numbers: Vec<f32> =
            self.stack.tensors().iter().flat_map(|part| part.values.to_vec()).collect();
        numbers.extend(&self.windows());
        self.targets().iter().for_each(|y| numbers.extend(y));
        (case, numbers)
    }
}

fn views(y: &[Array2<f32>]) -> Vec<ArrayView2<'_, f32>> {
    y.iter().map(|y| y.view()).collect()
}

fn everything(function: Function, batch: usize, time: usize) -> Case {
    let losses = vec![Loss::Huber { delta: 0.7 }, Loss::CrossEntropy, Loss::BinaryCrossEntropy, Loss::Mae];
    Case { stack: all_at_once(function), losses, batch, time }
}

/// One to three layers, both directions, odd sizes, projections, one to 65 series of one to 200 steps.
fn grid() -> Vec<Case> {
    let sigmoid = || Some(Layer::Each(Function::Sigmoid));
    let one = |stack, loss, batch, time| Case { stack, losses: vec![loss], batch, time };
    let mut cases = vec![
        one(layers(1, &[Form { hidden: 1, ..BOTH }], 1, None), Loss::Mse, 1, 1),
        one(layers(3, &[BOTH], 2, None), Loss::Mae, 7, 4),
        one(
            layers(4, &[Form { hidden: 17, ..BOTH }, Form { hidden: 9, ..BOTH }], 1, sigmoid()),
            Loss::BinaryCrossEntropy,
            65,
            9,
        ),
        one(layers(12, &[Form { hidden: 33, ..ONE }, Form { hidden: 7, ..ONE }], 1, None), Loss::Mse, 33, 20),
        one(
            layers(5, &[Form { hidden: 31, projection: Some(5), ..ONE }], 3, Some(Layer::Softmax)),
            Loss::CrossEntropy,
            9,
            30,
        ),
        one(
            layers(
                9,
                &[Form { hidden: 20, projection: Some(19), ..BOTH }, BOTH, Form { hidden: 3, ..ONE }],
                4,
                None,
            ),
            Loss::Huber { delta: 0.5 },
            17,
            11,
        ),
        one(layers(2, &[Form { biased: false, reverse: true, ..ONE }; 3], 5, sigmoid()), Loss::Mse, 40, 3),
        one(layers(6, &[Form { hidden: 24, ..BOTH }], 1, None), Loss::Mse, 3, 200),
        one(
            layers(
                16,
                &[Form { hidden: 64, ..BOTH }, Form { hidden: 16, projection: Some(2), ..BOTH }],
                2,
                None,
            ),
            Loss::Mse,
            64,
            8,
        ),
        everything(Function::Tanh, 37, 6),
    ];
    for function in [
        Function::LeakyRelu { alpha: 0.25 },
        Function::Elu { alpha: 0.5 },
        Function::Softsign,
        Function::Softplus,
        Function::HardSigmoid { alpha: 0.25, beta: 0.5 },
        Function::ScaledTanh { alpha: 1.5, beta: 0.75 },
        Function::Affine { alpha: 0.5, beta: -0.25 },
        Function::Relu,
        Function::ThresholdedRelu { alpha: 0.125 },
        Function::Sigmoid,
    ] {
        let mut case = everything(function, 5, 3);
        if function == Function::Sigmoid {
            case.losses[0] = Loss::BinaryCrossEntropy;
        }
        cases.push(case);
    }
    cases
}

fn distance(ours: &[f32], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let off: f64 = ours.iter().zip(theirs).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum();
    let size: f64 = theirs.iter().map(|b| b * b).sum();
    if off == 0.0 { 0.0 } else { (off / size).sqrt() }
}

#[test]
fn every_gradient_is_pytorchs() {
    require!(Oracles);
    let cases = grid();
    let (questions, numbers): (Vec<_>, Vec<_>) = cases.iter().map(Case::question).unzip();
    let mut input = serde_json::to_vec(&questions).unwrap();
    input.push(b'\n');
    input.extend(numbers.iter().flatten().flat_map(|&x| f64::from(x).to_le_bytes()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/network.py");
    let answer = oracle::ask(&script, &[], &input);
    let answer: Vec<f64> =
        answer.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    let mut rest = answer.as_slice();
    for (place, case) in cases.iter().enumerate() {
        let (loss, tail) = rest.split_at(1);
        let (wanted, tail) = tail.split_at(case.stack.parameters());
        rest = tail;
        let mut bits = None;
        for (isa, threads) in Isa::available().flat_map(|isa| [(isa, 1), (isa, 3)]) {
            let mut trainer =
                case.trainer(TrainOptions { isa: Some(isa), threads, ..TrainOptions::default() });
            let (x, y) = (case.windows(), case.targets());
            let evaluated = trainer.evaluate(x.view(), &views(&y)).unwrap();
            let tensors = trainer.tensors().to_vec();
            let (our_loss, ours) = trainer.gradients(x.view(), &views(&y)).unwrap();
            assert_eq!(our_loss, evaluated);
            let found = (our_loss.to_bits(), ours.iter().map(|g| g.to_bits()).collect::<Vec<_>>());
            if let Some(bits) = &bits {
                assert!(&found == bits, "case {place} on {isa}, {threads} threads has other bits");
                continue;
            }
            bits = Some(found);
            assert!(
                (our_loss - loss[0]).abs() <= 1e-5 * loss[0].abs(),
                "case {place}: {our_loss} {}",
                loss[0]
            );
            let mut worst = (0.0, "");
            for tensor in &tensors {
                let off = distance(&ours[tensor.range.clone()], &wanted[tensor.range.clone()]);
                assert!(off <= 2e-5, "{} of case {place} is {off:e} apart", tensor.name);
                worst = if off > worst.0 { (off, &tensor.name) } else { worst };
            }
            println!("case {place}: {} {:e}", worst.1, worst.0);
        }
    }
    assert!(rest.is_empty());
}

/// Adds `t` times the gradient to every weight, in the order of the tensors.
fn moved(stack: &Stack<f32>, gradient: &[f32], t: f64) -> Stack<f64> {
    let mut stack: Stack<f64> = stack.convert();
    let mut rest = gradient.iter();
    let mut add =
        |values: &mut Vec<f64>| values.iter_mut().zip(&mut rest).for_each(|(w, &g)| *w += t * f64::from(g));
    let heads = stack.heads.iter_mut().flat_map(|head| &mut head.layers);
    for layer in stack.layers.iter_mut().chain(heads) {
        match layer {
            Layer::Lstm(lstm) => {
                for pass in &mut lstm.passes {
                    add(&mut pass.weight_ih);
                    add(&mut pass.weight_hh);
                    pass.bias.iter_mut().flatten().for_each(&mut add);
                    pass.weight_hr.iter_mut().for_each(&mut add);
                }
            }
            Layer::Dense(dense) => {
                add(&mut dense.weight);
                dense.bias.iter_mut().for_each(&mut add);
            }
            _ => {}
        }
    }
    stack
}

/// The loss by the reference in f64.
fn exact(case: &Case, stack: &Stack<f64>) -> f64 {
    let mut total = 0.0;
    for (row, x) in case.windows().outer_iter().enumerate() {
        let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        let run = stack.forward(&x, case.time, None);
        for (((head, output), loss), y) in
            stack.heads.iter().zip(&run.heads).zip(&case.losses).zip(&case.targets())
        {
            let width = head.output();
            let divisor = loss.divisor(case.batch * output.len() / width, width) as f64;
            for (output, y) in output.chunks_exact(width).zip(y.row(row).to_vec().chunks_exact(width)) {
                let y: Vec<f64> = y.iter().map(|&y| f64::from(y)).collect();
                // The cross-entropies take logits; these have the same sigmoid and softmax.
                let logits: Vec<f64> = match loss {
                    Loss::BinaryCrossEntropy => output.iter().map(|p| (p / (1.0 - p)).ln()).collect(),
                    Loss::CrossEntropy => output.iter().map(|p| p.ln()).collect(),
                    _ => output.to_vec(),
                };
                let linear = diapason_kernels::lstm::Head::Linear;
                total += loss.row(linear, &logits, output, &y, 1.0, &mut vec![0.0; width]) / divisor;
            }
        }
    }
    total
}

/// Differences of the loss along the gradient, where no function has a corner.
#[test]
fn the_gradient_is_the_slope_of_the_references_loss() {
    let mut cases = [
        everything(Function::Tanh, 4, 5),
        everything(Function::Softplus, 3, 2),
        Case {
            stack: layers(6, &[Form { hidden: 24, ..BOTH }], 1, None),
            losses: vec![Loss::Mse],
            batch: 2,
            time: 40,
        },
    ];
    cases
        .iter_mut()
        .flat_map(|case| &mut case.losses)
        .filter(|loss| **loss == Loss::Mae)
        .for_each(|loss| *loss = Loss::Mse);
    for (place, case) in cases.iter().enumerate() {
        let mut trainer = case.trainer(TrainOptions { threads: 2, ..TrainOptions::default() });
        let y = case.targets();
        let (loss, gradient) = trainer.gradients(case.windows().view(), &views(&y)).unwrap();
        let square: f64 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum();
        let at = |t: f64| exact(case, &moved(&case.stack, gradient, t));
        assert!((at(0.0) / loss - 1.0).abs() < 1e-5, "case {place}: {loss} {}", at(0.0));
        let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
        assert!((slope / square - 1.0).abs() < 1e-5, "case {place}: {slope} {square}");
    }
}

fn plain() -> (Spec, Lstm) {
    let head = diapason_kernels::lstm::Head::Linear;
    let spec = Spec { input: 5, hidden: 20, layers: 3, output: 2, head };
    (spec, Lstm::new(spec, 3).unwrap())
}

/// A plain model by both trainers, with the same dropout; their sums are in another order.
#[test]
fn a_plain_model_has_the_gradient_that_its_own_trainer_gives() {
    let (spec, model) = plain();
    let case =
        Case { stack: Network::from(&model).stack().clone(), losses: vec![Loss::Mse], batch: 41, time: 7 };
    let (x, y) = (case.windows(), case.targets());
    for dropout in [0.0, 0.4] {
        let options = TrainOptions { dropout, seed: 8, ..TrainOptions::default() };
        let mut own = Trainer::new(model.clone(), options.clone()).unwrap();
        let mut any = case.trainer(options);
        let (loss, gradient) = own.gradients(x.view(), y[0].view()).unwrap();
        let (any_loss, any_gradient) = any.gradients(x.view(), &views(&y)).unwrap();
        assert!((loss / any_loss - 1.0).abs() < 1e-6, "{loss} {any_loss}");
        for tensor in spec.tensors() {
            let wanted: Vec<f64> = gradient.values[tensor.range.clone()].iter().map(|&g| g.into()).collect();
            let off = distance(&any_gradient[tensor.range.clone()], &wanted);
            assert!(off < 1e-5, "{} {off:e}", tensor.name);
        }
    }
}

fn bits(network: &Network) -> Vec<u32> {
    network.stack().tensors().iter().flat_map(|part| part.values).map(|w| w.to_bits()).collect()
}

fn train(trainer: &mut NetworkTrainer, case: &Case, steps: usize) -> Vec<u64> {
    let (x, y) = (case.windows(), case.targets());
    let step = |_| {
        let report = trainer.step(x.view(), &views(&y)).unwrap();
        [report.loss.to_bits(), report.grad_norm.to_bits()]
    };
    (0..steps).flat_map(step).collect()
}

#[test]
fn any_thread_count_and_instruction_set_and_a_resumed_training_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let mut case = everything(Function::Tanh, 90, 5);
    // Dropout lies between LSTM layers that follow each other.
    let above = lstm(&mut Numbers(5), 34, BOTH);
    case.stack.layers.push(above);
    case.stack.heads[0].read.push(Read { layer: 7, what: What::Hidden, features: 0..10 });
    case.stack.heads[0].layers[0] = dense(&mut Numbers(6), 44, 2, true);
    for optimizer in [Optimizer::ADAM_W, Optimizer::SGD] {
        let options = TrainOptions {
            optimizer,
            learning_rate: 1e-2,
            dropout: 0.3,
            weight_decay: 1e-3,
            clip_norm: Some(2.0),
            ..TrainOptions::default()
        };
        let mut whole = case.trainer(TrainOptions { threads: 1, isa: Some(Isa::Scalar), ..options.clone() });
        let reports = train(&mut whole, &case, 4);
        for (isa, threads) in Isa::available().flat_map(|isa| [(isa, 1), (isa, 2), (isa, 3)]) {
            let mut other = case.trainer(TrainOptions { threads, isa: Some(isa), ..options.clone() });
            assert_eq!(train(&mut other, &case, 4), reports, "{isa}, {threads} threads");
            assert_eq!(bits(other.network()), bits(whole.network()), "{isa}, {threads} threads");
        }
        whole.save(&path).unwrap();
        let mut resumed = NetworkTrainer::resume(&path, 2, None).unwrap();
        assert_eq!((resumed.steps(), resumed.losses()), (4, case.losses.as_slice()));
        assert_eq!(train(&mut resumed, &case, 3), train(&mut whole, &case, 3));
        assert_eq!(bits(resumed.network()), bits(whole.network()));
    }
    let bytes = std::fs::read(&path).unwrap();
    for len in (0..bytes.len()).step_by(1009) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let message = NetworkTrainer::resume(&path, 1, None).unwrap_err().to_string();
        assert!(message.contains("checkpoint.safetensors"), "{len}: {message}");
    }
    // The checkpoint of one kind of training is not one of the other.
    let (_, model) = plain();
    Trainer::new(model.clone(), TrainOptions::default()).unwrap().save(&path).unwrap();
    let message = NetworkTrainer::resume(&path, 1, None).unwrap_err().to_string();
    assert!(message.contains("is the checkpoint of a Trainer, which is for plain models"), "{message}");
    case.trainer(TrainOptions::default()).save(&path).unwrap();
    let message = Trainer::resume(&path, 1, None).unwrap_err().to_string();
    assert!(message.contains("is the checkpoint of a NetworkTrainer"), "{message}");
    model.save(&path).unwrap();
    let message = NetworkTrainer::resume(&path, 1, None).unwrap_err().to_string();
    assert!(message.contains("is a model, not a checkpoint"), "{message}");
}

#[test]
fn it_learns_and_what_it_learnt_is_what_runs() {
    let form = Form { hidden: 16, projection: Some(6), ..BOTH };
    let case = Case {
        stack: layers(4, &[form, Form { hidden: 9, ..ONE }], 1, None),
        losses: vec![Loss::Mse],
        batch: 64,
        time: 6,
    };
    let x = case.windows();
    let y = Array2::from_shape_fn((64, 1), |(row, _)| x[[row, 0, 1]] - x[[row, 5, 2]]);
    for (optimizer, learning_rate) in
        [(Optimizer::ADAM, 1e-2), (Optimizer::Sgd { momentum: 0.9, dampening: 0.0, nesterov: true }, 0.1)]
    {
        let mut trainer = case.trainer(TrainOptions { optimizer, learning_rate, ..TrainOptions::default() });
        let before = trainer.evaluate(x.view(), &[y.view()]).unwrap();
        for _ in 0..150 {
            trainer.step(x.view(), &[y.view()]).unwrap();
        }
        let after = trainer.evaluate(x.view(), &[y.view()]).unwrap();
        assert!(after < 0.1 * before, "{optimizer:?}: {before} to {after}");
        let mut out = Array2::zeros((64, 1));
        let network = trainer.into_network();
        network.compile(&CompileOptions::default()).unwrap().predict(x.view(), out.view_mut()).unwrap();
        let loss = (&out - &y).mapv(|d| f64::from(d) * f64::from(d)).mean().unwrap();
        assert!((loss / after - 1.0).abs() < 1e-3, "{loss} {after}");
    }
}

#[test]
fn what_cannot_be_trained_is_named() {
    let case = everything(Function::Tanh, 5, 3);
    let refused = |options: TrainOptions, change: &dyn Fn(&mut Stack<f32>), losses: &[Loss]| {
        let mut stack = case.stack.clone();
        change(&mut stack);
        NetworkTrainer::new(Network::new(stack).unwrap(), options, losses).unwrap_err().to_string()
    };
    let plain = TrainOptions::default;
    let change = |change: fn(&mut LstmLayer<f32>)| {
        refused(
            plain(),
            &move |stack| match &mut stack.layers[3] {
                Layer::Lstm(lstm) => change(lstm),
                _ => panic!("layer 3 is an LSTM"),
            },
            &case.losses,
        )
    };
    let odd = "layer 3 cannot be trained, since it has other functions than sigmoid and tanh, peepholes, a clip or coupled gates";
    assert_eq!(change(|lstm| lstm.clip = Some(1.0)), odd);
    assert_eq!(change(|lstm| lstm.input_forget = true), odd);
    assert_eq!(change(|lstm| lstm.passes[0].peepholes = Some(vec![0.0; 15])), odd);
    assert_eq!(change(|lstm| lstm.passes[0].functions[1] = Function::Relu), odd);
    assert_eq!(
        change(|lstm| lstm.passes[0].initial = Some(State { h: vec![0.0; 5], c: vec![0.0; 5] })),
        "layer 3 cannot be trained, since it has an initial state"
    );
    let same = |_: &mut Stack<f32>| {};
    let bf16 = TrainOptions { precision: Precision::Bf16, ..plain() };
    assert!(refused(bf16, &same, &case.losses).starts_with("the precision bf16 is for plain models only"));
    let truncated = TrainOptions { truncation: Some(3), ..plain() };
    assert!(refused(truncated, &same, &case.losses).starts_with("truncation is for plain models only"));
    assert_eq!(refused(plain(), &same, &[Loss::Mse]), "1 losses were given for 4 heads; give one for each");
    let losses = [Loss::CrossEntropy; 4];
    assert_eq!(refused(plain(), &same, &losses), "the loss CrossEntropy does not fit a Linear head");

    let mut trainer = case.trainer(plain());
    let (mut x, mut y) = (case.windows(), case.targets());
    let before = bits(trainer.network());
    let mut message =
        |x: &Array3<f32>, y: &[Array2<f32>]| trainer.step(x.view(), &views(y)).unwrap_err().to_string();
    assert_eq!(message(&x, &y[1..]), "3 arrays of targets were given for 4 heads; give one for each");
    assert_eq!(
        message(&x, &[y[0].clone(), y[1].clone(), y[0].clone(), y[3].clone()]),
        "the targets of head \"steps\" have shape [5, 2], not [5, 6]"
    );
    assert_eq!(
        message(&Array3::zeros((5, 3, 7)), &y),
        "windows [5, 3, 7] do not fit [batch, time, 6], batch and time at least 1"
    );
    y[2][[4, 5]] = f32::INFINITY;
    assert_eq!(message(&x, &y), "target 5 of window 4 is inf");
    x[[4, 1, 2]] = f32::NAN;
    assert_eq!(message(&x, &y), "window 4, time 1, feature 2 is NaN");
    let (x, mut y) = (case.windows(), case.targets());
    y[0].fill(1e38);
    y[3].fill(3e38);
    let far = message(&x, &y);
    assert!(far.contains("in step 0"), "{far}");
    assert_eq!(bits(trainer.network()), before);
}
