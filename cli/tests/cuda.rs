//! The command on CUDA, over the test driver that `kernels/tests/cuda` makes of this processor.

#![cfg(all(feature = "gpu", feature = "libhdf5", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]

use std::path::Path;
use std::process::{Command, Output};

use diapason_tests::cuda::Platform;
use diapason_tests::require;
use serde_json::Value;

fn diapason(folder: &Path, words: &str, settings: &str) -> Output {
    let platform = Platform::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let mut command = Command::new(env!("CARGO_BIN_EXE_diapason"));
    command.args(words.split(' ')).current_dir(folder);
    platform.lend(&mut command, settings, &platform.cache());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn column(path: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

const NAME: &str = "test driver on the processor";

#[test]
fn one_model_gives_one_answer() {
    require!(Cxx);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let on = |words: &str| diapason(folder, words, "processors=4");
    json(&on("--json data generate bars.h5 --rows 1500"));
    let train = "--json train bars.h5 --epochs 2 --hidden 8 --window 12";
    let [cpu, cuda] = ["cpu", "cuda"].map(|device| {
        let report = json(&on(&format!("{train} -o {device}.safetensors --device {device}")));
        assert_eq!(report["device"], device);
        report
    });
    for (cpu, cuda) in cpu["epochs"].as_array().unwrap().iter().zip(cuda["epochs"].as_array().unwrap()) {
        for loss in ["train_loss", "validation_loss"] {
            let (cpu, cuda) = (cpu[loss].as_f64().unwrap(), cuda[loss].as_f64().unwrap());
            assert!((cpu - cuda).abs() <= 1e-3 * cpu, "{loss}: {cpu} and {cuda}");
        }
    }
    json(&on("--json predict cpu.safetensors bars.h5 -o cpu.csv"));
    for (precision, within) in [("f32", 1e-5), ("f16", 2e-3), ("bf16", 1.6e-2)] {
        let words = format!(
            "--json predict cpu.safetensors bars.h5 -o cuda.csv --device cuda --precision {precision}"
        );
        let report = json(&on(&words));
        assert_eq!((&report["device"], &report["isa"]), (&"cuda".into(), &NAME.into()), "{report}");
        let (cpu, cuda) = (column(&folder.join("cpu.csv")), column(&folder.join("cuda.csv")));
        let size = cpu.iter().map(|x| x * x).sum::<f64>().sqrt();
        let off = cpu.iter().zip(&cuda).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        assert!(off <= within * size, "{precision}: {off} of {size}");
    }
    // What breaks leaves no file behind, and ends with the code of a device that failed.
    for (settings, words, wanted) in [
        (
            "breaks=lstm_layer:1:700",
            "predict cpu.safetensors bars.h5 -o none.csv --device cuda",
            "ILLEGAL_ADDRESS",
        ),
        ("version=11080", "predict cpu.safetensors bars.h5 -o none.csv --device cuda", "older than 12.0"),
        (
            "breaks=lstm_backward:2:700",
            "train bars.h5 -o none.csv --epochs 1 --device cuda",
            "ILLEGAL_ADDRESS",
        ),
    ] {
        let output = diapason(folder, words, settings);
        assert!(!output.status.success() && said(&output).contains(wanted), "{}", said(&output));
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
        assert!(!folder.join("none.csv").exists());
    }
}

#[test]
fn the_doctor_names_the_device() {
    require!(Cxx);
    let folder = tempfile::tempdir().unwrap();
    let fact = |settings: &str| {
        let checks = diapason(folder.path(), "--json doctor", settings);
        let checks: Value = serde_json::from_slice(&checks.stdout).unwrap();
        let check = checks.as_array().unwrap().iter().find(|check| check["name"] == "cuda").unwrap().clone();
        check["fact"].as_str().unwrap().to_owned()
    };
    assert!(fact("").contains(NAME), "{}", fact(""));
    assert!(fact("version=11080").contains("older than 12.0"));
}

#[test]
fn what_is_measured_is_checked_first() {
    require!(Cxx);
    let folder = tempfile::tempdir().unwrap();
    let words = "--json bench gpu --device cuda --seconds 0.001";
    let report = json(&diapason(folder.path(), words, "processors=4"));
    assert_eq!((&report["passed"], &report["devices"][0]["name"]), (&true.into(), &NAME.into()));
    let lost = diapason(folder.path(), words, "processors=4,lost=900:719");
    assert_eq!(lost.status.code(), Some(1), "{}", said(&lost));
    assert!(String::from_utf8_lossy(&lost.stdout).contains("CUDA_ERROR_LAUNCH_FAILED"));
}
