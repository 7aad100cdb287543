//! Networks of any form against outside judges: the onnx package's node tests, onnxruntime and PyTorch.
//!
//! "Apart" is norm-wise over a whole output: `|ours - theirs| / |theirs|` in the Euclidean norm.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]
#![expect(clippy::print_stdout, reason = "the functions that tests share are tests too")]

use std::path::{Path, PathBuf};

use diapason_kernels::lstm::network::{Inputs, StateDict};
use diapason_kernels::lstm::onnx::Given;
use diapason_kernels::lstm::{CompileOptions, Network};
use diapason_kernels::op::lstm_layer::State;
use diapason_kernels::op::lstm_stack::{Head, Read, Run, Stack, What};
use diapason_tests::{oracle, require};
use ndarray::Array3;
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
            let state = |lstm: &diapason_kernels::op::lstm_layer::LstmLayer<f32>| State {
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
    let cases = cases(command, folder.path());
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
                if off.is_nan() || off > tolerance || own.is_nan() || own > 2e-6 {
                    bad.push(format!("{}: {off:e} apart, from our f64 {own:e}", case.name));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} of {}:\n{}", bad.len(), cases.len(), bad.join("\n"));
}

#[test]
fn every_node_test_of_onnx_passes() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
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
        println!("{}: passes; others: {}", case.name, case.verdicts);
    }
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
            let width = |lstm: &diapason_kernels::op::lstm_layer::LstmLayer<f64>| match what {
                What::Cell => lstm.passes.len() * lstm.hidden,
                _ => lstm.output(),
            };
            let read =
                stack.lstms().enumerate().map(|(layer, lstm)| Read { layer, what, features: 0..width(lstm) });
            let head = Head { name: format!("{what:?}"), read: read.collect(), layers: vec![] };
            stack.heads.push(head);
        }
        stack.check().unwrap();
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
