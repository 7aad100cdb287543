//! Graphs that are wrong, or made to harm: each gets one message, in bounded time and memory.

use std::path::Path;

use prost::Message;

use super::proto::{self, EXTERNAL, element, kind};
use super::{Given, decode};

/// Something done to a part of a model.
type Change<'a, T> = &'a dyn Fn(&mut T);

fn floats(name: &str, dims: &[i64]) -> proto::Tensor {
    let count = dims.iter().product::<i64>() as usize;
    proto::Tensor {
        dims: dims.to_vec(),
        data_type: element::FLOAT,
        raw_data: vec![0; 4 * count],
        name: name.to_owned(),
        ..Default::default()
    }
}

fn ints(name: &str, values: &[i64]) -> proto::Tensor {
    let (dims, int64_data) = (vec![values.len() as i64], values.to_vec());
    proto::Tensor { dims, data_type: element::INT64, int64_data, name: name.to_owned(), ..Default::default() }
}

fn node(operator: &str, input: &[&str], output: &[&str]) -> proto::Node {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    proto::Node {
        input: owned(input),
        output: owned(output),
        op_type: operator.to_owned(),
        ..Default::default()
    }
}

fn value(name: &str, dims: &[i64]) -> proto::ValueInfo {
    let dim = |&size: &i64| proto::Dimension { dim_value: Some(size), dim_param: None };
    let shape = Some(proto::Shape { dim: dims.iter().map(dim).collect() });
    let tensor_type = Some(proto::TensorType { elem_type: element::FLOAT, shape });
    proto::ValueInfo { name: name.to_owned(), r#type: Some(proto::Type { tensor_type }) }
}

/// `x [5, 2, 3]`, time first, into an LSTM of 4 units.
fn model() -> proto::Model {
    proto::Model {
        graph: Some(proto::Graph {
            node: vec![
                node("LSTM", &["x", "W", "R"], &["Y", "h", "c"]),
                node("Squeeze", &["h", "zero"], &["out"]),
            ],
            initializer: vec![floats("W", &[1, 16, 3]), floats("R", &[1, 16, 4]), ints("zero", &[0])],
            input: vec![value("x", &[5, 2, 3])],
            output: vec![value("out", &[2, 4])],
            ..Default::default()
        }),
        opset_import: vec![proto::Opset { domain: String::new(), version: 15 }],
        ..Default::default()
    }
}

fn message_in(folder: Option<&Path>, change: impl FnOnce(&mut proto::Model, &mut proto::Graph)) -> String {
    let mut model = model();
    let mut graph = model.graph.take().unwrap();
    change(&mut model, &mut graph);
    model.graph = Some(graph);
    match decode(&model.encode_to_vec(), folder, &Given::new()) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn message(change: impl FnOnce(&mut proto::Graph)) -> String {
    message_in(None, |_, graph| change(graph))
}

#[test]
fn a_graph_that_is_whole_is_read() {
    assert_eq!(message(|_| {}), "no error");
}

#[test]
fn nodes_are_named() {
    let cases: [(Change<proto::Graph>, &str); 14] = [
        (&|g| g.node[1].op_type = "Loop".to_owned(), "node \"out\" (Loop): this operator is not read"),
        (&|g| g.node[1].op_type = "If".to_owned(), "node \"out\" (If): this operator is not read"),
        (&|g| g.node[0].domain = "com.microsoft".to_owned(), "operators of domain \"com.microsoft\""),
        (&|g| g.node[0].input[0] = "out".to_owned(), "there is no LSTM node whose input comes from an input"),
        (
            &|g| g.node[0].input[2] = "out".to_owned(),
            "it reads \"out\", which no node before it gives: the graph has a cycle",
        ),
        (&|g| g.node[0].input.truncate(2), "node \"Y\" (LSTM): its input 2 is missing"),
        (&|g| g.initializer[0] = floats("W", &[1, 16, 2]), "W has shape [1, 16, 2], not [1, 16, 3]"),
        (&|g| g.initializer[0] = floats("W", &[1, 15, 3]), "W has shape [1, 15, 3], not [1, 4 hidden, 3]"),
        (&|g| g.initializer[1] = floats("R", &[1, 16, 5]), "R has shape [1, 16, 5], not [1, 16, 4]"),
        (
            &|g| g.initializer[2] = ints("zero", &[7]),
            "node \"out\" (Squeeze): axis 7 is beyond the 3 dimensions",
        ),
        (&|g| g.initializer[2] = ints("zero", &[i64::MIN]), "axis -9223372036854775808 is beyond"),
        (&|g| g.initializer[2] = ints("zero", &[1]), "it squeezes an axis that is not of size 1"),
        (&|g| g.output[0].name = "W".to_owned(), "output \"W\" does not depend on the series"),
        (&|g| g.input.clear(), "there is no LSTM node"),
    ];
    for (change, wanted) in cases {
        let message = message(change);
        assert!(message.contains(wanted), "{message}\n{wanted}");
    }
}

#[test]
fn attributes_are_checked() {
    let with = |name: &str, fill: &dyn Fn(&mut proto::Attribute)| {
        message(|graph| {
            let mut attribute = proto::Attribute { name: name.to_owned(), ..Default::default() };
            fill(&mut attribute);
            graph.node[0].attribute.push(attribute);
        })
    };
    let strings = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
    let cases: [(&str, Change<proto::Attribute>, &str); 6] = [
        (
            "direction",
            &|a| (a.r#type, a.s) = (kind::STRING, b"up".to_vec()),
            "\"direction\" is \"up\"; it must be forward",
        ),
        ("direction", &|a| a.r#type = kind::INT, "of type 2, in ONNX's numbering; it must be a string"),
        (
            "hidden_size",
            &|a| (a.r#type, a.i) = (kind::INT, 5),
            "\"hidden_size\" is 5; it must be a quarter of the rows of W",
        ),
        ("clip", &|a| (a.r#type, a.f) = (kind::FLOAT, f32::NAN), "\"clip\" is NaN"),
        ("layout", &|a| (a.r#type, a.i) = (kind::INT, 2), "\"layout\" is 2; it must be 0 or 1"),
        (
            "activations",
            &|a| (a.r#type, a.strings) = (kind::STRINGS, strings(&["Sigmoid", "Tanh"])),
            "three functions for each direction",
        ),
    ];
    for (name, fill, wanted) in cases {
        let message = with(name, fill);
        assert!(message.contains(wanted), "{message}\n{wanted}");
    }
}

#[test]
fn versions_are_named() {
    for version in [0, 10, 23, i64::MAX] {
        let message = message_in(None, |model, _| model.opset_import[0].version = version);
        assert!(
            message.contains(&format!("version {version} of the operators; versions 11 to 22")),
            "{message}"
        );
    }
}

#[test]
fn tensors_are_checked() {
    let cases: [(Change<proto::Tensor>, &str); 6] = [
        (
            &|t| t.dims = vec![1 << 40, 1 << 40],
            "tensor \"W\": its shape [1099511627776, 1099511627776] is impossible",
        ),
        (&|t| t.dims[1] = -16, "its shape [1, -16, 3] is impossible"),
        (&|t| t.raw_data.truncate(7), "it has 1 values, but its shape needs 48"),
        (&|t| t.raw_data.truncate(8), "it has 2 values, but its shape needs 48"),
        (&|t| t.data_type = 11, "its elements have type 11"),
        (&|t| t.raw_data[3] = 0x7f, "no error"),
    ];
    for (change, wanted) in cases {
        let message = message(|graph| change(&mut graph.initializer[0]));
        assert!(message.contains(wanted), "{message}\n{wanted}");
    }
    let message =
        message(|graph| graph.initializer[0].raw_data[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
    assert!(message.contains("tensor \"W\": element 0 is NaN"), "{message}");
}

#[test]
fn constants_that_would_fill_the_memory_are_refused() {
    // A gigabyte from a few bytes, then doubling by joining, then by adding.
    let filled = message(|graph| {
        graph.initializer.push(ints("shape", &[1 << 28]));
        graph.node.insert(0, node("ConstantOfShape", &["shape"], &["large"]));
    });
    assert!(filled.contains("its constants have 268435456 elements"), "{filled}");
    let expanded = message(|graph| {
        graph.initializer.push(ints("shape", &[1 << 20, 1, 1, 3]));
        graph.node.insert(0, node("Expand", &["W", "shape"], &["large"]));
    });
    assert!(expanded.contains("elements, more than a model of this size"), "{expanded}");
    let doubled = message(|graph| {
        let axis = proto::Attribute { name: "axis".to_owned(), r#type: kind::INT, ..Default::default() };
        for step in 0..40 {
            let from = if step == 0 { "W".to_owned() } else { format!("w{}", step - 1) };
            let mut join = node("Concat", &[&from, &from], &[&format!("w{step}")]);
            join.attribute.push(axis.clone());
            graph.node.insert(step, join);
        }
    });
    assert!(doubled.contains("elements, more than a model of this size"), "{doubled}");
    let flows = message(|graph| {
        let axis =
            proto::Attribute { name: "axis".to_owned(), i: 2, r#type: kind::INT, ..Default::default() };
        for step in 0..40 {
            let from = if step == 0 { "h".to_owned() } else { format!("h{}", step - 1) };
            let mut join = node("Concat", &[&from, &from], &[&format!("h{step}")]);
            join.attribute.push(axis.clone());
            graph.node.push(join);
        }
    });
    assert!(flows.contains("it joins more values than a model can have"), "{flows}");
}

#[test]
fn values_in_other_files_stay_within_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("models");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 192]).unwrap();
    std::fs::write(inside.join("data"), [0; 192]).unwrap();
    std::fs::create_dir(inside.join("sub")).unwrap();
    std::fs::write(inside.join("sub/data"), [0; 200]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("secret"), inside.join("link")).unwrap();
    let at = |location: &str, offset: &str, length: &str, folder: Option<&Path>| {
        message_in(folder, |_, graph| {
            let tensor = &mut graph.initializer[0];
            tensor.raw_data.clear();
            tensor.data_location = EXTERNAL;
            for (key, value) in [("location", location), ("offset", offset), ("length", length)] {
                let entry = proto::Entry { key: key.to_owned(), value: value.to_owned() };
                tensor.external_data.extend((!value.is_empty()).then_some(entry));
            }
        })
    };
    let here = Some(inside.as_path());
    assert_eq!(at("data", "", "", here), "no error");
    assert_eq!(at("sub/data", "8", "192", here), "no error");
    assert!(at("data", "", "", None).contains("a model in memory has no folder"));
    let secret = folder.path().join("secret");
    for location in ["../secret", "sub/../../secret", secret.to_str().unwrap(), "link", "", "sub", "./data"] {
        let message = at(location, "", "", here);
        assert!(message.contains("must be in a file beneath the model's folder"), "{location}: {message}");
    }
    assert!(at("nowhere", "", "", here).contains("cannot read"));
    for (offset, length) in
        [("1", ""), ("0", "191"), ("18446744073709551615", "192"), ("x", ""), ("-1", "192")]
    {
        let message = at("data", offset, length, here);
        assert!(message.contains("which has 192 bytes"), "{offset} {length}: {message}");
    }
}

#[test]
fn only_whole_series_are_reversed() {
    let reversed = |lengths: &[i64], axes: [i64; 2]| {
        message(|graph| {
            graph.initializer.push(ints("lengths", lengths));
            let mut reverse = node("ReverseSequence", &["x", "lengths"], &["back"]);
            for (name, i) in ["time_axis", "batch_axis"].into_iter().zip(axes) {
                let (name, r#type) = (name.to_owned(), kind::INT);
                reverse.attribute.push(proto::Attribute { name, i, r#type, ..Default::default() });
            }
            graph.node[0].input[0] = "back".to_owned();
            graph.node.insert(0, reverse);
        })
    };
    assert_eq!(reversed(&[5, 5], [0, 1]), "no error");
    // The graph does not say which axis is time, so it is read both ways, and refused both ways.
    for (lengths, axes) in [
        (&[5, 4][..], [0, 1]),
        (&[0], [0, 1]),
        (&[], [0, 1]),
        (&[5, 5], [1, 0]),
        (&[5, 5], [2, 1]),
        (&[5, 5], [0, 2]),
    ] {
        let message = reversed(lengths, axes);
        assert!(message.contains("node \"back\" (ReverseSequence): it reverses s"), "{lengths:?}: {message}");
    }
    // Integers are expanded where they are lengths, and not without bound.
    let expanded = |values: &[i64], target: &[i64]| {
        message(|graph| {
            graph.initializer.extend([ints("length", values), ints("shape", target)]);
            graph.node.insert(0, node("Expand", &["length", "shape"], &["large"]));
        })
    };
    assert_eq!(expanded(&[5], &[2]), "no error");
    assert!(expanded(&[5], &[1 << 40]).contains("elements, more than a model of this size"));
    assert!(expanded(&[5, 5], &[3, 2]).contains("it expands more than one integer"));
}

#[test]
fn a_series_must_stay_a_series() {
    let reshaped = |target: &[i64]| {
        message(|graph| {
            graph.initializer.push(ints("target", target));
            graph.node[1] = node("Reshape", &["h", "target"], &["out"]);
        })
    };
    assert_eq!(reshaped(&[2, 4]), "no error");
    for target in [[4, 2].as_slice(), &[8], &[-1, 2], &[2, -1, 2], &[0, 0, 0, 0], &[-1, -1]] {
        let message = reshaped(target);
        assert!(message.contains("without mixing series, steps or features"), "{target:?}: {message}");
    }
}
