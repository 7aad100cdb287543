//! `docs/knob-coverage.md`: which knob was covered in the guest, which by a fixture tree.
//!
//! What the guest did is written by `make vm-test` and taken over as it stands. Which trees change a knob is read from
//! their plans, and a knob that neither covers fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::page;
use crate::knob::all;

const UNCOVERED: &str = "**not covered**";
const FIXTURE: &str = "fixture";

/// The plans of the fixture trees by their names.
fn plans() -> BTreeMap<String, String> {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/roots");
    let folders = std::fs::read_dir(roots).unwrap().map(|entry| entry.unwrap().path());
    let name = |folder: &Path| folder.file_name().unwrap().to_string_lossy().into_owned();
    folders
        .map(|folder| (name(&folder), std::fs::read_to_string(folder.join("report.txt")).unwrap_or_default()))
        .collect()
}

/// Whether a plan changes a knob on a device, or refuses it because it cannot be undone.
fn covers(plan: &str, knob: &str) -> bool {
    let (family, attribute) = knob.split_once('.').unwrap();
    plan.lines().any(|line| {
        let (name, rest) = line.split_once(": ").unwrap();
        let on_device = name.strip_prefix(family).and_then(|rest| rest.strip_prefix('.'));
        let is_it = name == knob || on_device.is_some_and(|rest| rest.ends_with(&format!(".{attribute}")));
        is_it && [", change", ", refused"].iter().any(|state| rest.contains(state))
    })
}

/// The knob of a row, how it is covered, and what was done in the guest.
fn cells(line: &str) -> Option<(&str, &str, &str)> {
    let (knob, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
    let (kind, rest) = rest.split_once(" | ")?;
    // What was done may hold bars of its own.
    let (how, _) = rest.strip_suffix(" |")?.rsplit_once(" | ")?;
    Some((knob, kind, how.trim()))
}

#[test]
fn every_knob_is_covered() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/knob-coverage.md");
    let written = std::fs::read_to_string(path).unwrap();
    let (head, table) = written.split_once("\n| knob |").unwrap();
    let (above, _) = head.trim_end().rsplit_once('\n').unwrap();
    let rows: Vec<(&str, &str, &str)> = table.lines().filter_map(cells).collect();
    // The guest's order, in which it walks the families; what came since follows.
    let new = all().map(|knob| knob.spec().name).filter(|name| rows.iter().all(|(known, ..)| known != name));
    let known = |name: &&str| all().any(|knob| knob.spec().name == *name);
    let names: Vec<&str> = rows.iter().map(|(name, ..)| *name).filter(known).chain(new).collect();
    let plans = plans();
    let (mut tally, mut text) = (BTreeMap::<&str, usize>::new(), String::new());
    for name in names {
        let trees: Vec<&str> =
            plans.iter().filter(|(_, plan)| covers(plan, name)).map(|(tree, _)| tree.as_str()).collect();
        let row = rows.iter().find(|(known, ..)| *known == name);
        let (kind, how) = match row.filter(|(_, kind, _)| ![UNCOVERED, FIXTURE].contains(kind)) {
            Some((_, kind, how)) => (*kind, *how),
            None if trees.is_empty() => (UNCOVERED, ""),
            None => (FIXTURE, ""),
        };
        *tally.entry(kind).or_default() += 1;
        let trees = if trees.is_empty() { "-".to_owned() } else { trees.join(", ") };
        writeln!(text, "| `{name}` | {kind} | {how} | {trees} |").unwrap();
    }
    let tally: Vec<String> = tally.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let head = format!(
        "{above}\n{}.\n\n| knob | covered | what was done in the guest | fixture trees |\n",
        tally.join(", ")
    );
    page("knob-coverage.md", &format!("{head}|---|---|---|---|\n{text}"));
    assert!(
        !text.contains(UNCOVERED),
        "a knob that the guest does not offer needs a tree in daemon/tests/roots"
    );
}
