//! Networks of any form against outside judges: the onnx package's node tests, onnxruntime and PyTorch.
//!
//! "Apart" is norm-wise over a whole output: `|ours - theirs| / |theirs|` in the Euclidean norm.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]
#![expect(clippy::print_stdout, reason = "the functions that tests share are tests too")]

use std::ops::Range;
use std::path::{Path, PathBuf};

use diapason_kernels::lstm::Head::Softmax;
use diapason_kernels::lstm::network::{Inputs, StateDict};
use diapason_kernels::lstm::onnx::{self, Given};
use diapason_kernels::lstm::{CompileOptions, Lstm, Network, NetworkError, Precision, Spec, StreamOptions};
use diapason_kernels::op::lstm_function::Function;
use diapason_kernels::op::lstm_layer::{LstmLayer, State};
use diapason_kernels::op::lstm_stack::{Dense, Head, Layer, Read, Run, Stack, What};
use diapason_kernels::{Isa, random};
use diapason_tests::{need, oracle, require};
use ndarray::{Array2, Array3, s};
use serde_json::Value;

/// A model file with the answers of a judge.
struct Case {
    name: String,
    path: PathBuf,
    x: Array3<f32>,
    given: Given,
    lengths: Vec<usize>,
    /// `[batch, values]` twice, of all layers side by side.
    states: Vec<(usize, Vec<f64>)>,
    outputs: Vec<Vec<f64>>,
    verdicts: Value,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/onnx_models.py")
}

/// Asks the script; the folder holds the files while it lives.
fn cases(command: &str, folder: &Path) -> Vec<Case> {
    let answer = oracle::ask(&script(), &[command, folder.to_str().unwrap()], b"");
    read(&answer)
}

fn read(answer: &[u8]) -> Vec<Case> {
    let end = answer.iter().position(|&byte| byte == b'\n').unwrap();
    let header: Vec<Value> = serde_json::from_slice(&answer[..end]).unwrap();
    let mut numbers = answer[end + 1..].chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
    let mut take = |shape: &Value| -> (Vec<usize>, Vec<f64>) {
        let shape: Vec<usize> = serde_json::from_value(shape.clone()).unwrap();
        let count = shape.iter().product();
        let values: Vec<f64> = numbers.by_ref().take(count).collect();
        assert_eq!(values.len(), count);
        (shape, values)
    };
    let narrow = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect::<Vec<_>>();
    let one = |case: Value| {
        let (x_shape, x) = if case["x"].is_array() { take(&case["x"]) } else { (vec![0, 0, 0], vec![]) };
        let given = case["given"].as_array().into_iter().flatten();
        let given = given.map(|entry| {
            let (shape, values) = take(&entry[1]);
            (entry[0].as_str().unwrap().to_owned(), (shape, narrow(values)))
        });
        let given = given.collect();
        let lengths = case["lengths"].as_array().into_iter().flatten().map(|n| n.as_u64().unwrap() as usize);
        let lengths = lengths.collect();
        let states = case["states"].as_array().into_iter().flatten().map(|shape| {
            let (shape, values) = take(shape);
            (shape[1], values)
        });
        let states = states.collect();
        let outputs = case["outputs"].as_array().unwrap().iter().map(|shape| take(shape).1).collect();
        Case {
            name: case["name"].as_str().unwrap().to_owned(),
            path: case["path"].as_str().unwrap_or_default().into(),
            x: Array3::from_shape_vec((x_shape[0], x_shape[1], x_shape[2]), narrow(x)).unwrap(),
            given,
            lengths,
            states,
            outputs,
            verdicts: case["verdicts"].clone(),
        }
    };
    header.into_iter().map(one).collect()
}

impl Case {
    /// The states of each series, cut into those of each layer.
    fn states(&self, stack: &Stack<f32>) -> Option<Vec<Vec<State<f32>>>> {
        let [(h_width, h), (c_width, c)] = &self.states[..] else { return None };
        let series = |row: usize| {
            let (mut h, mut c) = (h[row * h_width..].iter(), c[row * c_width..].iter());
            let take = |from: &mut std::slice::Iter<f64>, count: usize| {
                from.by_ref().take(count).map(|&x| x as f32).collect::<Vec<f32>>()
            };
            let state = |lstm: &LstmLayer<f32>| State {
                h: take(&mut h, lstm.output()),
                c: take(&mut c, lstm.passes.len() * lstm.hidden),
            };
            stack.lstms().map(state).collect()
        };
        Some((0..self.x.dim().0).map(series).collect())
    }

    /// The reference in f64.
    fn exact(&self, network: &Network) -> Vec<Run<f64>> {
        let stack = network.stack().convert::<f64>();
        let states = self.states(network.stack());
        let wide = |values: &Vec<f32>| values.iter().map(|&x| f64::from(x)).collect();
        let series = |(row, x): (usize, ndarray::ArrayView2<f32>)| {
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let state = |State { h, c }: &State<f32>| State { h: wide(h), c: wide(c) };
            let states = states.as_ref().map(|s| s[row].iter().map(state).collect::<Vec<_>>());
            let length = self.lengths.get(row).copied().unwrap_or(self.x.dim().1);
            stack.forward(&x, length, states.as_deref())
        };
        self.x.outer_iter().enumerate().map(series).collect()
    }

    fn run(&self, network: &Network) -> Vec<Run<f32>> {
        let executable =
            network.compile(&CompileOptions { threads: 2, ..CompileOptions::default() }).unwrap();
        let states = self.states(network.stack());
        let lengths = (!self.lengths.is_empty()).then_some(self.lengths.as_slice());
        executable.run(self.x.view(), Inputs { lengths, states: states.as_deref() }).unwrap()
    }

    /// How far each output is from the judge's.
    fn apart(&self, runs: &[Run<f32>]) -> f64 {
        let one = |(head, wanted): (usize, &Vec<f64>)| {
            distance(runs.iter().flat_map(|run| run.heads[head].iter().map(|&x| f64::from(x))), wanted)
        };
        self.outputs.iter().enumerate().map(one).fold(0.0, f64::max)
    }
}

fn distance(ours: impl Iterator<Item = f64>, theirs: &[f64]) -> f64 {
    let mut count = 0;
    let off: f64 = ours.zip(theirs).inspect(|_| count += 1).map(|(a, b)| (a - b).powi(2)).sum();
    assert_eq!(count, theirs.len());
    let size: f64 = theirs.iter().map(|b| b * b).sum();
    if off == 0.0 { 0.0 } else { (off / size).sqrt() }
}

/// Reads every file of a kind and compares every output.
fn all_agree(command: &str, tolerance: f64, at_least: usize) {
    let folder = tempfile::tempdir().unwrap();
    all_agree_in(command, folder.path(), tolerance, at_least);
}

fn all_agree_in(command: &str, folder: &Path, tolerance: f64, at_least: usize) {
    let cases = cases(command, folder);
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let mut bad = Vec::new();
    for case in &cases {
        match Network::load_onnx(&case.path, &case.given) {
            Err(error) => bad.push(format!("{}: {error}", case.name)),
            Ok(network) => {
                let (runs, exact) = (case.run(&network), case.exact(&network));
                let off = case.apart(&runs);
                let own = (0..case.outputs.len()).map(|head| {
                    let wanted: Vec<f64> = exact.iter().flat_map(|run| run.heads[head].clone()).collect();
                    distance(
                        runs.iter().flat_map(|run| run.heads[head].iter().map(|&x| f64::from(x))),
                        &wanted,
                    )
                });
                let own = own.fold(0.0, f64::max);
                println!("{}: {off:e}, from our f64 {own:e}", case.name);
                // A function that jumps may jump elsewhere in f64.
                let jumps = case.name.contains("ThresholdedRelu");
                if off.is_nan() || off > tolerance || !jumps && (own.is_nan() || own > 1e-5) {
                    bad.push(format!("{}: {off:e} apart, from our f64 {own:e}", case.name));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} of {}:\n{}", bad.len(), cases.len(), bad.join("\n"));
}

/// What `kernels/tests/tract` printed, with tract 0.23.9 and the cases of onnx 1.23.2.
const TRACT: [(&str, &str); 6] = [
    ("test_lstm_batchwise", "passes"),
    ("test_lstm_bidirectional", "passes"),
    ("test_lstm_defaults", "passes"),
    ("test_lstm_reverse", "wrong"),
    ("test_lstm_with_initial_bias", "passes"),
    ("test_lstm_with_peepholes", "refuses: Non constant seq_len is not supported"),
];

/// The page about the node tests, from what they gave.
fn page(rows: &[(String, String, String)]) -> String {
    let mut page = String::from(
        "# ONNX's own tests of the LSTM operator\n\n\
         Every LSTM case of the `onnx` package's node tests, in the versions that `tests/oracles/requirements.txt` pins, \
         with the package's own arrays and tolerance (1e-3 relative, 1e-7 absolute). Written by `kernels/tests/networks.rs` \
         with UPDATE_DOCS=1: the columns of Diapason, onnxruntime and onnx.reference live, that of tract 0.23.9 from what \
         `kernels/tests/tract` printed, since it is a large build for one column.\n\n\
         | case | Diapason | onnxruntime | tract | onnx.reference |\n|---|---|---|---|---|\n",
    );
    for (name, onnxruntime, reference) in rows {
        let tract = TRACT.iter().find(|(case, _)| case == name).map_or("not tried", |(_, verdict)| verdict);
        page.push_str(&format!("| {name} | passes | {onnxruntime} | {tract} | {reference} |\n"));
    }
    page
}

#[test]
fn every_node_test_of_onnx_passes() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    for case in cases("nodes", folder.path()) {
        let network = Network::load_onnx(&case.path, &case.given).unwrap();
        let runs = case.run(&network);
        // The tolerance of the package's own runner, element by element.
        for (head, wanted) in case.outputs.iter().enumerate() {
            let ours: Vec<f64> =
                runs.iter().flat_map(|run| run.heads[head].iter().map(|&x| f64::from(x))).collect();
            assert_eq!(ours.len(), wanted.len());
            let close = ours.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-7 + 1e-3 * b.abs());
            assert!(close, "{}: {ours:?} {wanted:?}", case.name);
        }
        let verdict = |who: &str| case.verdicts[who].as_str().unwrap().to_owned();
        rows.push((case.name.clone(), verdict("onnxruntime"), verdict("onnx.reference")));
    }
    assert!(rows.len() >= 6, "{} cases", rows.len());
    let document = need::repository().join("docs/onnx-node-tests.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&document, page(&rows)).unwrap();
    }
    let written = std::fs::read_to_string(&document).unwrap_or_default();
    assert!(
        written == page(&rows),
        "docs/onnx-node-tests.md is out of date; run with UPDATE_DOCS=1 and read the difference"
    );
}

#[test]
fn every_attribute_is_onnxruntimes() {
    require!(Oracles);
    // onnxruntime approximates tanh and exp in f32; our own f32 is held to our f64 more tightly.
    all_agree("attributes", 3e-5, 120);
}

#[test]
fn models_that_torch_exports_are_the_modules() {
    require!(Oracles);
    all_agree("torch", 2e-6, 60);
}

#[test]
fn graphs_as_converters_write_them_are_onnxruntimes() {
    require!(Oracles);
    all_agree("graphs", 2e-6, 15);
}

/// Files that torch's newer exporter and tf2onnx wrote from Keras models; how is in `exported/README.md`.
#[test]
fn files_that_exporters_wrote_are_onnxruntimes() {
    require!(Oracles);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exported");
    all_agree_in("files", &folder, 2e-6, 37);
}

#[test]
fn a_state_dict_of_any_form_is_pytorchs_in_f64() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    for case in cases("grid", folder.path()) {
        let described = StateDict { read: Some(What::Step(-1)), ..StateDict::default() };
        let network = Network::load_state_dict(&case.path, &described).unwrap();
        let mut stack = network.stack().convert::<f64>();
        // The states of every layer, as h_n and c_n have them.
        for what in [What::Hidden, What::Cell] {
            let width = |lstm: &LstmLayer<f64>| match what {
                What::Cell => lstm.passes.len() * lstm.hidden,
                _ => lstm.output(),
            };
            let read =
                stack.lstms().enumerate().map(|(layer, lstm)| Read { layer, what, features: 0..width(lstm) });
            let head = Head { name: format!("{what:?}"), read: read.collect(), layers: vec![] };
            stack.heads.push(head);
        }
        stack.check().unwrap();
        let by_layers = Network::new(stack.convert()).unwrap();
        let off = case.apart(&case.run(&by_layers));
        assert!(off <= 1e-5, "{}, layer by layer: {off:e}", case.name);
        let time = case.x.dim().1;
        let series = |x: ndarray::ArrayView2<f32>| {
            let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            stack.forward(&x, time, None)
        };
        let runs: Vec<Run<f64>> = case.x.outer_iter().map(series).collect();
        for (head, wanted) in case.outputs.iter().enumerate() {
            let off = distance(runs.iter().flat_map(|run| run.heads[head].iter().copied()), wanted);
            assert!(off <= 1e-12, "{}, output {head}: {off:e}", case.name);
        }
        // Saved again it is the same model, by its own description.
        let path = folder.path().join("again.safetensors");
        network.save(&path).unwrap();
        assert_eq!(Network::load(&path).unwrap().stack(), network.stack(), "{}", case.name);
    }
}

/// Numbers in ±1/2, new ones at every call.
struct Numbers(u64);

impl Numbers {
    fn take(&mut self, len: usize) -> Vec<f32> {
        self.0 += 1;
        (0..len as u64).map(|index| random::unit(self.0, index) - 0.5).collect()
    }
}

fn lstm(numbers: &mut Numbers, input: usize, hidden: usize, directions: usize) -> LstmLayer<f32> {
    let mut lstm = LstmLayer::zeros(input, hidden, None, directions);
    for pass in &mut lstm.passes {
        pass.weight_ih = numbers.take(pass.weight_ih.len());
        pass.weight_hh = numbers.take(pass.weight_hh.len());
        pass.bias = Some([numbers.take(4 * hidden), numbers.take(4 * hidden)]);
    }
    lstm
}

fn dense(numbers: &mut Numbers, input: usize, output: usize, biased: bool) -> Layer<f32> {
    let (weight, bias) = (numbers.take(input * output), biased.then(|| numbers.take(output)));
    Layer::Dense(Dense { input, output, weight, bias })
}

fn head(name: &str, read: Vec<(usize, What, Range<usize>)>, layers: Vec<Layer<f32>>) -> Head<f32> {
    let read = read.into_iter().map(|(layer, what, features)| Read { layer, what, features }).collect();
    Head { name: name.to_owned(), read, layers }
}

/// Networks with everything that ONNX can hold.
fn networks() -> Vec<Network> {
    let n = &mut Numbers(0);
    let mut stacks = Vec::new();
    let plain = Spec { input: 12, hidden: 17, layers: 2, output: 3, head: Softmax };
    let plain = Network::from(&Lstm::new(plain, 1).unwrap()).stack().clone();
    stacks.push(plain);
    for directions in [1, 2] {
        let mut lower = lstm(n, 4, 5, directions);
        let mut upper = lstm(n, 5 * directions, 3, 1);
        lower.clip = Some(0.7);
        for (place, pass) in lower.passes.iter_mut().enumerate() {
            pass.peepholes = Some(n.take(15));
            pass.initial = Some(State { h: n.take(5), c: n.take(5) });
            pass.functions = [
                Function::HardSigmoid { alpha: 0.3, beta: 0.4 },
                if place == 0 { Function::Softsign } else { Function::ScaledTanh { alpha: 0.9, beta: 0.8 } },
                Function::Elu { alpha: 0.6 },
            ];
        }
        upper.input_forget = true;
        upper.passes[0].reverse = directions == 1;
        upper.passes[0].bias = None;
        let layers = vec![
            dense(n, 6, 4, true),
            Layer::Each(Function::LeakyRelu { alpha: 0.1 }),
            Layer::Lstm(lower),
            dense(n, 5 * directions, 5 * directions, false),
            Layer::Lstm(upper),
        ];
        let heads = vec![
            head(
                "first",
                vec![(4, What::Step(-1), 0..3)],
                vec![dense(n, 3, 2, true), Layer::Each(Function::Sigmoid)],
            ),
            head(
                "second",
                vec![(2, What::Hidden, 1..4), (4, What::Cell, 0..3)],
                vec![dense(n, 6, 3, false), Layer::Softmax],
            ),
            head(
                "steps",
                vec![(2, What::Sequence, 0..5)],
                vec![dense(n, 5, 2, true), Layer::Each(Function::Tanh)],
            ),
            head("old", vec![(3, What::Step(1), 0..5), (1, What::Step(0), 2..4)], vec![Layer::Softmax]),
        ];
        stacks.push(Stack { input: 6, layers, heads });
    }
    for function in [
        Function::Relu,
        Function::ThresholdedRelu { alpha: 0.2 },
        Function::Softplus,
        Function::Elu { alpha: 0.3 },
        Function::Softsign,
        Function::HardSigmoid { alpha: 0.3, beta: 0.4 },
    ] {
        let (layer, last) =
            (Layer::Lstm(lstm(n, 2, 4, 2)), vec![dense(n, 8, 3, true), Layer::Each(function)]);
        stacks.push(Stack {
            input: 2,
            layers: vec![layer],
            heads: vec![head("y", vec![(0, What::Hidden, 0..8)], last)],
        });
    }
    stacks.into_iter().map(|stack| Network::new(stack).unwrap()).collect()
}

fn series(batch: usize, time: usize, input: usize) -> Array3<f32> {
    let mut index = 0;
    Array3::from_shape_simple_fn((batch, time, input), || {
        index += 1;
        4.0 * random::unit(99, index) - 2.0
    })
}

#[test]
fn written_models_pass_the_checker_and_are_onnxruntimes() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let (mut question, mut data, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    for (place, network) in networks().iter().enumerate() {
        // Every version of the operators that is written, over the networks.
        for opset in [14 + place as i64 % 9, 22 - place as i64 % 9] {
            let path = folder.path().join(format!("{place}-{opset}.onnx"));
            std::fs::write(&path, onnx::encode(network.stack(), network.metadata(), opset).unwrap()).unwrap();
            let x = series(3, 5, network.stack().input);
            question.push(
                serde_json::json!({ "path": path, "batch": 3, "time": 5, "input": network.stack().input }),
            );
            data.extend(x.iter().flat_map(|&x| f64::from(x).to_le_bytes()));
            let executable = network.compile(&CompileOptions::default()).unwrap();
            wanted.push(executable.run(x.view(), Inputs::default()).unwrap());
            // And read again it is the same model; biases and peepholes that are all zero may have come.
            let again = Network::load(&path).unwrap().compile(&CompileOptions::default()).unwrap();
            assert_eq!(&again.run(x.view(), Inputs::default()).unwrap(), wanted.last().unwrap());
        }
    }
    let mut input = serde_json::to_vec(&question).unwrap();
    input.push(b'\n');
    input.extend(data);
    let answers = read(&oracle::ask(&script(), &["check", folder.path().to_str().unwrap()], &input));
    assert_eq!(answers.len(), wanted.len());
    for (answer, runs) in answers.iter().zip(&wanted) {
        let off = answer.apart(runs);
        println!("{}: {off:e}", answer.name);
        assert!(off <= 2e-6, "{}: {off:e}", answer.name);
    }
}

#[test]
fn a_network_says_what_runs_it_and_refuses_what_it_cannot() {
    let networks = networks();
    let options = CompileOptions::default();
    let plain = networks[0].compile(&options).unwrap();
    assert!(plain.explain().contains("lanes of f32"), "{}", plain.explain());
    let other = networks[2].compile(&options).unwrap();
    let text = other.explain();
    assert!(text.contains("path         layer by layer in f32"), "{text}");
    assert!(text.contains("layer 0 is not an LSTM"), "{text}");
    assert!(text.contains("scalar       the cells of layer 2"), "{text}");
    for precision in [Precision::Bf16, Precision::Int8] {
        let error =
            networks[2].compile(&CompileOptions { precision, ..options.clone() }).unwrap_err().to_string();
        assert!(error.contains("this model runs in f32 only: layer 0 is not an LSTM"), "{error}");
    }
    let x = series(3, 5, 6);
    let message = |inputs| other.run(x.view(), inputs).unwrap_err().to_string();
    let lengths = |lengths| message(Inputs { lengths: Some(lengths), states: None });
    assert!(
        lengths(&[5, 5]).starts_with("2 lengths, of which the longest is 5, do not fit 3 windows of 5 steps")
    );
    assert!(lengths(&[5, 6, 1]).contains("the longest is 6"));
    assert!(lengths(&[5, 0, 1]).contains("each must be from 1 to 5"));
    let states = vec![vec![State::default()]; 3];
    let message = message(Inputs { lengths: None, states: Some(&states) });
    assert_eq!(message, "initial states of window 0 do not fit: layer 0 needs 10 hidden and 10 cell values");
    let error = other.run(series(1, 1, 6).view(), Inputs::default()).unwrap_err().to_string();
    assert_eq!(error, "head \"old\" reads step 1, which windows of 1 steps do not have");
}

#[test]
fn predictions_and_streams_are_the_runs() {
    for (place, network) in networks().iter().enumerate() {
        let mut executable =
            network.compile(&CompileOptions { threads: 2, ..CompileOptions::default() }).unwrap();
        let (input, output) = network.widths();
        let x = series(7, 6, input);
        let mut out = Array2::zeros((7, output));
        executable.predict(x.view(), out.view_mut()).unwrap();
        let runs = executable.run(x.view(), Inputs::default()).unwrap();
        let wanted: Vec<f64> =
            runs.iter().flat_map(|run| run.heads[0].iter().map(|&x| f64::from(x))).collect();
        let off = distance(out.iter().map(|&x| f64::from(x)), &wanted);
        assert!(off <= 2e-6, "network {place}: {off:e}");

        let mut stream = executable
            .stream(&StreamOptions { instances: 7, window: Some(6), ..StreamOptions::default() })
            .unwrap();
        for t in 0..6 {
            for instance in 0..7 {
                let row = x.slice(s![instance, t, ..]).to_vec();
                let got = stream.push(instance, &row).unwrap();
                assert_eq!(got.is_some(), t == 5);
                if let Some(got) = got {
                    assert_eq!(got, out.row(instance).as_slice().unwrap(), "network {place}");
                }
            }
        }
        let cores = StreamOptions { cores: vec![5_000_000], ..StreamOptions::default() };
        let error = executable.stream(&cores).unwrap_err().to_string();
        // The networks here that are plain models may have cores, but not that one.
        let wanted = if executable.explain().contains("layer by layer") {
            "cores were given for a stream, but this model runs on one: "
        } else {
            "no thread can be pinned to core 5000000 "
        };
        assert!(error.starts_with(wanted), "network {place}: {error}");
        let carried =
            executable.stream(&StreamOptions { instances: 1, window: None, ..StreamOptions::default() });
        let reverse = network.stack().lstms().any(|lstm| lstm.passes.iter().any(|pass| pass.reverse));
        match carried {
            Err(error) => {
                assert!(reverse && matches!(error, NetworkError::Reverse { .. }), "network {place}: {error}");
            }
            Ok(mut stream) => {
                assert!(!reverse, "network {place}");
                let last = (0..6)
                    .map(|t| stream.push(0, &x.slice(s![0, t, ..]).to_vec()).unwrap().unwrap().to_vec());
                assert_eq!(last.last().unwrap(), out.row(0).as_slice().unwrap(), "network {place}");
            }
        }
    }
}

#[test]
fn every_instruction_set_thread_count_and_block_gives_the_same_bits_and_the_references_values() {
    for (place, network) in networks().iter().enumerate() {
        let x = series(101, 9, network.stack().input);
        let exact = network.stack().convert::<f64>();
        let mut wanted: Option<Vec<Run<f32>>> = None;
        for isa in Isa::available() {
            for threads in [1, 3] {
                let options = CompileOptions { isa: Some(isa), threads, ..CompileOptions::default() };
                let runs = network.compile(&options).unwrap().run(x.view(), Inputs::default()).unwrap();
                for (run, x) in runs.iter().zip(x.outer_iter()).step_by(10) {
                    let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                    let exact = exact.forward(&x, 9, None);
                    for (ours, theirs) in run.heads.iter().zip(&exact.heads) {
                        let off = distance(ours.iter().map(|&x| f64::from(x)), theirs);
                        assert!(off <= 1e-5, "network {place} on {isa}: {off:e}");
                    }
                }
                match &wanted {
                    None => wanted = Some(runs),
                    Some(wanted) => assert!(&runs == wanted, "network {place}, {isa}, {threads} threads"),
                }
            }
        }
    }
}

#[test]
fn a_plain_model_goes_through_onnx_to_the_kernels_and_to_training() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let spec = Spec { input: 5, hidden: 18, layers: 2, output: 3, head: Softmax };
    let mut model = Lstm::new(spec, 4).unwrap();
    model.metadata_mut().insert("features".to_owned(), "sma(20)".to_owned());
    Network::from(&model).save(&path).unwrap();
    assert_eq!(Lstm::load(&path).unwrap(), model);
    model.save(&path).unwrap();
    assert_eq!(Lstm::load(&path).unwrap(), model);
    networks()[2].save(&path).unwrap();
    let message = Lstm::load(&path).unwrap_err().to_string();
    assert!(message.contains("is no plain LSTM with a dense head: layer 0 is not an LSTM"), "{message}");
}
