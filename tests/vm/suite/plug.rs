//! Devices put into the running guest and taken out again: a disk on one free root port, a card on the other.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::guest::Guest;
use crate::monitor::Monitor;

/// Puts a disk in; it is found by its serial number.
pub fn plug_disk(guest: &Guest, monitor: &mut Monitor, serial: &str) -> Result<()> {
    let file = guest.state().join("plugged.raw");
    let made = Command::new("truncate").args(["-s", "64M"]).arg(&file).status()?;
    ensure!(made.success(), "truncate");
    let node =
        json!({ "driver": "raw", "node-name": "plugged", "file": { "driver": "file", "filename": file } });
    monitor.ask("blockdev-add", &node)?;
    let device = json!({ "driver": "virtio-blk-pci", "id": "plug", "drive": "plugged", "bus": "hp0", "serial": serial });
    monitor.ask("device_add", &device)?;
    Ok(())
}

/// Takes the disk out, once the guest has let go of it.
pub fn unplug_disk(monitor: &mut Monitor) -> Result<()> {
    monitor.ask("device_del", &json!({ "id": "plug" }))?;
    monitor.wait_for_removal("plug")?;
    monitor.ask("blockdev-del", &json!({ "node-name": "plugged" }))?;
    Ok(())
}

/// Waits until the disk is there, or is not; its name.
pub fn wait_for_disk(guest: &mut Guest, serial: &str, there: bool) -> Result<String> {
    let (mark, file) = (if there { "" } else { "! " }, format!("/dev/disk/by-id/virtio-{serial}"));
    guest.ok(&format!("for i in $(seq 300); do {mark}[ -e {file} ] && break; sleep 0.1; done; udevadm settle; {mark}[ -e {file} ]"))?;
    let name = guest.sh(&format!("basename $(readlink {file})"))?;
    Ok(name.out.trim().to_owned())
}

/// The address by which the plugged card is found.
const ADDRESS: &str = "52:54:00:00:00:99";

/// Puts a card of `driver` in.
pub fn plug_card(monitor: &mut Monitor, driver: &str) -> Result<()> {
    monitor.ask("netdev_add", &json!({ "type": "hubport", "id": "plugged", "hubid": 1 }))?;
    let device =
        json!({ "driver": driver, "id": "plugcard", "netdev": "plugged", "bus": "hp1", "mac": ADDRESS });
    monitor.ask("device_add", &device)?;
    Ok(())
}

/// Takes the card out, once the guest has let go of it.
pub fn unplug_card(monitor: &mut Monitor) -> Result<()> {
    monitor.ask("device_del", &json!({ "id": "plugcard" }))?;
    monitor.wait_for_removal("plugcard")?;
    monitor.ask("netdev_del", &json!({ "id": "plugged" }))?;
    Ok(())
}

/// Waits until the card is there under the name that it keeps; the name.
pub fn wait_for_card(guest: &mut Guest) -> Result<String> {
    let name = guest.ok(&format!(
        "for i in $(seq 300); do grep -qs {ADDRESS} /sys/class/net/*/address && break; sleep 0.1; done; udevadm settle
         basename $(dirname $(grep -ls {ADDRESS} /sys/class/net/*/address))"
    ))?;
    Ok(name.trim().to_owned())
}

/// Waits until a command prints `wanted`: the daemon gathers devices for a moment before it tunes them.
pub fn wait_for(guest: &mut Guest, what: &str, command: &str, wanted: &str) -> Result<()> {
    let answer = guest.ok(&format!(
        "for i in $(seq 150); do [ \"$({command})\" = '{wanted}' ] && break; sleep 0.1; done; {command}; true"
    ))?;
    ensure!(answer.trim() == wanted, "{what} is {:?}, not {wanted:?}", answer.trim());
    Ok(())
}
