//! The same model on the processor and on a GPU (here Mesa's lavapipe will do), and what is said where there is none.

#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]

use std::path::Path;
use std::process::{Command, Output};

fn diapason(folder: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_diapason"))
        .args(words.split(' '))
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[cfg(not(feature = "gpu"))]
#[test]
fn a_build_without_gpus_says_how_to_get_one_with() {
    let folder = tempfile::tempdir().unwrap();
    for words in
        ["predict a.safetensors b.h5 --device wgpu", "train b.h5 -o a.safetensors --device cuda", "bench gpu"]
    {
        let output = diapason(folder.path(), words);
        assert_eq!(output.status.code(), Some(3), "{words}: {}", said(&output));
        let message = said(&output);
        assert!(message.contains("which this build lacks; install the released package"), "{message}");
    }
}

#[cfg(feature = "gpu")]
mod with_gpus {
    use diapason_tests::need::{self, Need, repository};
    use serde_json::Value;

    use super::*;

    /// Runs `words` with `--device wgpu`, or skips where there is no adapter.
    fn on_wgpu(folder: &Path, words: &str) -> Option<Output> {
        let output = diapason(folder, &format!("{words} --device wgpu"));
        let lack = said(&output).contains("no GPU adapter").then(|| said(&output));
        if lack.is_some() {
            assert_eq!(output.status.code(), Some(3));
        }
        need::met(Need::Wgpu, lack).then_some(output)
    }

    fn json(output: &Output) -> Value {
        assert!(output.status.success(), "{}", said(output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn column(path: &Path) -> Vec<f64> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn one_model_gives_one_answer() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(diapason(folder, "data generate bars.h5 --rows 3000").status.success());
        let train = "train bars.h5 -o model.safetensors --epochs 1 --hidden 12 --layers 2";
        assert!(diapason(folder, train).status.success());
        let cpu = json(&diapason(folder, "--json predict model.safetensors bars.h5 -o cpu.csv"));
        assert_eq!(cpu["device"], "cpu");
        let Some(output) = on_wgpu(folder, "--json predict model.safetensors bars.h5 -o wgpu.csv") else {
            return;
        };
        let gpu = json(&output);
        assert_eq!(gpu["device"], "wgpu");
        assert_eq!(gpu["predictions"], cpu["predictions"]);
        let (cpu, gpu) = (column(&folder.join("cpu.csv")), column(&folder.join("wgpu.csv")));
        let size = cpu.iter().map(|x| x * x).sum::<f64>().sqrt();
        let off = cpu.iter().zip(&gpu).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        assert!(off <= 1e-5 * size, "{off} of {size}");

        let best = json(&diapason(folder, "--json predict model.safetensors bars.h5 --device best"));
        let why = best["why"].as_str().unwrap();
        assert!(why.contains("chosen") && why.contains("cpu ") && why.contains("cuda"), "{why}");
        let whole =
            diapason(folder, "--json predict model.safetensors bars.h5 --device best --precision int8");
        assert_eq!(json(&whole)["why"], "cpu, since nothing else multiplies int8");
    }

    #[test]
    fn one_training_goes_one_way() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(diapason(folder, "data generate bars.h5 --rows 2000").status.success());
        let train = "--json train bars.h5 --epochs 2 --hidden 8 --window 12";
        let cpu = json(&diapason(folder, &format!("{train} -o cpu.safetensors")));
        let Some(output) = on_wgpu(folder, &format!("{train} -o wgpu.safetensors")) else { return };
        let gpu = json(&output);
        assert_eq!((&cpu["device"], &gpu["device"]), (&"cpu".into(), &"wgpu".into()));
        for (cpu, gpu) in cpu["epochs"].as_array().unwrap().iter().zip(gpu["epochs"].as_array().unwrap()) {
            for loss in ["train_loss", "validation_loss"] {
                let (cpu, gpu) = (cpu[loss].as_f64().unwrap(), gpu[loss].as_f64().unwrap());
                assert!((cpu - gpu).abs() <= 1e-3 * cpu, "{loss}: {cpu} and {gpu}");
            }
        }
        let refused = on_wgpu(folder, "train bars.h5 -o a.safetensors --epochs 1 --truncation 3").unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(said(&refused).contains("go back to the start of a window, or train on the cpu"));
        assert!(!folder.join("a.safetensors").exists());
    }

    #[test]
    fn what_is_measured_is_as_published() {
        let folder = tempfile::tempdir().unwrap();
        let measured = diapason(folder.path(), "--json bench gpu --seconds 0.001 --out report.json");
        is_as_published(&json(&measured));
        let kept = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), json(&measured));
        // On the processor alone, as the kernels' own tests sit the exams of every device.
        let tested = diapason(folder.path(), "--json bench gpu --selftest --seconds 0.001 --device cpu");
        is_as_published(&json(&tested));
        assert!(json(&tested)["devices"][0]["marks"].as_array().unwrap().len() >= 30);
    }

    fn is_as_published(report: &Value) {
        let path = repository().join("docs/schema/bench-gpu.schema.json");
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        let faults: Vec<String> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(report["passed"], true);
    }

    #[test]
    fn the_doctor_names_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let checks = diapason(folder.path(), "--json doctor");
        let checks: Value = serde_json::from_slice(&checks.stdout).unwrap();
        for kind in ["wgpu", "cuda"] {
            let check = checks.as_array().unwrap().iter().find(|check| check["name"] == kind).unwrap();
            assert!(!check["fact"].as_str().unwrap().is_empty());
        }
    }
}
