//! The daemon stopped in the middle of its work: devices come and go meanwhile, or nobody wakes it again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::faults::{PROFILE, pid, wait_for_restart, watch, with_unit};
use crate::case::{Case, Leaves, Notes, PRISTINE, Starts, same};
use crate::guest::{Guest, PAYLOAD};
use crate::plug::{plug_card, plug_disk, unplug_card, unplug_disk, wait_for, wait_for_card, wait_for_disk};

/// A disk and a card come in the middle of an apply, and go in the middle of a rollback and of an apply.
pub const DEVICES: Case = Case {
    name: "devices-during",
    quick: false,
    starts: Starts::Installed,
    leaves: Leaves::Same,
    run: devices,
};

/// SIGSTOP in the middle of an apply and of a rollback, until the service manager has had enough.
pub const WATCHDOG: Case = Case {
    name: "fault-stop-during",
    quick: false,
    starts: Starts::Installed,
    leaves: Leaves::Same,
    run: watchdog,
};

const APPLY: &str = "diapason tune apply trading-low-latency";
const BACK: &str = "diapason tune rollback";

/// Runs `command` and stops the daemon when `count` of the watched settings have changed.
fn stop_at(guest: &mut Guest, daemon: &str, count: usize, command: &str) -> Result<String> {
    let struck =
        guest.json(&format!("{PAYLOAD}/vm-guest strike stop {daemon} {count} /root/watched {command}"))?;
    ensure!(!struck["changed"].is_null(), "`{command}` ended before {count} settings had changed: {struck}");
    Ok(struck["changed"].to_string())
}

/// Wakes the daemon; the answer comes when it has done what it was at.
fn wake(guest: &mut Guest, daemon: &str) -> Result<serde_json::Value> {
    guest.json(&format!("kill -CONT {daemon}; diapason tune status --json"))
}

fn devices(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let total = watch(guest, APPLY, BACK)?;
    let daemon = pid(guest)?;
    let mut monitor = guest.monitor()?;

    let at = stop_at(guest, &daemon, total / 3, APPLY)?;
    plug_disk(guest, &mut monitor, "during")?;
    plug_card(&mut monitor, "e1000e")?;
    let (disk, card) = (wait_for_disk(guest, "during", true)?, wait_for_card(guest)?);
    let status = wake(guest, &daemon)?;
    ensure!(status["profile"] == PROFILE, "after the apply {} is in force", status["profile"]);
    let affinity = format!("cat /sys/block/{disk}/queue/rq_affinity");
    wait_for(guest, "rq_affinity of the disk that came", &affinity, "2")?;
    let coalescing = format!("ethtool -c {card} | grep ^rx-usecs:");
    wait_for(guest, "the coalescing of the card that came", &coalescing, "rx-usecs: 0")?;
    guest.ok("diapason tune verify")?;
    notes.say(format!("{disk} and {card} came at {at} of {total} changes and have the profile's settings"));

    let at = stop_at(guest, &daemon, total / 3, BACK)?;
    unplug_disk(&mut monitor)?;
    unplug_card(&mut monitor)?;
    let status = wake(guest, &daemon)?;
    ensure!(status["profile"].is_null(), "after the rollback {} is in force", status["profile"]);
    notes.say(format!("both went at {at} changes of the rollback; held after it: {}", held(&status)));
    guest.ok(BACK)?;
    same(guest, PRISTINE).context("devices that went in the middle of a rollback")?;

    plug_disk(guest, &mut monitor, "during")?;
    plug_card(&mut monitor, "e1000e")?;
    wait_for_disk(guest, "during", true)?;
    wait_for_card(guest)?;
    let at = stop_at(guest, &daemon, total / 3, APPLY)?;
    unplug_disk(&mut monitor)?;
    unplug_card(&mut monitor)?;
    let status = wake(guest, &daemon)?;
    notes.say(format!("both went at {at} changes of an apply; then in force: {}", status["profile"]));
    guest.ok(BACK)?;
    same(guest, PRISTINE).context("devices that went in the middle of an apply")
}

fn held(status: &serde_json::Value) -> usize {
    status["held"].as_array().map_or(0, Vec::len)
}

fn watchdog(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let total = watch(guest, APPLY, BACK)?;
    // An operation is given fifteen times as long as an idle daemon; the unit's own minute would be a quarter of an hour.
    with_unit(guest, "WatchdogSec=3s", |guest| {
        for (what, command, count) in [("apply", APPLY, total / 2), ("rollback", BACK, 5)] {
            let old = pid(guest)?;
            let at = stop_at(guest, &old, count, command)?;
            let stopped = guest.ok_within(
                &format!(
                    "start=$(date +%s)
                     while [ \"$(systemctl show -p MainPID --value diapasond)\" = {old} ]; do
                       sleep 1; [ $(( $(date +%s) - start )) -gt 150 ] && exit 1
                     done
                     echo $(( $(date +%s) - start ))"
                ),
                Duration::from_secs(200),
            )?;
            wait_for_restart(guest, &old)?;
            let result =
                guest.ok("journalctl -b -u diapasond --no-pager -o cat | grep -c \"result 'watchdog'\"")?;
            let status = guest.json("diapason tune status --json")?;
            ensure!(status["profile"].is_null(), "after a stopped {what} {} is in force", status["profile"]);
            same(guest, PRISTINE).with_context(|| format!("after a stop in the middle of the {what}"))?;
            notes.say(format!(
                "{what} stopped at {at} of {total} changes; killed by the watchdog after {} s ({} so far); every setting exact",
                stopped.trim(),
                result.trim()
            ));
            guest.ok(APPLY)?;
        }
        guest.ok(BACK).map(drop)
    })
}
