//! Programs of other people that say what is right: Python scripts over PyTorch, NumPy and h5py.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::need::repository;

/// The interpreter of the oracle environment (`DIAPASON_ORACLES` names another one).
#[must_use]
pub fn python() -> PathBuf {
    std::env::var_os("DIAPASON_ORACLES").map_or_else(|| repository().join(".venv/bin/python"), PathBuf::from)
}

/// Runs `script` with `arguments`, gives it `input` on standard input and returns its standard output.
///
/// # Panics
/// When the script cannot be started or fails; its standard error is in the message.
#[must_use]
#[expect(clippy::panic, reason = "an oracle that does not answer fails the test that asked")]
pub fn ask(script: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(python())
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", python().display()));
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A script that does not read its input closes the pipe; its exit status tells the rest.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input);
            }
        });
        child.wait_with_output()
    })
    .unwrap_or_else(|error| panic!("lost {}: {error}", script.display()));
    assert!(
        output.status.success(),
        "{} failed: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
