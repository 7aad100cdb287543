//! Every bad input gives one clear message and exit code 2, and leaves nothing half written.
//!
//! The table in `docs/bad-input.md` is what this test saw: it fails when the two differ, and
//! `UPDATE_DOCS=1 cargo test -p diapason --test bad_input` writes it anew, to be read before it is committed.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use diapason_tests::need::repository;

const BARS: &str = "timestamp,open,high,low,close,volume\n";

struct Case {
    what: &'static str,
    /// A file to write before the run, and its content.
    file: Option<(&'static str, String)>,
    arguments: &'static str,
}

fn case(what: &'static str, arguments: &'static str) -> Case {
    Case { what, file: None, arguments }
}

fn csv(what: &'static str, rows: &str) -> Case {
    let content = format!("{BARS}{rows}");
    Case { what, file: Some(("in.csv", content)), arguments: "data import in.csv out.h5" }
}

const ROW: &str = "2022-01-03 10:00:00,10,12,9,11,5\n";
const NEXT: &str = "2022-01-03 10:01:00,11,12,10,11.5,6\n";

fn import_cases() -> Vec<Case> {
    let raw = |what, content: &str| Case {
        what,
        file: Some(("in.csv", content.to_owned())),
        arguments: "data import in.csv out.h5",
    };
    vec![
        case("a missing file", "data import nowhere.csv out.h5"),
        case("a folder instead of a file", "data import . out.h5"),
        case("an output folder that does not exist", "data import good.csv nowhere/out.h5"),
        raw("an empty file", ""),
        csv("a header and no row", ""),
        raw("a file that is not text", "\u{0}\u{1}\u{2}\u{0}\u{0}"),
        csv("a ragged row: a field too few", &format!("{ROW}2022-01-03 10:01:00,11,12,10,11.5\n")),
        csv("a ragged row: a field too many", &format!("{ROW}2022-01-03 10:01:00,11,12,10,11.5,6,7\n")),
        csv("text in a number column", &format!("{ROW}2022-01-03 10:01:00,11,12,ten,11.5,6\n")),
        csv("an empty field in a number column", &format!("{ROW}2022-01-03 10:01:00,11,12,,11.5,6\n")),
        csv("a price that is NaN", &format!("{ROW}2022-01-03 10:01:00,11,12,10,NaN,6\n")),
        csv("a price that is infinite", &format!("{ROW}2022-01-03 10:01:00,inf,12,10,11,6\n")),
        csv("a price that is not positive", &format!("{ROW}2022-01-03 10:01:00,11,12,0,11,6\n")),
        csv("a high below the low", &format!("{ROW}2022-01-03 10:01:00,11,9,10,9.5,6\n")),
        csv("a negative volume", &format!("{ROW}2022-01-03 10:01:00,11,12,10,11,-6\n")),
        csv("unsorted times", &format!("{NEXT}{ROW}")),
        csv("a time twice", &format!("{ROW}{ROW}")),
        csv("a time that is none", &format!("{ROW}yesterday,11,12,10,11.5,6\n")),
        csv("a day that is none", &format!("{ROW}2022-02-30 10:01:00,11,12,10,11.5,6\n")),
        raw("a column name twice", &format!("timestamp,close,close\n{}", "2022-01-03 10:00:00,1,2\n")),
        raw("no column of times", "open,high,low,close\n1,2,0.5,1\n2,3,1,2\n"),
        case("a Parquet file that is cut off", "data import cut.parquet out.h5"),
        case("an array with a time that several columns may be", "data import two.npy out.h5"),
        case("an array without a column that is named", "data import two.npy out.h5 --time c"),
        case("an array and names beside those of its columns", "data import two.npy out.h5 --columns a,b"),
        case("an Arrow file that is cut off", "data import cut.arrow out.h5"),
        case("a NumPy array that is cut off", "data import cut.npy out.h5"),
        case("a NumPy array of objects", "data import objects.npy out.h5"),
        case("a NumPy array with too few names", "data import plain.npy out.h5 --columns a"),
        case("appending to a file that is missing", "data import good.csv nowhere.h5 --append"),
        case("appending to a file that is not HDF5", "data import good.csv quotes.csv --append"),
        case("appending to other columns", "data import good.csv quotes.h5 --append"),
        case("appending rows from before the last one", "data import good.csv bars.h5 --append"),
        case("exporting to a form that is not known", "data export good.h5 out.xlsx"),
        case("a search that finds no feature", "features list nosuch"),
        case("computing features into a form that is not known", "features compute good.h5 -o out.xlsx"),
        case("exporting a file that is missing", "data export nowhere.h5 out.parquet"),
        case("a wrong delimiter on the command line", "data import good.csv out.h5 --delimiter x"),
    ]
}

fn file_cases() -> Vec<Case> {
    let foreign = |what, arguments| Case {
        what,
        file: Some(("foreign.h5", "not an HDF5 file at all\n".repeat(50))),
        arguments,
    };
    vec![
        case("an output that is a folder", "train good.h5 -o ."),
        case("an output that is the input", "train good.h5 -o good.h5"),
        case("predictions over the file they are made from", "predict model.safetensors good.h5 -o good.h5"),
        case("predictions over the model", "predict model.safetensors good.h5 -o model.safetensors"),
        case("a time that no clock can count", "train good.h5 -o out.safetensors --seconds 1e20"),
        case(
            "a batch larger than memory allows",
            "train good.h5 -o out.safetensors --window 2000 --batch 65536",
        ),
        case("more threads than a machine could have", "train good.h5 -o out.safetensors --threads 100000"),
        case("inspecting a missing file", "data inspect nowhere.h5"),
        foreign("inspecting a file that is not HDF5", "data inspect foreign.h5"),
        case("inspecting a truncated HDF5 file", "data inspect cut.h5"),
        case("an HDF5 file that is broken inside a chunk", "predict model.safetensors broken.h5"),
        foreign("training on a file that is not HDF5", "train foreign.h5 -o out.safetensors"),
        case("fewer rows than one window", "train short.h5 -o out.safetensors"),
        case("a window that no part has room for", "train good.h5 -o out.safetensors --window 4000"),
        case(
            "an output folder that does not exist, known before training",
            "train good.h5 -o nowhere/out.safetensors --epochs 1 --hidden 4",
        ),
        case("an unknown feature", "train good.h5 -o out.safetensors --features rsii(14)"),
        case(
            "an unknown column in a plan",
            "train good.h5 -o out.safetensors --features ema(closs,20)/close-1",
        ),
        case(
            "a feature over a column that the file lacks",
            "train quotes.h5 -o out.safetensors --features zscore(volume,100)",
        ),
        case("a feature parameter out of range", "train good.h5 -o out.safetensors --features rsi(1)"),
        Case {
            what: "a file of features with one that is unknown",
            file: Some((
                "plan.toml",
                "features = [\n    \"rsi(14)\",\n    \"emaa(close,20)\",\n]\n".to_owned(),
            )),
            arguments: "train good.h5 -o out.safetensors --features @plan.toml",
        },
        Case {
            what: "a file of features that is none",
            file: Some(("plan.toml", "features = \"rsi(14)\"\n".to_owned())),
            arguments: "train good.h5 -o out.safetensors --features @plan.toml",
        },
        case(
            "a file of features that is missing",
            "train good.h5 -o out.safetensors --features @nowhere.toml",
        ),
        case("a plan that breaks off", "train good.h5 -o out.safetensors --features rsi(14"),
        case("a learning rate out of range", "train good.h5 -o out.safetensors --learning-rate 0"),
        case("an optimiser that there is not", "train good.h5 -o out.safetensors --optimizer lion"),
        case("momentum for an optimiser that has none", "train good.h5 -o out.safetensors --momentum 0.9"),
        case("momentum out of range", "train good.h5 -o out.safetensors --optimizer sgd --momentum 1"),
        case("a validation share out of range", "train good.h5 -o out.safetensors --validation 1.5"),
        case("a window out of range", "train good.h5 -o out.safetensors --window 0"),
        case("a model that is missing", "predict nowhere.safetensors good.h5"),
        foreign("a model that is not one", "predict foreign.h5 good.h5"),
        case("a model that is truncated", "predict cut.safetensors good.h5"),
        case("a model with another feature list", "predict model.safetensors good.h5 --features rsi(14)"),
        case("a window for a model that has its own", "predict model.safetensors good.h5 --window 16"),
        case(
            "a recipe for a model that has its own",
            "predict model.safetensors good.h5 --recipe model.safetensors.json",
        ),
        case("a file that lacks a column of the model", "predict model.safetensors quotes.h5"),
        case("a file too short for the model", "predict model.safetensors short.h5"),
        case("streaming a file too short for the model", "predict model.safetensors short.h5 --stream"),
        case("a device that there is not", "predict model.safetensors good.h5 --device tpu"),
        case("a precision that the processor has not", "predict model.safetensors good.h5 --precision f16"),
        case(
            "a precision that GPUs have not",
            "predict model.safetensors good.h5 --device wgpu --precision int8",
        ),
        case("tick by tick on a GPU", "predict model.safetensors good.h5 --device wgpu --stream"),
        case("measuring for no time", "bench gpu --seconds 0"),
        case("measuring the best device instead of each", "bench gpu --device best"),
        case("explaining an unknown feature", "features explain vwapp"),
    ]
}

fn tune_cases() -> Vec<Case> {
    let profile = |what, content: &str| Case {
        what,
        file: Some(("mine.toml", content.to_owned())),
        arguments: "tune plan ./mine.toml",
    };
    let machine = |what, content: &str| Case {
        what,
        file: Some(("etc/diapason/machine.toml", content.to_owned())),
        arguments: "tune plan balanced --root .",
    };
    let knob = |name: &str, value: &str| {
        let value = if value.contains("=") { value.to_owned() } else { format!("value = {value}") };
        format!("summary = \"mine\"\n\n[knob.\"{name}\"]\n{value}\nreason = \"a test\"\nsource = \"none\"\n")
    };
    vec![
        case("an unknown profile", "tune plan trading-low-latncy"),
        case("a file where the daemon takes a name", "tune apply ./mine.toml"),
        case("a root that is not there", "tune plan balanced --root ./nowhere"),
        case("a profile file that is missing", "tune plan ./nowhere.toml"),
        profile("a profile that is not TOML", "summary = \n"),
        profile("an unknown knob", &knob("vm.swapiness", "10")),
        profile("a knob value out of range", &knob("vm.swappiness", "900")),
        profile("a knob value of the wrong type", &knob("vm.swappiness", "\"low\"")),
        profile("two kinds of value for one knob", &knob("vm.swappiness", "value = 1\nat_most = 2")),
        profile("a bound on what is no number", &knob("hugepages.enabled", "at_least = \"always\"")),
        profile(
            "a value without its reason",
            "summary = \"mine\"\n[knob.\"vm.swappiness\"]\nvalue = 1\nsource = \"none\"\n",
        ),
        profile("a condition that is not defined", &knob("vm.swappiness", "value = 1\nwhen = \"gest\"")),
        profile("a condition on an unknown fact", "summary = \"mine\"\n[when.big]\nmemry = \">=64GiB\"\n"),
        profile("a range that is none", "summary = \"mine\"\n[when.new]\nkernel = \"new\"\n"),
        profile("an included profile that is not there", "summary = \"mine\"\ninclude = \"balancd\"\n"),
        machine("a machine's file with an unknown policy", "drift = \"fight\"\n"),
        machine("a machine's file with a role that is no list", "[cpus]\nisolated = \"2 to 7\"\n"),
        machine(
            "a machine's file that gives a CPU two roles",
            "[cpus]\nhousekeeping = \"0-2\"\nisolated = \"2-7\"\n",
        ),
        case("explaining an unknown knob", "tune explain vm.swapiness"),
        case("listing knobs that are not there", "tune knobs nix"),
    ]
}

fn diapason(folder: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_diapason"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env_remove("KERNELS_ISA")
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("the command starts")
}

fn made(folder: &Path, arguments: &str) {
    let output = diapason(folder, &arguments.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The good files that the bad ones are made from.
fn prepare(folder: &Path) {
    std::fs::write(folder.join("good.csv"), format!("{BARS}{ROW}{NEXT}")).unwrap();
    made(folder, "data generate good.h5 --rows 3000");
    made(folder, "data generate short.h5 --rows 20");
    let quotes: String = (0..600)
        .map(|i| format!("20220103 10{:02}{:02}000,1.1{:02},1.2{:02}\n", i / 60, i % 60, i % 7, i % 5))
        .collect();
    std::fs::write(folder.join("quotes.csv"), format!("time,bid,ask\n{quotes}")).unwrap();
    made(folder, "data import quotes.csv quotes.h5");
    made(
        folder,
        "train good.h5 -o model.safetensors --epochs 1 --hidden 4 --features rsi(14),zscore(volume,20)",
    );
    let cut = |from: &str, to: &str| {
        let bytes = std::fs::read(folder.join(from)).unwrap();
        std::fs::write(folder.join(to), &bytes[..bytes.len() / 2]).unwrap();
    };
    cut("good.h5", "cut.h5");
    made(folder, "data import good.csv bars.h5");
    for end in ["parquet", "arrow", "npy"] {
        made(folder, &format!("data export quotes.h5 whole.{end}"));
        cut(&format!("whole.{end}"), &format!("cut.{end}"));
    }
    let array = |kind: &str, shape: &str, bytes: usize| {
        let header = format!("{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; bytes]].concat()
    };
    std::fs::write(folder.join("objects.npy"), array("'|O'", "(2,)", 16)).unwrap();
    std::fs::write(folder.join("plain.npy"), array("'<f8'", "(2, 2)", 32)).unwrap();
    std::fs::write(folder.join("two.npy"), array("[('a', '<M8[s]'), ('b', '<M8[s]')]", "(2,)", 32)).unwrap();
    cut("model.safetensors", "cut.safetensors");
    let mut bytes = std::fs::read(folder.join("good.h5")).unwrap();
    // The frame magic of zstd (RFC 8878); the bytes after it are the compressed rows of a chunk.
    let magic = [0x28, 0xB5, 0x2F, 0xFD];
    let frames: Vec<usize> = (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == magic).collect();
    assert!(!frames.is_empty(), "no zstd frame in the generated file");
    for at in frames {
        bytes[at + 40..at + 56].fill(0xFF);
    }
    std::fs::write(folder.join("broken.h5"), bytes).unwrap();
}

fn listing(folder: &Path) -> BTreeMap<String, u64> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().unwrap().len()))
        .collect()
}

#[test]
fn one_clear_message_each_and_nothing_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let mut page = String::from(
        "# Bad input\n\nWhat each bad input gives: one message, exit code 2, and no file left behind. This page is written by\n\
         `cli/tests/bad_input.rs`, which fails when it no longer tells the truth.\n",
    );
    let mut faults = Vec::new();
    for (title, cases) in
        [("Import", import_cases()), ("Train and predict", file_cases()), ("Tune", tune_cases())]
    {
        let _ = write!(page, "\n## {title}\n\n| input | command | message |\n|---|---|---|\n");
        for case in cases {
            if let Some((name, content)) = &case.file {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
            let before = listing(folder.path());
            let output = diapason(folder.path(), &case.arguments.split(' ').collect::<Vec<_>>());
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.code() != Some(2) {
                faults.push(format!("{}: exit {:?}, {message}", case.what, output.status.code()));
            }
            if listing(folder.path()) != before {
                faults.push(format!("{}: left something behind", case.what));
            }
            if message.contains("panicked") || message.trim().is_empty() {
                faults.push(format!("{}: {message:?}", case.what));
            }
            let shown = message.trim().replace('|', "\\|").replace('\n', "<br>").replace("  ", "&nbsp; ");
            let _ = writeln!(page, "| {} | `diapason {}` | {shown} |", case.what, case.arguments);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let document = repository().join("docs/bad-input.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&document, &page).unwrap();
    }
    let written = std::fs::read_to_string(&document).unwrap_or_default();
    assert!(
        written == page,
        "docs/bad-input.md is out of date; run with UPDATE_DOCS=1 and read the difference"
    );
}
