//! A stack as an ONNX graph: `[batch, time, features]` in, one output for each head.
//!
//! Inside, time comes first, as the LSTM operator of every version wants it. Initial states that the model has are
//! constants, spread over the batch. Only operators are used whose meaning is the same from version 14 to 22.

use super::error::OnnxError;
use super::proto::{self, element, kind};
use crate::op::lstm_function::Function;
use crate::op::lstm_layer::{GATES, LstmLayer, ORDINARY, Pass};
use crate::op::lstm_stack::{Dense, Head, Layer, Read, Stack, What};

/// The graph's input.
const INPUT: &str = "input";

#[derive(Default)]
struct Writer {
    node: Vec<proto::Node>,
    initializer: Vec<proto::Tensor>,
}

/// The graph of a stack that passed its check.
pub fn graph(stack: &Stack<f32>) -> Result<proto::Graph, OnnxError> {
    let mut names: Vec<&str> = stack.heads.iter().map(|head| head.name.as_str()).collect();
    names.push(INPUT);
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1])
        || names.iter().any(|n| n.is_empty() || n.contains('/'))
    {
        return Err(OnnxError::NotInOnnx {
            what: "two values of one name, nor of no name",
            remedy: "give the heads different names, not empty, not \"input\" and without a slash",
        });
    }
    let mut writer = Writer::default();
    writer.op("Transpose", "series", &[INPUT], &["series/time_first"], vec![ints("perm", &[1, 0, 2])]);
    let mut sequences = vec!["series/time_first".to_owned()];
    for (place, layer) in stack.layers.iter().enumerate() {
        let name = format!("layer{place}");
        let from = sequences.last().map_or(INPUT, String::as_str).to_owned();
        let given = match layer {
            Layer::Lstm(lstm) => writer.lstm(lstm, &name, &from)?,
            other => writer.pointwise(other, &name, &from, false)?,
        };
        sequences.push(given);
    }
    let widths = stack.widths();
    for (place, head) in stack.heads.iter().enumerate() {
        writer.head(stack, head, &format!("head{place}"), &sequences, &widths)?;
    }
    let input = value(INPUT, &[Some("batch"), Some("time"), None], &[0, 0, stack.input]);
    let output = |head: &Head<f32>| match head.is_sequence() {
        true => value(&head.name, &[Some("batch"), Some("time"), None], &[0, 0, head.output()]),
        false => value(&head.name, &[Some("batch"), None], &[0, head.output()]),
    };
    Ok(proto::Graph {
        node: writer.node,
        name: "diapason".to_owned(),
        initializer: writer.initializer,
        input: vec![input],
        output: stack.heads.iter().map(output).collect(),
    })
}

impl Writer {
    fn op(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        outputs: &[&str],
        attribute: Vec<proto::Attribute>,
    ) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.node.push(proto::Node {
            input: owned(inputs),
            output: owned(outputs),
            name: name.to_owned(),
            op_type: operator.to_owned(),
            attribute,
            domain: String::new(),
        });
    }

    fn floats(&mut self, name: String, shape: &[usize], values: impl Iterator<Item = f32>) -> String {
        self.initializer.push(proto::Tensor {
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: element::FLOAT,
            raw_data: values.flat_map(f32::to_le_bytes).collect(),
            name: name.clone(),
            ..proto::Tensor::default()
        });
        name
    }

    fn ints(&mut self, name: String, values: &[i64]) -> String {
        self.initializer.push(proto::Tensor {
            dims: vec![values.len() as i64],
            data_type: element::INT64,
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            name: name.clone(),
            ..proto::Tensor::default()
        });
        name
    }

    /// An LSTM that reads `from`, `[time, batch, input]`; the name of its sequence of the same layout.
    fn lstm(&mut self, lstm: &LstmLayer<f32>, name: &str, from: &str) -> Result<String, OnnxError> {
        if lstm.projection.is_some() {
            let remedy = "save the model as safetensors, or train it without proj_size";
            return Err(OnnxError::NotInOnnx { what: "projection in its LSTM", remedy });
        }
        let (passes, hidden) = (&lstm.passes, lstm.hidden);
        let (count, gates) = (passes.len(), GATES * hidden);
        let all = |part: &dyn Fn(&Pass<f32>) -> Vec<f32>| passes.iter().flat_map(part).collect::<Vec<_>>();
        let w = all(&|pass| gates_of_onnx(&pass.weight_ih));
        let r = all(&|pass| gates_of_onnx(&pass.weight_hh));
        let mut inputs = vec![
            from.to_owned(),
            self.floats(format!("{name}/W"), &[count, gates, lstm.input], w.into_iter()),
            self.floats(format!("{name}/R"), &[count, gates, hidden], r.into_iter()),
        ];
        inputs.resize(8, String::new());
        if passes.iter().any(|pass| pass.bias.is_some()) {
            let zeros = || [vec![0.0; gates], vec![0.0; gates]];
            let b = all(&|pass| {
                let [ih, hh] = pass.bias.clone().unwrap_or_else(zeros);
                [gates_of_onnx(&ih), gates_of_onnx(&hh)].concat()
            });
            inputs[3] = self.floats(format!("{name}/B"), &[count, 2 * gates], b.into_iter());
        }
        if passes.iter().any(|pass| pass.initial.is_some()) {
            let state = |pass: &Pass<f32>, cell: bool| match &pass.initial {
                Some(state) => if cell { &state.c } else { &state.h }.clone(),
                None => vec![0.0; hidden],
            };
            for (place, cell) in [(5, false), (6, true)] {
                let values = all(&|pass| state(pass, cell));
                inputs[place] = self.spread(
                    &format!("{name}/{}", if cell { "c0" } else { "h0" }),
                    [count, hidden],
                    values,
                    from,
                );
            }
        }
        if passes.iter().any(|pass| pass.peepholes.is_some()) {
            let p = all(&|pass| match &pass.peepholes {
                // i, f, o as i, o, f.
                Some(p) => [&p[..hidden], &p[2 * hidden..], &p[hidden..2 * hidden]].concat(),
                None => vec![0.0; 3 * hidden],
            });
            inputs[7] = self.floats(format!("{name}/P"), &[count, 3 * hidden], p.into_iter());
        }
        while inputs.last().is_some_and(String::is_empty) {
            inputs.pop();
        }
        let [y, h, c] = ["Y", "Y_h", "Y_c"].map(|output| format!("{name}/{output}"));
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.op("LSTM", name, &inputs, &[&y, &h, &c], attributes(lstm));
        // [time, directions, batch, hidden] becomes [time, batch, directions x hidden].
        let (turned, sequence) = (format!("{name}/turned"), format!("{name}/sequence"));
        self.op("Transpose", &turned, &[&y], &[&turned], vec![ints("perm", &[0, 2, 1, 3])]);
        let shape = self.ints(format!("{name}/flat"), &[0, 0, (count * hidden) as i64]);
        self.op("Reshape", &sequence, &[&turned, &shape], &[&sequence], vec![]);
        Ok(sequence)
    }

    /// A constant state `[directions, hidden]` as `[directions, batch, hidden]` for the batch of `from`.
    fn spread(&mut self, name: &str, [count, hidden]: [usize; 2], values: Vec<f32>, from: &str) -> String {
        let constant = self.floats(format!("{name}/one"), &[count, 1, hidden], values.into_iter());
        let [shape, batch, target] = ["shape", "batch", "target"].map(|part| format!("{name}/{part}"));
        self.op("Shape", &shape, &[from], &[&shape], vec![]);
        let one = self.ints(format!("{name}/axis"), &[1]);
        self.op("Gather", &batch, &[&shape, &one], &[&batch], vec![int("axis", 0)]);
        let first = self.ints(format!("{name}/directions"), &[count as i64]);
        let last = self.ints(format!("{name}/hidden"), &[hidden as i64]);
        self.op("Concat", &target, &[&first, &batch, &last], &[&target], vec![int("axis", 0)]);
        self.op("Expand", name, &[&constant, &target], &[name], vec![]);
        name.to_owned()
    }

    /// A layer on `from`, whose last axis is the features; as Gemm where it has two axes.
    fn pointwise(
        &mut self,
        layer: &Layer<f32>,
        name: &str,
        from: &str,
        rows: bool,
    ) -> Result<String, OnnxError> {
        let given = format!("{name}/out");
        match layer {
            Layer::Dense(Dense { input, output, weight, bias }) if rows => {
                let weight =
                    self.floats(format!("{name}/weight"), &[*output, *input], weight.iter().copied());
                let mut inputs = vec![from.to_owned(), weight];
                if let Some(bias) = bias {
                    inputs.push(self.floats(format!("{name}/bias"), &[*output], bias.iter().copied()));
                }
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
                self.op("Gemm", name, &inputs, &[&given], vec![int("transB", 1)]);
            }
            Layer::Dense(Dense { input, output, weight, bias }) => {
                let turned = (0..input * output).map(|at| weight[at % output * input + at / output]);
                let weight = self.floats(format!("{name}/weight"), &[*input, *output], turned);
                let product = if bias.is_some() { format!("{name}/product") } else { given.clone() };
                self.op("MatMul", name, &[from, &weight], &[&product], vec![]);
                if let Some(bias) = bias {
                    let bias = self.floats(format!("{name}/bias"), &[*output], bias.iter().copied());
                    self.op("Add", &format!("{name}/add"), &[&product, &bias], &[&given], vec![]);
                }
            }
            Layer::Each(function @ (Function::Affine { .. } | Function::ScaledTanh { .. })) => {
                let what = if matches!(function, Function::Affine { .. }) { "Affine" } else { "ScaledTanh" };
                let remedy = "write it as a dense layer beside Tanh";
                return Err(OnnxError::NotInOnnx { what, remedy });
            }
            Layer::Each(function) => {
                let (alpha, beta) = function.parameters();
                let parameters = [("alpha", alpha), ("beta", beta)];
                let attribute = |(name, value): (&'static str, Option<f32>)| Some(float(name, value?));
                let attributes = parameters.into_iter().filter_map(attribute).collect();
                self.op(function.name(), name, &[from], &[&given], attributes);
            }
            Layer::Softmax => self.op("Softmax", name, &[from], &[&given], vec![int("axis", -1)]),
            Layer::Lstm(_) => {
                let remedy = "put it among the layers";
                return Err(OnnxError::NotInOnnx { what: "place for an LSTM in a head", remedy });
            }
        }
        Ok(given)
    }

    fn head(
        &mut self,
        stack: &Stack<f32>,
        head: &Head<f32>,
        name: &str,
        sequences: &[String],
        widths: &[usize],
    ) -> Result<(), OnnxError> {
        let mut parts = Vec::new();
        for (place, Read { layer, what, features }) in head.read.iter().enumerate() {
            let part = format!("{name}/read{place}");
            let (from, width) = match (what, &stack.layers[*layer]) {
                (What::Hidden | What::Cell, Layer::Lstm(lstm)) => {
                    let state = format!("layer{layer}/{}", if *what == What::Cell { "Y_c" } else { "Y_h" });
                    let (turned, flat) = (format!("{part}/turned"), format!("{part}/flat"));
                    let width = lstm.passes.len() * lstm.hidden;
                    self.op("Transpose", &turned, &[&state], &[&turned], vec![ints("perm", &[1, 0, 2])]);
                    let shape = self.ints(format!("{part}/shape"), &[0, width as i64]);
                    self.op("Reshape", &flat, &[&turned, &shape], &[&flat], vec![]);
                    (flat, width)
                }
                (What::Step(step), _) => {
                    let picked = format!("{part}/step");
                    let index = self.scalar(format!("{part}/index"), *step as i64);
                    self.op(
                        "Gather",
                        &picked,
                        &[&sequences[layer + 1], &index],
                        &[&picked],
                        vec![int("axis", 0)],
                    );
                    (picked, widths[layer + 1])
                }
                _ => (sequences[layer + 1].clone(), widths[layer + 1]),
            };
            if *features == (0..width) {
                parts.push(from);
                continue;
            }
            let bounds = [("start", features.start as i64), ("end", features.end as i64), ("axes", -1)];
            let [start, end, axes] =
                bounds.map(|(what, value)| self.ints(format!("{part}/{what}"), &[value]));
            self.op("Slice", &part, &[&from, &start, &end, &axes], &[&part], vec![]);
            parts.push(part);
        }
        let mut at = match &parts[..] {
            [one] => one.clone(),
            several => {
                let joined = format!("{name}/joined");
                let parts: Vec<&str> = several.iter().map(String::as_str).collect();
                self.op("Concat", &joined, &parts, &[&joined], vec![int("axis", -1)]);
                joined
            }
        };
        for (place, layer) in head.layers.iter().enumerate() {
            at = self.pointwise(layer, &format!("{name}/{place}"), &at, !head.is_sequence())?;
        }
        match head.is_sequence() {
            true => self.op("Transpose", name, &[&at], &[&head.name], vec![ints("perm", &[1, 0, 2])]),
            false => self.op("Identity", name, &[&at], &[&head.name], vec![]),
        }
        Ok(())
    }

    fn scalar(&mut self, name: String, value: i64) -> String {
        let name = self.ints(name, &[value]);
        if let Some(tensor) = self.initializer.last_mut() {
            tensor.dims.clear();
        }
        name
    }
}

/// Four blocks i, f, c, o as i, o, f, c.
fn gates_of_onnx(values: &[f32]) -> Vec<f32> {
    let block = values.len() / GATES;
    [0, 3, 1, 2].map(|gate| &values[gate * block..][..block]).concat()
}

fn attributes(lstm: &LstmLayer<f32>) -> Vec<proto::Attribute> {
    let mut attributes = vec![int("hidden_size", lstm.hidden as i64)];
    let direction = match &lstm.passes[..] {
        [_, _] => "bidirectional",
        [pass] if pass.reverse => "reverse",
        _ => "forward",
    };
    attributes.push(proto::Attribute {
        name: "direction".to_owned(),
        s: direction.as_bytes().to_vec(),
        r#type: kind::STRING,
        ..proto::Attribute::default()
    });
    attributes.extend(lstm.clip.map(|clip| float("clip", clip)));
    if lstm.input_forget {
        attributes.push(int("input_forget", 1));
    }
    let functions: Vec<Function> = lstm.passes.iter().flat_map(|pass| pass.functions).collect();
    if lstm.passes.iter().any(|pass| pass.functions != ORDINARY) {
        attributes.push(proto::Attribute {
            name: "activations".to_owned(),
            strings: functions.iter().map(|function| function.name().as_bytes().to_vec()).collect(),
            r#type: kind::STRINGS,
            ..proto::Attribute::default()
        });
        let parameters = functions.iter().map(|function| function.parameters());
        let (alpha, beta): (Vec<_>, Vec<_>) = parameters.unzip();
        for (name, values) in [("activation_alpha", alpha), ("activation_beta", beta)] {
            let floats: Vec<f32> = values.into_iter().flatten().collect();
            if !floats.is_empty() {
                let name = name.to_owned();
                attributes.push(proto::Attribute {
                    name,
                    floats,
                    r#type: kind::FLOATS,
                    ..Default::default()
                });
            }
        }
    }
    attributes
}

fn int(name: &str, value: i64) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), i: value, r#type: kind::INT, ..proto::Attribute::default() }
}

fn float(name: &str, value: f32) -> proto::Attribute {
    proto::Attribute { name: name.to_owned(), f: value, r#type: kind::FLOAT, ..proto::Attribute::default() }
}

fn ints(name: &str, values: &[i64]) -> proto::Attribute {
    let (name, ints) = (name.to_owned(), values.to_vec());
    proto::Attribute { name, ints, r#type: kind::INTS, ..proto::Attribute::default() }
}

/// A graph's input or output: each dimension has a name or a size.
fn value(name: &str, names: &[Option<&str>], sizes: &[usize]) -> proto::ValueInfo {
    let dim = |(name, &size): (&Option<&str>, &usize)| match name {
        Some(name) => proto::Dimension { dim_value: None, dim_param: Some((*name).to_owned()) },
        None => proto::Dimension { dim_value: Some(size as i64), dim_param: None },
    };
    let shape = proto::Shape { dim: names.iter().zip(sizes).map(dim).collect() };
    let tensor = proto::TensorType { elem_type: element::FLOAT, shape: Some(shape) };
    proto::ValueInfo { name: name.to_owned(), r#type: Some(proto::Type { tensor_type: Some(tensor) }) }
}
