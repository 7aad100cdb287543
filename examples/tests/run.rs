//! Every example runs to its end and shows something; cargo builds them before this test.

use std::process::Command;

const EXAMPLES: [&str; 5] = ["01-tune", "02-read-hdf5", "03-lstm", "04-features", "05-whole-line"];

#[test]
fn every_example_runs() {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples");
    for name in EXAMPLES {
        let output = Command::new(folder.join(name)).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{name} shows nothing");
    }
}
