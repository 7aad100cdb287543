//! Features that are kept between runs: found by the next one, with the same bits as without, and never a reason to fail.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    /// A folder with bars of a generated market.
    fn new() -> Self {
        let bed = Self { folder: tempfile::tempdir().unwrap() };
        bed.json("data generate bars.h5 --rows 3000");
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn json_in(&self, cache: &Path, arguments: &str) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_diapason"))
            .arg("--json")
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .env("XDG_CACHE_HOME", cache)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn json(&self, arguments: &str) -> Value {
        self.json_in(&self.path("cache"), arguments)
    }

    fn results(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("cache/diapason")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn the_second_run_finds_what_the_first_computed() {
    let bed = Bed::new();
    let without = bed.json("features compute bars.h5 -o without.npy --no-cache");
    assert_eq!(without["cache"], "off");
    assert!(!bed.path("cache").exists());
    for (out, state) in [("first.npy", "made"), ("second.npy", "hit")] {
        let report = bed.json(&format!("features compute bars.h5 -o {out}"));
        assert_eq!(report["cache"], state);
        assert!(bed.read(out) == bed.read("without.npy"), "{out} differs");
        for fact in ["rows", "features", "not_finite"] {
            assert_eq!(report[fact], without[fact]);
        }
    }
    // Training and predicting need the same features, so they find them.
    let train = "train bars.h5 --epochs 1 --hidden 4 -o";
    let (with, without) = (
        bed.json(&format!("{train} with.safetensors")),
        bed.json(&format!("{train} without.safetensors --no-cache")),
    );
    assert_eq!((&with["cache"], &without["cache"]), (&"hit".into(), &"off".into()));
    assert!(bed.read("with.safetensors") == bed.read("without.safetensors"), "the models differ");
    for fact in ["recipe", "validation", "missing_values", "values", "gaps"] {
        assert_eq!(with[fact], without[fact], "{fact}");
    }
    let predict = "predict with.safetensors bars.h5 -o";
    let (with, without) =
        (bed.json(&format!("{predict} with.csv")), bed.json(&format!("{predict} without.csv --no-cache")));
    assert_eq!((&with["cache"], &without["cache"]), (&"hit".into(), &"off".into()));
    assert!(bed.read("with.csv") == bed.read("without.csv"), "the predictions differ");
    assert_eq!(with["missing_values"], without["missing_values"]);
    // Another plan, and another file of the same name.
    assert_eq!(bed.json("features compute bars.h5 --features rsi(14)")["cache"], "made");
    bed.json("data generate bars.h5 --rows 3000 --seed 8");
    assert_eq!(bed.json("features compute bars.h5 -o other.npy")["cache"], "made");
    assert!(bed.read("other.npy") != bed.read("first.npy"));
    // The same file whose bytes changed and whose time was set back.
    std::thread::sleep(Duration::from_millis(30));
    let bytes = bed.read("bars.h5");
    let file = std::fs::File::options().write(true).open(bed.path("bars.h5")).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[..8], 0).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(bed.json("features compute bars.h5")["cache"], "made");
}

#[test]
fn what_cannot_be_kept_or_read_is_computed() {
    let bed = Bed::new();
    bed.json("features compute bars.h5 -o good.npy");
    let good = bed.read("good.npy");
    // A bit of a value turns; a file is cut.
    let result = bed.results().remove(0);
    let whole = std::fs::read(&result).unwrap();
    let mut turned = whole.clone();
    turned[10_000] ^= 1;
    for broken in [&turned[..], &whole[..whole.len() / 2], &[]] {
        std::fs::write(&result, broken).unwrap();
        let report = bed.json("features compute bars.h5 -o again.npy");
        assert_eq!(report["cache"], "made");
        assert!(bed.read("again.npy") == good);
        assert!(std::fs::read(&result).unwrap() == whole);
    }
    // No place for it.
    std::fs::write(bed.path("file"), "x").unwrap();
    for (cache, more) in [("file", ""), ("other", " --cache-size 1")] {
        bed.json("data generate more.h5 --rows 20000");
        let report = bed.json_in(&bed.path(cache), &format!("features compute more.h5{more}"));
        assert_eq!(report["cache"], "bypassed", "{cache}");
        assert!(report["cache_problem"].as_str().unwrap().len() > 5);
        let report =
            bed.json_in(&bed.path(cache), &format!("train more.h5 --epochs 1 --hidden 4 -o m.st{more}"));
        assert_eq!(report["cache"], "bypassed", "{cache}");
    }
}
