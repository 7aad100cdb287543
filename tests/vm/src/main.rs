//! What runs inside of the guest: it looks at every setting of the machine, and walks the catalogue of knobs.

#![forbid(unsafe_code)]

mod snapshot;

mod exam;
mod strike;
mod watch;

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};

use snapshot::Snapshot;

const USAGE: &str = "usage: vm-guest snapshot FILE | compare BEFORE AFTER | since BEFORE | families | exam FAMILY LAST | strike kill|stop|cut PID COUNT WATCHED COMMAND... | glimpse FILE COMMAND... | hold VALUE OVER | time COMMAND... | hog MIB READY OVER";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["snapshot", file] => Ok(fs::write(file, serde_json::to_vec(&snapshot::take()?)?)?),
        ["compare", before, after] => say(&snapshot::differences(&load(before)?, &load(after)?)),
        ["since", before] => say(&snapshot::differences(&load(before)?, &snapshot::take()?)),
        ["families"] => say(&exam::families()),
        ["exam", family, last] => say(&exam::hold(family, Path::new(last))?),
        ["strike", blow, pid, count, watched, ref command @ ..] => {
            let paths = fs::read_to_string(watched)?;
            say(&strike::strike(strike::Blow::parse(blow, pid)?, count.parse()?, &paths, command)?)
        }
        ["glimpse", file, ref command @ ..] => say(&watch::glimpse(file, command)?),
        ["hog", mib, ready, over] => say(&watch::hog(mib.parse()?, Path::new(ready), Path::new(over))?),
        ["time", ref command @ ..] => say(&watch::time(command)?),
        ["hold", value, over] => say(&watch::hold(value.parse()?, Path::new(over))?),
        _ => bail!(USAGE),
    }
}

fn load(file: &str) -> Result<Snapshot> {
    serde_json::from_slice(&fs::read(file)?).with_context(|| format!("{file} is no snapshot"))
}

/// An answer as JSON, for the suite outside.
fn say(answer: &impl serde::Serialize) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(answer)?)?)
}
