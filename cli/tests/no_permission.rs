//! A file that this user may not read: one message with file, reason and remedy, exit code 3, and nothing left behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use diapason_tests::{Need, need};

/// Root may read every file, so as root the right to do that is put down first.
const WITHOUT_THE_RIGHT: [&str; 2] = ["--bounding-set=-dac_override,-dac_read_search", "--"];

/// The program that puts it down, if this user has it.
fn before() -> Option<&'static str> {
    let is_root = need::missing(Need::Root).is_none();
    is_root.then_some("setpriv")
}

fn diapason(folder: &Path, arguments: &str, before: Option<&str>) -> Output {
    let mut command = match before {
        None => Command::new(env!("CARGO_BIN_EXE_diapason")),
        Some(program) => {
            let mut command = Command::new(program);
            command.args(WITHOUT_THE_RIGHT).arg(env!("CARGO_BIN_EXE_diapason"));
            command
        }
    };
    command.args(arguments.split(' ')).current_dir(folder).env("NO_COLOR", "1");
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).output().unwrap()
}

#[test]
fn one_message_that_says_what_to_do() {
    let before = before();
    if let Some(program) = before {
        let can = Command::new(program).args(WITHOUT_THE_RIGHT).arg("true").output();
        let lack =
            (!can.is_ok_and(|ran| ran.status.success())).then(|| "setpriv(1) cannot drop rights".to_owned());
        if !need::met(Need::Root, lack) {
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let closed = |path: &str, mode| {
        std::fs::set_permissions(folder.path().join(path), Permissions::from_mode(mode)).unwrap();
    };
    for arguments in
        ["data generate bars.h5 --rows 500", "data export bars.h5 bars.npy", "data export bars.h5 bars.csv"]
    {
        let made = diapason(folder.path(), arguments, None);
        assert!(made.status.success(), "{arguments}: {}", String::from_utf8_lossy(&made.stderr));
    }
    std::fs::create_dir(folder.path().join("shut")).unwrap();
    std::fs::copy(folder.path().join("bars.h5"), folder.path().join("shut/bars.h5")).unwrap();
    ["bars.h5", "bars.npy", "bars.csv", "shut"].iter().for_each(|name| closed(name, 0));
    let listing = || std::fs::read_dir(folder.path()).unwrap().count();
    let there = listing();
    for (arguments, file) in [
        ("data inspect bars.h5", "bars.h5"),
        ("data inspect shut/bars.h5", "shut/bars.h5"),
        ("data head bars.h5", "bars.h5"),
        ("data verify bars.h5", "bars.h5"),
        ("data export bars.h5 out.npy", "bars.h5"),
        ("data repack bars.h5 -o out.h5", "bars.h5"),
        ("data import bars.csv out.h5", "bars.csv"),
        ("data import bars.npy out.h5", "bars.npy"),
        ("train bars.h5 -o out.safetensors", "bars.h5"),
    ] {
        let output = diapason(folder.path(), arguments, before);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments}: {message}");
        assert!(
            message.contains(&format!("cannot read {file}: Permission denied")),
            "{arguments}: {message}"
        );
        assert!(message.contains("have its owner let you read it"), "{arguments}: {message}");
        assert_eq!((message.trim().lines().count(), listing()), (1, there), "{arguments}: {message}");
    }
    closed("shut", 0o700);
}
