//! What runs inside of the guest: it looks at every setting of the machine, and walks the catalogue of knobs.

#![forbid(unsafe_code)]

mod snapshot;

mod exam;

use std::fs;
use std::io::Write;

use anyhow::{Context, Result, bail};

use snapshot::Snapshot;

const USAGE: &str = "usage: vm-guest snapshot FILE | compare BEFORE AFTER | since BEFORE | exam FAMILY";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["snapshot", file] => Ok(fs::write(file, serde_json::to_vec(&snapshot::take()?)?)?),
        ["compare", before, after] => report(&load(before)?, &load(after)?),
        ["exam", family] => {
            Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&exam::hold(family)?)?)?)
        }
        ["since", before] => report(&load(before)?, &snapshot::take()?),
        _ => bail!(USAGE),
    }
}

fn load(file: &str) -> Result<Snapshot> {
    serde_json::from_slice(&fs::read(file)?).with_context(|| format!("{file} is no snapshot"))
}

/// The differences as JSON, for the suite outside.
fn report(before: &Snapshot, after: &Snapshot) -> Result<()> {
    let text = serde_json::to_string(&snapshot::differences(before, after))?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
