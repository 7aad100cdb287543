//! The command as a user types it, from a CSV file to predictions.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use diapason_kernels::lstm::Lstm;
use diapason_tests::{need, oracle, require};
use serde_json::Value;

fn diapason(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_diapason"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("KERNELS_ISA")
        .env("XDG_CACHE_HOME", folder)
        // Mesa's own, made as soon as a program looks for a GPU.
        .env("MESA_SHADER_CACHE_DISABLE", "true")
        .output()
        .expect("the command starts")
}

fn json(folder: &Path, arguments: &str) -> Value {
    let mut words = vec!["--json"];
    words.extend(arguments.split(' '));
    let output = diapason(folder, &words);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// Minute bars whose price walks as `seed` says; where `changed` is set, the last three fifths go their own way at their own times.
fn bars(rows: usize, seed: u64, changed: bool) -> String {
    let mut text = String::from("timestamp,open,high,low,close,volume\n");
    let (mut state, mut price) = (seed, 1000.0f64);
    for row in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut step = f64::from((state >> 40) as u32 % 2001) / 1000.0 - 1.0;
        if changed && row >= rows * 2 / 5 {
            step *= -2.0;
        }
        let open = price;
        price = (price + step).max(1.0);
        let (high, low) = (open.max(price) + 0.5, (open.min(price) - 0.5).max(0.5));
        let late = if changed { row.saturating_sub(rows * 2 / 5) * 4 } else { 0 };
        let at = row + late;
        let (day, hour, minute) = (1 + at / 1440, at / 60 % 24, at % 60);
        let volume = 10 + state % 50;
        let _ =
            writeln!(text, "2024-03-{day:02}T{hour:02}:{minute:02}:00Z,{open},{high},{low},{price},{volume}");
    }
    text
}

#[test]
fn imports_trains_and_predicts_the_same_in_batch_and_in_stream() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("bars.csv"), bars(4000, 1, false)).unwrap();
    assert_eq!(json(folder, "data import bars.csv bars.h5")["rows"], 4000);
    assert_eq!(json(folder, "data inspect bars.h5")["rows"], 4000);
    let trained = json(folder, "train bars.h5 -o model.safetensors --epochs 2 --hidden 8");
    assert!(trained["validation"]["count"].as_u64().unwrap() > 700);
    let batch = json(folder, "predict model.safetensors bars.h5 -o batch.csv");
    let stream = json(folder, "predict model.safetensors bars.h5 -o stream.csv --stream");
    assert_eq!(batch["predictions"], stream["predictions"]);
    let read = |name: &str| -> Vec<(i64, f64)> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let row = |line: &str| {
            let (time, value) = line.split_once(',').unwrap();
            (time.parse().unwrap(), value.parse().unwrap())
        };
        text.lines().skip(1).map(row).collect()
    };
    let (batch, stream) = (read("batch.csv"), read("stream.csv"));
    assert_eq!(batch.len(), stream.len());
    let unit = trained["recipe"]["target_unit"].as_f64().unwrap();
    assert!(unit > 0.0 && batch == stream, "batch and stream differ");
    let carried = json(folder, "predict model.safetensors bars.h5 --stream --carry");
    assert!(carried["latency"]["count"].as_u64().unwrap() >= batch.len() as u64);
}

/// The same model as safetensors and as ONNX: equal predictions in batch and in stream, in every precision that was asked for.
#[test]
fn a_model_in_onnx_is_trained_and_predicts_as_one_in_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("bars.csv"), bars(3000, 4, false)).unwrap();
    json(folder, "data import bars.csv bars.h5");
    for name in ["model.safetensors", "model.onnx", "Again.ONNX"] {
        let trained = json(folder, &format!("train bars.h5 -o {name} --epochs 1 --hidden 12 --layers 2"));
        assert_eq!(trained["precision"], "f32");
        let beside: Value =
            serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        assert_eq!(beside["recipe"]["features"], trained["recipe"]["features"]);
    }
    let predict = |name: &str, more: &str| {
        json(folder, &format!("predict {name} bars.h5 -o out.csv{more}"));
        std::fs::read_to_string(folder.join("out.csv")).unwrap()
    };
    for more in ["", " --precision bf16", " --precision int8", " --stream", " --stream --carry"] {
        let wanted = predict("model.safetensors", more);
        assert!(wanted.lines().count() > 500, "{more}");
        assert_eq!(predict("model.onnx", more), wanted, "{more}");
        assert_eq!(predict("Again.ONNX", more), wanted, "{more}");
    }
    // Half a file, and a model without its recipe.
    let bytes = std::fs::read(folder.join("model.onnx")).unwrap();
    std::fs::write(folder.join("half.onnx"), &bytes[..bytes.len() / 2]).unwrap();
    let output = diapason(folder, &["predict", "half.onnx", "bars.h5"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && message.contains("half.onnx"), "{message}");
}

#[test]
fn a_model_trained_in_bf16_predicts_and_repeats_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("bars.csv"), bars(3000, 5, false)).unwrap();
    json(folder, "data import bars.csv bars.h5");
    let train = |name: &str, more: &str| {
        let trained = json(folder, &format!("train bars.h5 -o {name} --epochs 2 --hidden 20 {more}"));
        let losses = trained["epochs"].as_array().unwrap().iter().map(|epoch| epoch["train_loss"].clone());
        (losses.collect::<Vec<_>>(), std::fs::read(folder.join(name)).unwrap())
    };
    let one = train("one.safetensors", "--precision bf16 --threads 1");
    assert_eq!(train("two.safetensors", "--precision bf16 --threads 2"), one);
    let full = train("full.safetensors", "--threads 1");
    assert_ne!(full.1, one.1);
    for (full, narrow) in full.0.iter().zip(&one.0) {
        let (full, narrow) = (full.as_f64().unwrap(), narrow.as_f64().unwrap());
        assert!((narrow / full - 1.0).abs() < 0.01, "{narrow} beside {full}");
    }
    json(folder, "predict one.safetensors bars.h5");
    let output = diapason(folder, &["train", "bars.h5", "-o", "no.onnx", "--precision", "int8"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && message.contains("expected f32 or bf16"), "{message}");
}

/// A module through torch.onnx.export, whose file knows nothing of features and windows, against the module itself.
#[test]
fn a_model_that_pytorch_exported_predicts_on_a_file_what_pytorch_predicts() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (source, model) = (folder.join("bars.csv"), folder.join("model.onnx"));
    std::fs::write(&source, bars(700, 9, false)).unwrap();
    json(folder, "data import bars.csv bars.h5");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/exported.py");
    let answer = oracle::ask(&script, &[source.to_str().unwrap(), model.to_str().unwrap(), "24"], b"");
    let wanted: Vec<[f64; 2]> = serde_json::from_slice(&answer).unwrap();
    let features = "log_return(close,1), (close/open-1)*100";
    let predict = |more: &str| -> Result<(Value, Vec<f64>), String> {
        let mut words =
            vec!["--json", "predict", "model.onnx", "bars.h5", "-o", "out.csv", "--features", features];
        words.extend(more.split(' '));
        let output = diapason(folder, &words);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = std::fs::read_to_string(folder.join("out.csv")).unwrap();
        let value = |line: &str| line.split_once(',').unwrap().1.parse().unwrap();
        Ok((serde_json::from_slice(&output.stdout).unwrap(), text.lines().skip(1).map(value).collect()))
    };
    for output in [0, 1] {
        let (report, batch) = predict(&format!("--window 24 --output {output}")).unwrap();
        assert_eq!(
            (batch.len(), &report["later"], &report["earlier"]),
            (wanted.len(), &Value::Null, &Value::Null)
        );
        for (ours, theirs) in batch.iter().zip(&wanted) {
            assert!((ours - theirs[output]).abs() < 1e-5, "{ours} {theirs:?}");
        }
        let (_, stream) = predict(&format!("--window 24 --output {output} --stream")).unwrap();
        assert_eq!(stream, batch);
        let (report, scaled) =
            predict(&format!("--window 24 --output {output} --unit 0.25 --horizon 3 --gap 600")).unwrap();
        assert!(report["earlier"]["count"].as_u64().unwrap() > 600 && report["later"].is_null());
        assert!(scaled.iter().zip(&batch).all(|(scaled, ours)| *scaled == ours * 0.25));
    }
    let refused = |more: &str, wanted: &str| {
        let message = predict(more).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    };
    refused(
        "--threads 1",
        "has no usable recipe under \"recipe\" (it is missing); for a model of another program say",
    );
    refused("--window 24", "the model gives 2 values; say which one with --output, counted from 0");
    refused("--window 24 --output 2", "the model gives 2 values; say which one with --output");
    refused("--window 24 --output 0 --precision bf16", "bf16 was asked for, but this model runs in f32 only");
    refused("--window 24 --output 0 --stream --carry", "reads the series from its end");
    let other =
        ["predict", "model.onnx", "bars.h5", "--features", "rsi(14)", "--window", "24", "--output", "0"];
    let message = diapason(folder, &other).stderr;
    let message = String::from_utf8_lossy(&message);
    assert!(message.contains("the model reads 2 values of a row, and --features gives 1"), "{message}");
}

/// A model whose file lost its recipe, and the recipe that lies beside it.
#[test]
fn a_recipe_can_be_given_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("bars.csv"), bars(2500, 8, false)).unwrap();
    json(folder, "data import bars.csv bars.h5");
    json(folder, "train bars.h5 -o model.onnx --epochs 1 --hidden 8");
    let mut bare = Lstm::load(&folder.join("model.onnx")).unwrap();
    bare.metadata_mut().clear();
    bare.save(&folder.join("bare.onnx")).unwrap();
    json(folder, "predict model.onnx bars.h5 -o wanted.csv");
    json(folder, "predict bare.onnx bars.h5 -o got.csv --recipe model.onnx.json");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("got.csv"), read("wanted.csv"));
    std::fs::write(folder.join("broken.json"), "{\"recipe\": {\"features\": 3}}").unwrap();
    for (arguments, wanted) in [
        (
            "predict model.onnx bars.h5 --window 32",
            "--window is for models without a recipe, and this one has its own",
        ),
        ("predict model.onnx bars.h5 --recipe model.onnx.json", "--recipe is for models without a recipe"),
        (
            "predict bare.onnx bars.h5 --recipe broken.json",
            "broken.json: the model file has no usable recipe",
        ),
        (
            "predict bare.onnx bars.h5 --recipe nowhere.json",
            "nowhere.json: the model file has no usable recipe",
        ),
        ("predict bare.onnx bars.h5", "bare.onnx: the model file has no usable recipe"),
        ("predict bare.onnx bars.h5 --recipe model.onnx.json --window 3", "cannot be used with"),
    ] {
        let output = diapason(folder, &arguments.split(' ').collect::<Vec<_>>());
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && message.contains(wanted), "{message}");
    }
}

#[test]
fn the_optimiser_and_the_truncation_are_a_choice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("bars.csv"), bars(2500, 6, false)).unwrap();
    json(folder, "data import bars.csv bars.h5");
    let train = |more: &str| {
        json(folder, &format!("train bars.h5 -o model.safetensors --epochs 1 --hidden 8{more}"));
        std::fs::read(folder.join("model.safetensors")).unwrap()
    };
    let plain = train("");
    assert_eq!(train(" --optimizer adamw --learning-rate 0.001 --truncation 32"), plain);
    let others = [
        " --optimizer sgd",
        " --optimizer sgd --nesterov",
        " --optimizer sgd --momentum 0 --learning-rate 2",
        " --optimizer adam --weight-decay 0.01",
        " --weight-decay 0.01",
        " --truncation 5",
    ]
    .map(train);
    let all: std::collections::BTreeSet<_> = others.iter().chain([&plain]).collect();
    assert_eq!(all.len(), 7, "each option changes the model");
    for (more, wanted) in [
        ("--optimizer lion", "expected adamw or adam or sgd"),
        ("--optimizer sgd --momentum 1", "momentum is 1; it must be at least 0 and below 1"),
        ("--optimizer sgd --momentum 0 --nesterov", "momentum is 0; it must be above 0 with nesterov"),
        ("--nesterov", "--nesterov needs --optimizer sgd"),
        ("--learning-rate 2", "learning_rate is 2; it must be above 0 and at most 1"),
    ] {
        let arguments = format!("train bars.h5 -o no.safetensors {more}");
        let output = diapason(folder, &arguments.split(' ').collect::<Vec<_>>());
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && message.contains(wanted), "{message}");
        assert!(!folder.join("no.safetensors").exists());
    }
}

#[test]
fn what_is_learnt_does_not_depend_on_rows_kept_for_validation() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut models = Vec::new();
    for (name, changed) in [("a", false), ("b", true)] {
        std::fs::write(folder.join(format!("{name}.csv")), bars(3000, 5, changed)).unwrap();
        json(folder, &format!("data import {name}.csv {name}.h5"));
        // One epoch, so that the validation has no say in which weights are kept.
        json(
            folder,
            &format!("train {name}.h5 -o {name}.safetensors --validation 0.6 --epochs 1 --hidden 4"),
        );
        models.push(std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap());
    }
    assert!(models[0] == models[1], "the model changed with rows that it must not see");
}

#[test]
fn what_is_predicted_does_not_depend_on_later_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("a.csv"), bars(3000, 9, false)).unwrap();
    std::fs::write(folder.join("b.csv"), bars(3000, 9, true)).unwrap();
    json(folder, "data import a.csv a.h5");
    json(folder, "data import b.csv b.h5");
    json(folder, "train a.h5 -o m.safetensors --epochs 1 --hidden 4");
    let predicted = |name: &str| -> Vec<String> {
        json(folder, &format!("predict m.safetensors {name}.h5 -o {name}.out"));
        std::fs::read_to_string(folder.join(format!("{name}.out")))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let (a, b) = (predicted("a"), predicted("b"));
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    // The header, and every window that ends before row 1200, where the two files part.
    let windows_before = a.len() - 1800;
    assert!(same >= windows_before, "only {same} of {windows_before} predictions are the same");
}

#[test]
fn times_of_other_programs_files_are_checked() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    json(folder, "data generate good.h5 --rows 3000 --codec plain");
    json(folder, "train good.h5 -o m.safetensors --epochs 1 --hidden 4");
    let script = folder.join("spoil.py");
    let text = "import sys, h5py, hdf5plugin, numpy\n\
        good = h5py.File('good.h5')\n\
        for name, spoil in {'reversed': lambda t: t[::-1], 'repeated': lambda t: numpy.sort(numpy.r_[t[:1500], t[:1500]]),\n\
                            'seconds': lambda t: t // 10**9}.items():\n\
            \x20with h5py.File(name + '.h5', 'w') as out:\n\
                \x20\x20for column in good: out[column] = spoil(good[column][:]) if column == 'timestamp' else good[column][:]\n\
        with h5py.File('price.h5', 'w') as out:\n\
            \x20for column in good:\n\
                \x20\x20values = good[column][:]\n\
                \x20\x20if column == 'close': values[2500] = numpy.nan\n\
                \x20\x20out[column] = values\n";
    std::fs::write(&script, text).unwrap();
    let made =
        Command::new(diapason_tests::oracle::python()).arg(&script).current_dir(folder).status().unwrap();
    assert!(made.success());
    for (file, word) in [
        ("reversed", "sort the rows"),
        ("repeated", "one row for each time"),
        ("seconds", "nanoseconds"),
        ("price", "row 2500"),
    ] {
        for command in [
            "train FILE -o x.safetensors --epochs 1",
            "predict m.safetensors FILE",
            "predict m.safetensors FILE --stream",
        ] {
            let command = command.replace("FILE", &format!("{file}.h5"));
            let output = diapason(folder, &command.split(' ').collect::<Vec<_>>());
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{command}: {message}");
            assert!(message.contains(word), "{command}: {message}");
        }
    }
}

#[test]
fn equal_seeds_give_equal_models_at_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    json(folder, "data generate bars.h5 --rows 4000 --seed 3");
    let model = |threads: usize| {
        json(folder, &format!("train bars.h5 -o m.safetensors --epochs 1 --hidden 8 --threads {threads}"));
        std::fs::read(folder.join("m.safetensors")).unwrap()
    };
    let one = model(1);
    assert!(one == model(2) && one == model(3), "the number of threads changed the model");
}

#[test]
fn the_demonstration_runs_on_generated_bars() {
    let folder = tempfile::tempdir().unwrap();
    let shown = json(folder.path(), "demo --seconds 0.5");
    assert_eq!(shown["rows"], 200_000);
    assert!(shown["stream_difference"].as_f64().unwrap() <= 1e-4);
    let page = std::fs::read_to_string(folder.path().join("demo-report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 3);
    let outside = page.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "");
    assert!(
        !outside.contains("http") && !page.contains("<script"),
        "the page asks the network for something"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn the_demonstration_runs_on_real_bars_and_quotes() {
    require!(Shared);
    for (file, rows, price) in [
        ("btc-perp-1m-2022-01.csv", 45_031, "close"),
        ("gbpusd-1m-bid-2012.csv", 30_117, "close"),
        ("quote-ticks.csv", 9_500, "(bid + ask) / 2"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = need::shared(file);
        let output = diapason(
            folder.path(),
            &["demo", "--seconds", "0.5", "--json", "--keep", ".", "--data", path.to_str().unwrap()],
        );
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(shown["rows"], rows, "{file}");
        assert!(
            shown["stream_difference"].as_f64().unwrap() <= 1e-4,
            "{file}: {}",
            shown["stream_difference"]
        );
        let loss = shown["training"]["validation"]["mse"].as_f64().unwrap();
        assert!(loss.is_finite() && loss > 0.0, "{file}: validation loss {loss}");
        let recipe = &shown["training"]["recipe"];
        assert!(recipe["target_unit"].as_f64().unwrap() > 0.0, "{file} predicts {price}");
    }
}

#[test]
fn computed_features_are_the_same_numbers_in_every_form() {
    const ROWS: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("bars.csv"), bars(ROWS, 1, false)).unwrap();
    json(folder, "data import bars.csv bars.h5");
    let plan = "rsi(14),ema(close,20)/close-1,mfi(14)";
    let numbers = |file: &str| {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        bytes[bytes.len() - ROWS * 4 * size_of::<f64>()..].to_vec()
    };
    json(folder, &format!("features compute bars.h5 --features {plan} -o direct.npy"));
    let direct = numbers("direct.npy");
    for end in ["h5", "hdf5", "parquet", "arrow", "feather"] {
        let report = json(folder, &format!("features compute bars.h5 --features {plan} -o out.{end}"));
        assert_eq!(report["out"], format!("out.{end}"));
        let file = match end {
            "h5" | "hdf5" => format!("out.{end}"),
            _ => {
                json(folder, &format!("data import out.{end} back.h5"));
                "back.h5".to_owned()
            }
        };
        json(folder, &format!("data export {file} back.npy"));
        assert!(numbers("back.npy") == direct, "{end}");
    }
    // A value that is not known yet is an empty field.
    json(folder, &format!("features compute bars.h5 --features {plan} -o out.csv"));
    let text = std::fs::read_to_string(folder.join("out.csv")).unwrap();
    assert_eq!(text.lines().count(), 1 + ROWS);
    for (line, record) in text.lines().skip(1).zip(direct.chunks_exact(4 * size_of::<f64>())) {
        for (field, value) in line.split(',').zip(record.as_chunks().0).skip(1) {
            let value = f64::from_le_bytes(*value);
            assert!(if value.is_nan() { field.is_empty() } else { field.parse() == Ok(value) }, "{line}");
        }
    }
    let refused = diapason(folder, &["features", "compute", "bars.h5", "-o", "out.xlsx"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(".parquet"), "{refused:?}");
}
