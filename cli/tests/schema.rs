//! What the command prints, and profiles, against the published schemas.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of a test fail by panicking, as the test does"
)]

#[path = "schema/features.rs"]
mod features;
#[path = "schema/live.rs"]
mod live;

use std::path::{Path, PathBuf};
use std::process::Command;

use diapason_tests::need::repository;
use serde_json::Value;

fn schema(name: &str) -> jsonschema::Validator {
    let path = repository().join(format!("docs/schema/{name}.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn faults(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// What a command prints for the host, or for a tree.
fn printed(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_diapason")).arg("--json").args(arguments).output().unwrap();
    let code = output.status.code();
    assert!(
        matches!(code, Some(0 | 1)),
        "{arguments:?}: {code:?} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn toml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::to_value(table).unwrap()
}

#[test]
fn what_is_printed_is_what_is_published() {
    // A tree in which everything is there: disks, a card, processors.
    let tree = repository().join("daemon/tests/roots/02-disks/in").display().to_string();
    for (name, arguments) in [
        ("tune-plan", vec!["tune", "plan", "trading-low-latency"]),
        ("tune-plan", vec!["tune", "plan", "training-throughput", "--root", &tree]),
        ("tune-verify", vec!["tune", "verify", "balanced"]),
        ("tune-explain", vec!["tune", "explain", "vm.swappiness"]),
        ("tune-explain", vec!["tune", "explain", "block.scheduler", "--root", &tree]),
        ("tune-conflicts", vec!["tune", "conflicts"]),
        ("tune-conflicts", vec!["tune", "conflicts", "trading-low-latency"]),
        ("tune-recommend", vec!["tune", "recommend"]),
        ("tune-knobs", vec!["tune", "knobs"]),
        ("tune-list", vec!["tune", "list"]),
        ("tune-env", vec!["tune", "env", "training-throughput"]),
    ] {
        let value = printed(&arguments);
        assert_eq!(faults(&schema(name), &value), Vec::<String>::new(), "{arguments:?}");
    }
}

#[test]
fn every_shipped_profile_is_valid() {
    let validator = schema("profile");
    let mut count = 0;
    for entry in std::fs::read_dir(repository().join("profiles")).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            assert_eq!(faults(&validator, &toml(&path)), Vec::<String>::new(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 3);
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    let (profile, machine) = (schema("profile"), schema("machine"));
    let folder = tempfile::tempdir().unwrap();
    let knob = |name: &str, rest: &str| {
        format!("summary = \"s\"\n[knob.\"{name}\"]\n{rest}\nreason = \"r\"\nsource = \"s\"\n")
    };
    let good = knob("vm.swappiness", "value = 10");
    let read = |text: &str| {
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, text).unwrap();
        let shown = path.display().to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_diapason"))
            .args(["tune", "plan", &shown, "--root", &folder.path().display().to_string()])
            .output()
            .unwrap();
        (output.status.code(), toml(&path))
    };
    let (code, value) = read(&good);
    assert_eq!((code, faults(&profile, &value)), (Some(0), Vec::new()));
    for bad in [
        knob("vm.swapiness", "value = 10"),
        knob("vm.swappiness", "value = 900"),
        knob("vm.swappiness", "value = true"),
        knob("vm.swappiness", "value = 1\nat_most = 2"),
        knob("vm.swappiness", "on = \"sd*\"\nvalue = 1"),
        knob("hugepages.enabled", "value = \"perhaps\""),
        knob("hugepages.enabled", "at_least = \"always\""),
        good.replace("reason = \"r\"", ""),
        good.replace("summary = \"s\"", "sumary = \"s\""),
        format!("{good}[when.x]\nkernal = \"6\"\n"),
        format!("{good}[[fits]]\nscore = 0\nreason = \"r\"\n"),
        format!("{good}[environment.\"A B\"]\nvalue = 1\nreason = \"r\"\n"),
    ] {
        let (code, value) = read(&bad);
        assert_eq!(code, Some(2), "{bad}");
        assert!(!faults(&profile, &value).is_empty(), "the schema takes {bad}");
    }
    for (text, good) in [
        (
            "drift = \"reapply\"\n[cpus]\nisolated = \"2-7\"\n[[never]]\ndevice = \"sda\"\nreason = \"r\"\n",
            true,
        ),
        ("[knob.\"vm.swappiness\"]\nvalue = 1\nreason = \"r\"\n", true),
        ("drift = \"fight\"\n", false),
        ("[cpus]\nisolated = \"two\"\n", false),
        ("[[never]]\nreason = \"r\"\n", false),
        ("[knob.\"vm.swappiness\"]\nvalue = 1\n", false),
    ] {
        let path = folder.path().join("machine.toml");
        std::fs::write(&path, text).unwrap();
        assert_eq!(faults(&machine, &toml(&path)).is_empty(), good, "{text}");
    }
}
