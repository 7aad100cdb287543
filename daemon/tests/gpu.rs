//! GPUs through NVIDIA's library, which is a small one of our own here (`gpu/library.c`), compiled when the test runs and
//! loaded as the real one is: by its name, at run time. What a real driver makes of it is not shown by this.
//!
//! Each step is a process of its own, as the library and the daemon's memory of it end with the process: the steps are the
//! ignored tests below, which the others start.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use diapason_daemon::apply::Tuning;
use diapason_daemon::apply::report::{ApplyReport, Ending, Fate};
use diapason_daemon::host::Host;
use diapason_daemon::journal::Journal;
use diapason_daemon::knob::Instance;
use diapason_daemon::plan::Plan;
use diapason_daemon::profile::Library;
use diapason_daemon::root::Root;
use diapason_tests::Need;
use diapason_tests::need::met;

const FOLDER: &str = "GPU_TEST_FOLDER";
const UUIDS: [&str; 2] =
    ["GPU-4f2c9a10-7d3e-11ee-b962-0242ac120002", "GPU-9b1f0c52-7d3e-11ee-b962-0242ac120002"];
const PROFILE: &str = r#"summary = "s"
[knob."gpu.persistence_mode"]
value = 1
reason = "r"
source = "s"
[knob."gpu.power_limit_mw"]
value = 250000
reason = "r"
source = "s"
[knob."gpu.applications_clocks_mhz"]
value = "1215 1410"
reason = "r"
source = "s"
[knob."gpu.compute_mode"]
value = "exclusive_process"
reason = "r"
source = "s"
[knob."gpu.auto_boost"]
value = 0
reason = "r"
source = "s"
"#;

/// A folder with the library, two GPUs, a profile and a place for journals; `None` without a C compiler.
fn bed() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/library.c");
    let library = folder.path().join("libnvidia-ml.so.1");
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-Wall", "-o"]).args([&library, &source]).status();
    let lacking = compiled.as_ref().err().map(|_| "no C compiler".to_owned());
    if !met(Need::Root, lacking) {
        return None;
    }
    assert!(compiled.unwrap().success());
    let gpu = |uuid: &str, numbers: [u32; 6]| {
        let mut bytes = uuid.as_bytes().to_vec();
        bytes.resize(64, 0);
        numbers.iter().for_each(|number| bytes.extend(number.to_ne_bytes()));
        bytes
    };
    let state =
        [gpu(UUIDS[0], [0, 400_000, 1215, 1095, 0, 0]), gpu(UUIDS[1], [1, 400_000, 1215, 1095, 0, 1])];
    std::fs::write(folder.path().join("gpus"), state.concat()).unwrap();
    std::fs::write(folder.path().join("training.toml"), PROFILE).unwrap();
    for name in ["run", "state"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    Some(folder)
}

/// Runs the ignored test `step` in a process that finds the library in `folder`.
fn run(step: &str, folder: &Path, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", step, "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env("LD_LIBRARY_PATH", folder)
        .env("FAKE_NVML_STATE", folder.join("gpus"))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{step}: {said}");
}

fn state(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("gpus")).unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os(FOLDER).unwrap())
}

fn tuning() -> Tuning {
    let at = |name: &str| Root::new(folder().join(name));
    Tuning::open(Root::new("/"), Journal::open(at("run"), at("state"), "boot").unwrap())
}

fn apply(tuning: &mut Tuning) -> ApplyReport {
    let root = Root::new("/");
    let profile = Library::new(&root).load(folder().join("training.toml").to_str().unwrap()).unwrap();
    tuning.apply(&Plan::make(&profile, &Host::read(&root).unwrap(), &root).unwrap()).unwrap()
}

fn value(gpu: usize, setting: &str) -> Option<String> {
    Instance::find(&format!("gpu.{}.{setting}", UUIDS[gpu])).unwrap().read(&Root::new("/")).unwrap()
}

#[test]
fn what_is_set_by_one_process_is_given_back_by_another() {
    let Some(folder) = bed() else { return };
    let before = state(folder.path());
    run("step_apply", folder.path(), &[]);
    assert_ne!(state(folder.path()), before);
    run("step_roll_back", folder.path(), &[]);
    assert_eq!(state(folder.path()), before);
}

#[test]
#[ignore = "a step of another test"]
fn step_apply() {
    assert_eq!(value(0, "auto_boost"), None, "NOT_SUPPORTED is absence");
    assert_eq!(value(1, "auto_boost").as_deref(), Some("1"));
    let report = apply(&mut tuning());
    assert_eq!(report.ending, Ending::Applied, "{report:?}");
    let written = report.outcomes.iter().filter(|outcome| outcome.fate == Fate::Written).count();
    assert_eq!(written, 8, "{report:?}");
    let settings = ["persistence_mode", "power_limit_mw", "applications_clocks_mhz", "compute_mode"];
    for gpu in 0..2 {
        let values = settings.map(|setting| value(gpu, setting).unwrap());
        assert_eq!(values, ["1", "250000", "1215 1410", "exclusive_process"], "{gpu}");
    }
    let again = apply(&mut tuning());
    assert!(again.outcomes.iter().all(|outcome| outcome.fate == Fate::Already), "{again:?}");
}

#[test]
#[ignore = "a step of another test"]
fn step_roll_back() {
    let mut tuning = tuning();
    assert_eq!(tuning.journal().ledger().held.len(), 8);
    let report = tuning.rollback().unwrap();
    assert!(report.complete, "{report:?}");
}

#[test]
fn a_refusal_undoes_everything_and_says_which() {
    let Some(folder) = bed() else { return };
    let before = state(folder.path());
    for (refusal, expected) in [
        ("clocks=4", "Operation not permitted; the process lacks a capability"),
        ("mode=3", "Operation not supported"),
        ("power=2", "Invalid argument; this kernel does not take that value here"),
        ("power=19", "Device or resource busy"),
        ("mode=15", "No such device"),
    ] {
        run("step_refused", folder.path(), &[("FAKE_NVML_REFUSE", refusal), ("EXPECTED", expected)]);
        assert_eq!(state(folder.path()), before, "{refusal}");
    }
}

#[test]
#[ignore = "a step of another test"]
fn step_refused() {
    let report = apply(&mut tuning());
    assert_eq!(report.ending, Ending::Undone, "{report:?}");
    let (said, expected) = (report.error.unwrap(), std::env::var("EXPECTED").unwrap());
    assert!(said.contains(&expected) && said.contains("gpu.GPU-"), "{said}");
}

#[test]
fn without_a_driver_or_its_library_there_is_no_gpu() {
    let Some(folder) = bed() else { return };
    // NVML_ERROR_DRIVER_NOT_LOADED.
    run("step_absent", folder.path(), &[("FAKE_NVML_INIT", "9"), ("EXPECTED", "driver")]);
    std::fs::write(folder.path().join("libnvidia-ml.so.1"), "no library").unwrap();
    run("step_absent", folder.path(), &[("EXPECTED", "driver")]);
    // A driver whose library is of another version is no absence: somebody has to mend it.
    let Some(folder) = bed() else { return };
    run("step_mismatch", folder.path(), &[("FAKE_NVML_INIT", "18")]);
}

#[test]
#[ignore = "a step of another test"]
fn step_absent() {
    let root = Root::new("/");
    assert!(root.gpus().unwrap().is_empty());
    let report = apply(&mut tuning());
    assert!(report.ending == Ending::Applied, "{report:?}");
    for outcome in &report.outcomes {
        let detail = outcome.detail.clone().unwrap_or_default();
        assert!(outcome.fate == Fate::Absent && detail.contains("driver"), "{outcome:?}");
    }
}

#[test]
#[ignore = "a step of another test"]
fn step_mismatch() {
    let said = Root::new("/").gpus().unwrap_err().to_string();
    assert!(
        said.starts_with("libnvidia-ml.so.1 does not answer: RM detects a driver/library version mismatch"),
        "{said}"
    );
}
