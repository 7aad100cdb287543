//! The whole catalogue, knob by knob, and the page that says what was covered how.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::case::{Case, Leaves, Notes, Starts, is_own};
use crate::guest::{Guest, PAYLOAD};

/// Every knob that the guest offers.
pub const CATALOGUE: Case =
    Case { name: "knobs", quick: false, starts: Starts::Installed, leaves: Leaves::Same, run: catalogue };

/// A family of some tens of round trips, under emulation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(400);

fn catalogue(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    // A machine that has swap, and has loaded the congestion control and the schedulers beside the usual ones.
    guest.ok("modprobe -a tcp_bbr kyber-iosched bfq; mkswap -q /dev/vdc && swapon /dev/vdc")?;
    let families = guest.json(&format!("{PAYLOAD}/vm-guest families"))?;
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for family in families.as_array().context("families")?.iter().filter_map(Value::as_str) {
        let faulty = faults.len();
        let report = guest
            .ok_within(&format!("{PAYLOAD}/vm-guest exam {family} /root/exam"), PATIENCE)
            .and_then(|answer| Ok(serde_json::from_str::<Value>(&answer)?));
        match report {
            Ok(report) => {
                lines.extend(report["lines"].as_array().cloned().unwrap_or_default());
                let differences = report["differences"].as_array().into_iter().flatten();
                for found in differences.filter(|found| !is_own(found)) {
                    faults.push(format!("after the family {family}: {found}"));
                }
            }
            Err(error) => faults.push(format!("the family {family}: {error:#}")),
        }
        // What a failure left would be blamed on the next family.
        if faults.len() > faulty || lines.iter().any(|line| line["fate"] == "failed") {
            guest.ok("diapason tune rollback; rm -f /etc/diapason/profiles/exam.toml /root/exam")?;
        }
    }
    guest.ok("swapoff /dev/vdc; rmmod tcp_bbr kyber-iosched bfq")?;
    let count = |fate: &str| lines.iter().filter(|line| line["fate"] == fate).count();
    notes.say(format!(
        "{} round trips, {} refused as irreversible, {} absent, {} unwilling, {} failed",
        count("round-trip"),
        count("refused"),
        count("absent"),
        count("unwilling"),
        count("failed")
    ));
    for line in lines.iter().filter(|line| line["fate"] == "unwilling" || line["fate"] == "failed") {
        notes.say(format!(
            "{} {}: {} -> {}: {}",
            line["fate"], line["name"], line["from"], line["to"], line["detail"]
        ));
    }
    faults.iter().for_each(|fault| notes.say(fault.as_str()));
    let kernel = guest.ok("uname -r")?;
    let page = page(&lines, kernel.trim(), &guest.repository().join("daemon/tests/roots"))?;
    fs::write(guest.repository().join("docs/knob-coverage.md"), page)?;
    ensure!(count("failed") == 0 && faults.is_empty(), "the daemon did not keep its word; see above");
    Ok(())
}

/// The plans of the fixture trees.
fn fixtures(roots: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(roots)? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(name, fs::read_to_string(folder.join("report.txt")).unwrap_or_default());
    }
    Ok(found)
}

/// Whether a plan changes a knob, on one device at least, or refuses it because it cannot be undone. The daemon's own test
/// of the page (`daemon/src/published/coverage.rs`) knows the same rule.
fn names(text: &str, knob: &str) -> bool {
    let on_one = |line: &str| {
        let Some((name, rest)) = line.split_once(": ") else { return false };
        if !["change", "refused"].iter().any(|state| rest.contains(&format!(", {state}"))) {
            return false;
        }
        let (family, attribute) = knob.split_once('.').unwrap_or((knob, ""));
        name == knob
            || name
                .strip_prefix(family)
                .is_some_and(|rest| rest.starts_with('.') && rest.ends_with(&format!(".{attribute}")))
    };
    text.lines().any(on_one)
}

/// docs/knob-coverage.md.
fn page(lines: &[Value], kernel: &str, roots: &Path) -> Result<String> {
    let fixtures = fixtures(roots)?;
    let mut knobs: Vec<&str> = Vec::new();
    for line in lines {
        let knob = line["knob"].as_str().context("a name")?;
        if !knobs.contains(&knob) {
            knobs.push(knob);
        }
    }
    let mut rows = String::new();
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    for knob in knobs {
        let of_knob: Vec<&Value> = lines.iter().filter(|line| line["knob"] == knob).collect();
        let of_fate =
            |fate: &str| of_knob.iter().copied().filter(|line| line["fate"] == fate).collect::<Vec<_>>();
        let trees: Vec<&str> =
            fixtures.iter().filter(|(_, text)| names(text, knob)).map(|(name, _)| name.as_str()).collect();
        let trees = if trees.is_empty() { "-".to_owned() } else { trees.join(", ") };
        let trips = of_fate("round-trip");
        let text = |value: &Value| value.as_str().unwrap_or_default().replace('|', "\\|");
        let (kind, how) = if let Some(first) = trips.first() {
            let more = if trips.len() > 1 { format!(" and {} more", trips.len() - 1) } else { String::new() };
            (
                "in the guest",
                format!(
                    "{}: `{}` -> `{}`{more}",
                    text(&first["name"]),
                    text(&first["from"]),
                    text(&first["to"])
                ),
            )
        } else if !of_fate("refused").is_empty() {
            ("refused, as it cannot be undone", "the refusal".to_owned())
        } else if let Some(first) = of_fate("unwilling").first() {
            ("offered, but the guest takes no other value", text(&first["detail"]))
        } else if trees == "-" {
            ("**not covered**", String::new())
        } else {
            ("fixture", String::new())
        };
        *tally.entry(kind).or_default() += 1;
        writeln!(rows, "| `{knob}` | {kind} | {how} | {trees} |")?;
    }
    let tally: Vec<String> = tally.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    Ok(format!(
        "# Which knob is covered how\n\n\
         Written by `make vm-test` (case `knobs`); do not edit. In the guest means: another value was applied through the\n\
         daemon on a booted Debian (kernel {kernel}, QEMU), verified, rolled back, and every setting of the machine was compared\n\
         byte for byte. A fixture is a tree below `daemon/tests/roots/` in the form of a machine that offers what the guest does not:\n\
         there the knob is changed (or refused, as it cannot be undone), verified, rolled back and broken at every write. The column of\n\
         fixtures is held, and brought up to date, by the tests of the daemon (`daemon/src/published/coverage.rs`).\n\n\
         {}.\n\n| knob | covered | what was done in the guest | fixture trees |\n|---|---|---|---|\n{rows}",
        tally.join(", ")
    ))
}
