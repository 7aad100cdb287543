//! A case, and what runs a list of them: each is given a guest with the package installed, and must leave every
//! setting of that guest as it was, byte for byte.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::guest::{Guest, PAYLOAD};

/// What a case may say to the reader of the log.
#[derive(Default)]
pub struct Notes(pub Vec<String>);

impl Notes {
    /// Adds a line.
    pub fn say(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }
}

/// What state a case leaves the guest in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// Running, the package installed, every setting as before; the runner compares.
    Same,
    /// Anything: the next case gets a fresh guest.
    Anything,
}

/// What guest a case starts with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// Booted from fresh disks, nothing installed.
    Bare,
    /// The package installed and the daemon running.
    Installed,
}

/// One case.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// Whether it belongs to the quick pass.
    pub quick: bool,
    /// What it starts with.
    pub starts: Starts,
    /// What it leaves behind.
    pub leaves: Leaves,
    /// What it does.
    pub run: fn(&mut Guest, &mut Notes) -> Result<()>,
}

/// Control groups of units that start when they are asked and end by themselves.
const OWN_GROUPS: &[&str] = &["/sys/fs/cgroup/system.slice/diapason-admin.service/"];

/// Whether a difference is a unit of ours that came or went, and no setting.
pub fn is_own(difference: &Value) -> bool {
    difference["path"].as_str().is_some_and(|path| OWN_GROUPS.iter().any(|own| path.starts_with(own)))
}

/// Letters of a setting that are shown.
const TEXT_MAX: usize = 200;

/// Compares the guest with its first snapshot.
pub fn differences(guest: &mut Guest, before: &str) -> Result<Vec<String>> {
    let found = guest.json(&format!("{PAYLOAD}/vm-guest since {before}"))?;
    let list = found.as_array().context("a list of differences")?;
    let side = |value: &Value| {
        let Some(text) = value.as_str() else { return "(nothing)".to_owned() };
        let head: String = text.trim_end().chars().take(TEXT_MAX).collect();
        head.escape_debug().to_string()
    };
    Ok(list
        .iter()
        .filter(|one| !is_own(one))
        .map(|one| {
            let path = one["path"].as_str().unwrap_or_default();
            format!("{path}: {} -> {}", side(&one["before"]), side(&one["after"]))
        })
        .collect())
}

/// Fails unless every setting is as in the snapshot `before`.
pub fn same(guest: &mut Guest, before: &str) -> Result<()> {
    let found = differences(guest, before)?;
    if found.is_empty() {
        return Ok(());
    }
    bail!("{} settings are not as before:\n{}", found.len(), found.join("\n"))
}

/// The snapshot that every case is compared with.
pub const PRISTINE: &str = "/root/pristine";

/// Boots a fresh guest with the package installed and the daemon running.
pub fn prepare(guest: &mut Guest) -> Result<()> {
    guest.boot_fresh()?;
    install(guest)
}

/// Installs the package in a guest that has booted, and takes the first snapshot.
pub fn install(guest: &mut Guest) -> Result<()> {
    guest.ok(&format!(
        "dpkg -i {PAYLOAD}/diapason.deb && systemctl start diapasond.socket diapasond.service"
    ))?;
    guest.ok(&format!("{PAYLOAD}/vm-guest snapshot {PRISTINE}"))?;
    Ok(())
}

/// Runs the cases and returns the names of those that failed.
pub fn run(cases: &[&Case], guest: &mut Guest) -> Result<Vec<String>> {
    let mut failed = Vec::new();
    let mut ready = false;
    for case in cases {
        let (start, taken) = (Instant::now(), guest.emulated());
        let mut notes = Notes::default();
        let mut result = Ok(());
        if case.starts == Starts::Bare {
            result = guest.boot_fresh();
        } else if !ready {
            result = prepare(guest);
        }
        let result = result.and_then(|()| (case.run)(guest, &mut notes)).and_then(|()| match case.leaves {
            Leaves::Same => same(guest, PRISTINE),
            Leaves::Anything => Ok(()),
        });
        ready = result.is_ok() && case.leaves == Leaves::Same;
        let seconds = start.elapsed().as_secs_f64();
        let taken = (guest.emulated() - taken).as_secs_f64();
        let verdict = if result.is_ok() { "ok     " } else { "FAILED " };
        eprintln!("{verdict} {} ({seconds:.1} s; {taken:.1} s of processors)", case.name);
        for note in &notes.0 {
            eprintln!("        {}", note.replace('\n', "\n        "));
        }
        if let Err(error) = result {
            eprintln!("        {}", format!("{error:#}").replace('\n', "\n        "));
            let journal = guest.sh("journalctl -b -u diapasond --no-pager -o cat | tail -n 25");
            if let Ok(journal) = journal {
                eprintln!(
                    "        the unit's journal:\n        {}",
                    journal.out.trim_end().replace('\n', "\n        ")
                );
            }
            failed.push(case.name.to_owned());
        }
    }
    Ok(failed)
}
