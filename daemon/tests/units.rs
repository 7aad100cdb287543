//! The units as systemd reads them, where its tools are installed.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]

use std::path::PathBuf;
use std::process::Command;

const UNITS: &[&str] =
    &["diapasond.service", "diapasond.socket", "diapason-admin.service", "diapason-admin.socket"];

/// The units with the daemon that was just built in the place of the installed one.
fn units() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let source = diapason_tests::need::repository().join("systemd");
    let copied = UNITS.iter().map(|unit| {
        let text = std::fs::read_to_string(source.join(unit)).unwrap();
        let path = folder.path().join(unit);
        std::fs::write(&path, text.replace("/usr/bin/diapasond", env!("CARGO_BIN_EXE_diapasond"))).unwrap();
        path
    });
    let paths = copied.collect();
    (folder, paths)
}

#[test]
fn systemd_finds_nothing_wrong() {
    let (_folder, paths) = units();
    let Ok(checked) = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths).output()
    else {
        return;
    };
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    // It also reads every other unit of the machine; only ours are ours.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("diapason")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

/// The target is 2.0 for the service that faces callers and writes. The helper has CAP_SYS_ADMIN, swap and the mounts of
/// the machine, the network settings of the first namespace alone, and faces only the daemon.
#[test]
fn the_exposure_is_bounded() {
    let (_folder, paths) = units();
    for (unit, tenths) in [("diapasond.service", "20"), ("diapason-admin.service", "35")] {
        let path = paths.iter().find(|path| path.ends_with(unit)).unwrap();
        let threshold = format!("--threshold={tenths}");
        let judged = Command::new("systemd-analyze")
            .args(["security", "--no-pager", "--offline=true", &threshold])
            .arg(path)
            .output();
        let Ok(judged) = judged else { return };
        let said = String::from_utf8_lossy(&judged.stdout).into_owned();
        assert!(judged.status.success(), "{unit}: {}", said.lines().last().unwrap_or_default());
    }
}

/// What the daemon gives up, the helper has; and nothing else asks for it.
#[test]
fn capabilities_are_where_they_belong() {
    let line = |unit: &str, key: &str| {
        let path = diapason_tests::need::repository().join("systemd").join(unit);
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap().to_owned()
    };
    assert_eq!(line("diapasond.service", "CapabilityBoundingSet"), "CAP_NET_ADMIN");
    assert_eq!(
        line("diapason-admin.service", "CapabilityBoundingSet"),
        "CAP_DAC_OVERRIDE CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_NICE CAP_SYS_PTRACE"
    );
    assert_eq!(line("diapason-admin.socket", "SocketMode"), "0600");
}
