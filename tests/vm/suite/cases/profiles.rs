//! Every shipped profile: applied, verified, applied again without a write, rolled back to the byte.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::case::{Case, Leaves, Notes, PRISTINE, Starts, same};
use crate::guest::Guest;

/// The round trip of each profile.
pub const ROUND_TRIP: Case =
    Case { name: "profiles", quick: true, starts: Starts::Installed, leaves: Leaves::Same, run: round_trips };

fn round_trips(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let list = guest.json("diapason tune list --json")?;
    let names: Vec<String> = list
        .as_array()
        .context("a list of profiles")?
        .iter()
        .filter_map(|profile| profile["name"].as_str().map(str::to_owned))
        .collect();
    ensure!(names.len() >= 3, "only {names:?} are shipped");
    let mut failed = Vec::new();
    for name in &names {
        match round_trip(guest, name) {
            Ok(line) => notes.say(line),
            Err(error) => {
                notes.say(format!("{name}: {error:#}"));
                failed.push(name.clone());
                // What is left would blame the next profile.
                guest.ok("diapason tune rollback")?;
            }
        }
    }
    ensure!(failed.is_empty(), "these profiles failed: {}", failed.join(", "));
    Ok(())
}

/// How many outcomes of an apply have a fate.
fn count(report: &Value, fate: &str) -> usize {
    let outcomes = report["outcomes"].as_array();
    outcomes.map_or(0, |list| list.iter().filter(|outcome| outcome["fate"] == fate).count())
}

fn round_trip(guest: &mut Guest, name: &str) -> Result<String> {
    let report = guest.json(&format!("diapason tune apply {name} --json"))?;
    ensure!(report["ending"] == "applied", "apply ended {}: {}", report["ending"], report["error"]);
    let verified = guest.json("diapason tune verify --json")?;
    ensure!(verified["holds"] == true, "verify: {verified:#}");
    guest.ok("diapason tune verify")?;
    let writes = writes_of(guest, &format!("diapason tune apply {name}"))?;
    ensure!(writes.is_empty(), "a second apply wrote settings:\n{writes}");
    let again = guest.json(&format!("diapason tune apply {name} --json"))?;
    let moved = count(&again, "written") + count(&again, "restored");
    ensure!(moved == 0, "an apply of what is applied wrote or restored {moved} knobs: {again:#}");
    let back = guest.json("diapason tune rollback --json")?;
    ensure!(back["complete"] == true, "rollback: {back:#}");
    same(guest, PRISTINE)?;
    Ok(format!(
        "{name}: {} written, {} as wanted, {} absent, {} skipped; second apply 0 writes; rollback byte-equal",
        count(&report, "written"),
        count(&report, "already"),
        count(&report, "absent"),
        count(&report, "skipped"),
    ))
}

/// What the daemon writes to files of /proc and /sys, or to swap, or asks its helper for, while a command runs. Paths are
/// those of the open descriptors, as the daemon opens everything relative to its root.
pub fn writes_of(guest: &mut Guest, command: &str) -> Result<String> {
    guest.ok(&format!(
        "pid=$(systemctl show -p MainPID --value diapasond)
         strace -qq -f -y -e trace=write,pwrite64,connect,swapon,swapoff -o /root/trace -p $pid & tracer=$!
         until grep -q TracerPid:.*[1-9] /proc/$pid/status; do sleep 0.02; done
         {command} >/dev/null; status=$?
         kill $tracer; wait $tracer 2>/dev/null
         grep -E '(write|pwrite64)\\([0-9]+</(proc|sys)/|swapo|admin[.]sock' /root/trace
         exit $status"
    ))
}
