//! A disk that fills up while a table is written: an error that names the file, and nothing left behind.
//!
//! The limit on file sizes of a child process stands in for the disk: the write that crosses it fails just as one on
//! a full disk does, with EFBIG for ENOSPC, and needs no mount and no rights.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use diapason_loader::market::{self, Options};

const FOLDER: &str = "DIAPASON_TEST_FULL_DISK";

fn options() -> Options {
    Options { rows: 400_000, ..Options::default() }
}

/// What the child does: writes until it cannot, twice, since the library must stay usable after the failure.
fn fill(folder: &Path) {
    for name in ["first.h5", "second.h5"] {
        let refused = market::generate(&folder.join(name), &options(), &mut |_| {}).unwrap_err();
        assert!(refused.is_environment());
        let refused = refused.to_string();
        let cause = std::io::Error::from_raw_os_error(nix::libc::EFBIG);
        assert_eq!(refused, format!("cannot write {}: {cause}", folder.join(name).display()));
    }
    let small = Options { rows: 1000, ..Options::default() };
    market::generate(&folder.join("small.h5"), &small, &mut |_| {}).unwrap();
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return fill(Path::new(&folder));
    }
    let roomy = tempfile::tempdir().unwrap();
    market::generate(&roomy.path().join("whole.h5"), &options(), &mut |_| {}).unwrap();
    let whole_kib = std::fs::metadata(roomy.path().join("whole.h5")).unwrap().len() / 1024;
    // 64 KiB is met at the first chunk, 700 KiB in the middle, the last at the end, where only metadata is missing.
    for limit_kib in [64, 700, whole_kib - 2] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("first.h5"), "older").unwrap();
        let script = format!(
            "trap '' XFSZ; ulimit -f {limit_kib}; exec \"$0\" --exact a_full_disk_leaves_nothing_behind --nocapture"
        );
        let mut child = Command::new("bash");
        child.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).env(FOLDER, folder.path());
        let child = child.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
        assert!(child.status.success(), "at {limit_kib} KiB: {out}{err}");
        assert!(out.contains("1 passed"), "{out}");
        let mut names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["first.h5", "small.h5"], "at {limit_kib} KiB");
        assert_eq!(std::fs::read(folder.path().join("first.h5")).unwrap(), b"older");
    }
}
