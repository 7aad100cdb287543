//! Disks and network cards that come and go while a profile is applied and while it is in force.

use anyhow::{Result, ensure};

use crate::case::{Case, Leaves, Notes, PRISTINE, Starts, same};
use crate::guest::Guest;
use crate::plug::{plug_card, plug_disk, unplug_card, unplug_disk, wait_for, wait_for_card, wait_for_disk};

/// A disk comes, stays, goes and another one takes its name.
pub const DISK: Case =
    Case { name: "devices-disk", quick: true, starts: Starts::Installed, leaves: Leaves::Same, run: disk };

/// A network card comes and goes.
pub const CARD: Case =
    Case { name: "devices-card", quick: false, starts: Starts::Installed, leaves: Leaves::Same, run: card };

/// Disks come and go while profiles are applied and rolled back without a pause.
pub const STORM: Case =
    Case { name: "devices-storm", quick: false, starts: Starts::Installed, leaves: Leaves::Same, run: storm };

/// A queue setting of a disk.
fn queue(guest: &mut Guest, disk: &str, name: &str) -> Result<String> {
    Ok(guest.ok(&format!("cat /sys/block/{disk}/queue/{name}"))?.trim().to_owned())
}

fn disk(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    // Present before: tuned like every other, and its leaving is no failure of the rollback.
    let mut monitor = guest.monitor()?;
    plug_disk(guest, &mut monitor, "first")?;
    let name = wait_for_disk(guest, "first", true)?;
    let before = queue(guest, &name, "rq_affinity")?;
    guest.ok("diapason tune apply trading-low-latency")?;
    let during = queue(guest, &name, "rq_affinity")?;
    ensure!(during == "2" && before != during, "{name} was not tuned: rq_affinity {before} -> {during}");
    unplug_disk(&mut monitor)?;
    wait_for_disk(guest, "first", false)?;
    // Another disk of the same name while the profile is in force.
    plug_disk(guest, &mut monitor, "second")?;
    let second = wait_for_disk(guest, "second", true)?;
    wait_for(
        guest,
        "rq_affinity of the later disk",
        &format!("cat /sys/block/{second}/queue/rq_affinity"),
        "2",
    )?;
    notes.say(format!("{name} left, another one became {second} and has the profile's settings"));
    guest.ok("diapason tune verify")?;
    let back = guest.json("diapason tune rollback --json")?;
    ensure!(back["complete"] == true, "rollback: {back:#}");
    let after = queue(guest, &second, "rq_affinity")?;
    ensure!(
        after == before,
        "the disk that came later has rq_affinity {after} after the rollback, not {before}"
    );
    unplug_disk(&mut monitor)?;
    wait_for_disk(guest, "second", false)?;
    same(guest, PRISTINE)
}

/// Prints the settings of a card that the profile changes.
fn settings(card: &str) -> String {
    format!("ethtool -c {card} | grep ^rx-usecs:; ethtool -k {card} | grep ^generic-receive")
}

fn card(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let mut monitor = guest.monitor()?;
    let present = guest.ok(
        "for card in /sys/class/net/*; do
           [ \"$(basename $(readlink -f $card/device/driver))\" = e1000e ] && basename $card && break; done",
    )?;
    let plain = guest.ok(&settings(present.trim()))?;
    // Present before, gone while the profile is in force.
    plug_card(&mut monitor, "virtio-net-pci")?;
    wait_for_card(guest)?;
    guest.ok("diapason tune apply trading-low-latency")?;
    unplug_card(&mut monitor)?;
    let verified = guest.sh("diapason tune verify")?;
    notes.say(format!("verify after the card had gone: status {}", verified.status));
    // Another one while it is in force: of a sort that has interrupts to hold back.
    plug_card(&mut monitor, "e1000e")?;
    let later = wait_for_card(guest)?;
    for (question, wanted) in [
        (format!("ethtool -c {later} | grep ^rx-usecs:"), "rx-usecs: 0"),
        (format!("ethtool -k {later} | grep ^generic-receive"), "generic-receive-offload: off"),
    ] {
        wait_for(guest, &format!("the later card's answer to {question}"), &question, wanted)?;
    }
    guest.ok("diapason tune verify")?;
    notes.say(format!("{later} came later and has the profile's settings"));
    let back = guest.json("diapason tune rollback --json")?;
    ensure!(back["complete"] == true, "rollback: {back:#}");
    let own = guest.ok(&settings(&later))?;
    ensure!(own == plain, "after the rollback {later} has {own:?}, and a card that nobody tuned {plain:?}");
    unplug_card(&mut monitor)?;
    same(guest, PRISTINE)
}

fn storm(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let mut monitor = guest.monitor()?;
    // The settings move without a pause in the guest, the disk outside of it.
    guest.ok("systemd-run --quiet --unit=storm --collect bash -c '
           while [ ! -e /run/storm-over ]; do
             diapason tune apply trading-low-latency >>/run/storm 2>&1 || echo \"apply $?\" >>/run/storm-bad
             diapason tune apply training-throughput >>/run/storm 2>&1 || echo \"switch $?\" >>/run/storm-bad
             diapason tune rollback >>/run/storm 2>&1 || echo \"rollback $?\" >>/run/storm-bad
             echo round >>/run/storm-rounds
           done'")?;
    for _ in 0..6 {
        plug_disk(guest, &mut monitor, "storm")?;
        std::thread::sleep(std::time::Duration::from_millis(700));
        unplug_disk(&mut monitor)?;
    }
    let rounds = guest.ok("touch /run/storm-over; while systemctl is-active -q storm; do sleep 0.1; done; wc -l </run/storm-rounds")?;
    let bad = guest.sh("sort /run/storm-bad | uniq -c; rm -f /run/storm*")?;
    notes.say(format!("{} rounds of apply, switch and rollback under 6 plugs and unplugs", rounds.trim()));
    if !bad.out.trim().is_empty() {
        notes.say(format!("ended with a status other than 0: {}", bad.out.trim()));
    }
    guest.ok("diapason tune rollback")?;
    same(guest, PRISTINE)
}
