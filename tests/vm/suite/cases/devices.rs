//! Disks and network cards that come and go while a profile is applied and while it is in force.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::case::{Case, Leaves, Notes, PRISTINE, Starts, same};
use crate::guest::Guest;
use crate::monitor::Monitor;

/// A disk comes, stays, goes and another one takes its name.
pub const DISK: Case =
    Case { name: "devices-disk", quick: true, starts: Starts::Installed, leaves: Leaves::Same, run: disk };

/// A network card comes and goes.
pub const CARD: Case =
    Case { name: "devices-card", quick: false, starts: Starts::Installed, leaves: Leaves::Same, run: card };

/// Disks come and go while profiles are applied and rolled back without a pause.
pub const STORM: Case =
    Case { name: "devices-storm", quick: false, starts: Starts::Installed, leaves: Leaves::Same, run: storm };

/// The free root port that hot-plugged disks use.
const PORT: &str = "hp0";

fn plug_disk(guest: &Guest, monitor: &mut Monitor, serial: &str) -> Result<()> {
    let file = guest.state().join("plugged.raw");
    let made = Command::new("truncate").args(["-s", "64M"]).arg(&file).status()?;
    ensure!(made.success(), "truncate");
    let node =
        json!({ "driver": "raw", "node-name": "plugged", "file": { "driver": "file", "filename": file } });
    monitor.ask("blockdev-add", &node)?;
    let device = json!({ "driver": "virtio-blk-pci", "id": "plug", "drive": "plugged", "bus": PORT, "serial": serial });
    monitor.ask("device_add", &device)?;
    Ok(())
}

fn unplug_disk(monitor: &mut Monitor) -> Result<()> {
    monitor.ask("device_del", &json!({ "id": "plug" }))?;
    monitor.wait_for_removal("plug")?;
    monitor.ask("blockdev-del", &json!({ "node-name": "plugged" }))?;
    Ok(())
}

fn wait_for_disk(guest: &mut Guest, serial: &str, there: bool) -> Result<String> {
    let (mark, file) = (if there { "" } else { "! " }, format!("/dev/disk/by-id/virtio-{serial}"));
    guest.ok(&format!("for i in $(seq 300); do {mark}[ -e {file} ] && break; sleep 0.1; done; udevadm settle; {mark}[ -e {file} ]"))?;
    let name = guest.sh(&format!("basename $(readlink {file})"))?;
    Ok(name.out.trim().to_owned())
}

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
    notes.say(format!("{name} left, another one became {second}"));
    let plain = queue(guest, &second, "rq_affinity")?;
    notes.say(format!("the disk that came later has rq_affinity {plain}"));
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

fn card(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let mut monitor = guest.monitor()?;
    let backend = json!({ "type": "hubport", "id": "plugged", "hubid": 1 });
    monitor.ask("netdev_add", &backend)?;
    let device = json!({ "driver": "virtio-net-pci", "id": "plugcard", "netdev": "plugged", "bus": "hp1", "mac": "52:54:00:00:00:99" });
    let cards = "ls /sys/class/net | sort";
    let before = guest.ok(cards)?;
    monitor.ask("device_add", &device)?;
    guest.ok(&format!("old='{before}'; for i in $(seq 300); do [ \"$({cards})\" != \"$old\" ] && break; sleep 0.1; done; udevadm settle; [ \"$({cards})\" != \"$old\" ]"))?;
    guest.ok("diapason tune apply trading-low-latency")?;
    monitor.ask("device_del", &json!({ "id": "plugcard" }))?;
    monitor.wait_for_removal("plugcard")?;
    let verified = guest.sh("diapason tune verify")?;
    notes.say(format!("verify after the card had gone: status {}", verified.status));
    let back = guest.json("diapason tune rollback --json")?;
    ensure!(back["complete"] == true, "rollback: {back:#}");
    monitor.ask("netdev_del", &json!({ "id": "plugged" }))?;
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
