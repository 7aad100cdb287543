//! `diapason doctor`: the facts of this host, each with a judgement, its reason and a remedy.

mod checks;

use std::path::{Path, PathBuf};

use clap::Args;
use diapason_daemon::host::Host;
use diapason_daemon::root::Root;
use serde::Serialize;

use crate::console::{Console, Tone};
use crate::failure::Failure;

/// What to examine.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Examine the tree of files below this folder instead of this host's
    #[arg(long, default_value = "/")]
    pub root: PathBuf,
}

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Grade {
    /// As it should be, or no matter.
    Pass,
    /// Works, at a cost that the reason names.
    Warn,
    /// Part of Diapason cannot do its job here.
    Fail,
}

/// One fact, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// The judgement.
    pub grade: Grade,
    /// What was found.
    pub fact: String,
    /// Why it is judged so; empty where the fact says all.
    pub reason: String,
    /// What to do about it; empty where nothing need be done.
    pub remedy: String,
}

/// How many checks ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// As they should be.
    pub passed: usize,
    /// With a cost.
    pub warned: usize,
    /// Not usable.
    pub failed: usize,
}

impl Tally {
    /// Counts `checks`.
    #[must_use]
    pub fn of(checks: &[Check]) -> Self {
        let count = |grade| checks.iter().filter(|check| check.grade == grade).count();
        Self { passed: count(Grade::Pass), warned: count(Grade::Warn), failed: count(Grade::Fail) }
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Found`] when a check failed.
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Failure> {
    let checks = examine(&arguments.root)?;
    console.show(&checks, |console, checks| {
        let rows = checks
            .iter()
            .map(|check| {
                let mut why = check.reason.clone();
                if !check.remedy.is_empty() {
                    why = format!("{why}\n-> {}", check.remedy);
                }
                vec![mark(console, check.grade), check.name.clone(), check.fact.clone(), why]
            })
            .collect();
        format!(
            "{}\n{}",
            console.table(&["", "check", "found", "why, and what to do"], rows),
            counted(checks)
        )
    })?;
    let tally = Tally::of(&checks);
    if tally.failed > 0 {
        Err(Failure::Found(format!("{} of {} checks failed", tally.failed, checks.len())))
    } else {
        Ok(())
    }
}

/// Judges the host below `root`.
///
/// # Errors
/// When a fact is there but cannot be read.
pub fn examine(root: &Path) -> Result<Vec<Check>, Failure> {
    if !root.is_dir() {
        return Err(Failure::NoRoot { root: root.to_path_buf() });
    }
    let host = Host::read(&Root::new(root))?;
    Ok(checks::all(&host, root == Path::new("/")))
}

/// The processor in a few words, for the head of a report.
#[must_use]
pub fn machine(checks: &[Check]) -> String {
    let fact =
        |name: &str| checks.iter().find(|check| check.name == name).map_or("", |check| check.fact.as_str());
    [fact("cpu"), fact("isa"), fact("memory"), fact("kernel")].join("; ")
}

/// The counts, and the checks that did not pass, a line each.
#[must_use]
pub fn brief(console: &Console, checks: &[Check]) -> String {
    let mut lines = vec![format!("  {}", machine(checks)), format!("  {}", counted(checks))];
    for check in checks.iter().filter(|check| check.grade != Grade::Pass) {
        lines.push(format!("  {} {}: {}", mark(console, check.grade), check.name, check.fact));
    }
    lines.join("\n")
}

fn counted(checks: &[Check]) -> String {
    let tally = Tally::of(checks);
    format!("{} passed, {} with a warning, {} failed", tally.passed, tally.warned, tally.failed)
}

/// A grade as a coloured word.
#[must_use]
pub fn mark(console: &Console, grade: Grade) -> String {
    match grade {
        Grade::Pass => console.paint(Tone::Good, "PASS"),
        Grade::Warn => console.paint(Tone::Doubtful, "WARN"),
        Grade::Fail => console.paint(Tone::Bad, "FAIL"),
    }
}
