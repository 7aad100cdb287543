//! The power goes in the middle of an apply, and the machine boots from what is on its disks.

use anyhow::{Context, Result, ensure};
use std::time::Duration;

use crate::case::{Case, Leaves, Notes, Starts, differences};
use crate::guest::{Guest, PAYLOAD};

/// Cuts at the first, at a middle and at a late change, one from outside, and one with the profile in force.
pub const CUT: Case =
    Case { name: "power-cut", quick: false, starts: Starts::Installed, leaves: Leaves::Anything, run: cuts };

/// Volatile and persistent knobs in one profile: what a boot forgets and what it keeps.
const PROFILE: &str = r#"
summary = "power"
include = "trading-low-latency"
[knob."swap.file"]
value = "64MiB"
reason = "r"
source = "s"
[knob."systemd.environment"]
value = ["POWER=1"]
reason = "r"
source = "s"
[knob."unit.limits"]
value = "LimitRTPRIO=99"
on = "engine.service"
reason = "r"
source = "s"
"#;

/// Settings that differ from boot to boot though nobody sets them: a part of their path, and why.
const BOOT: &[(&str, &str)] = &[
    ("/proc/irq/", "interrupts are numbered as their devices come"),
    ("/input/input", "input devices are numbered as they come"),
    ("/proc/mounts", "file systems in memory are sized by what is free at the moment"),
    ("/proc/sys/vm/user_reserve_kbytes", "a share of what is free at the moment"),
];

/// Fails unless the settings are those of the first boot, but for what each boot makes anew.
fn same_over_boots(guest: &mut Guest) -> Result<()> {
    let mut found = without_names(&differences(guest, "/root/first-boot")?);
    found.retain(|line| {
        !BOOT.iter().any(|(part, _)| line.split(": ").next().is_some_and(|path| path.contains(part)))
    });
    ensure!(
        found.is_empty(),
        "{} settings are not as after the first boot:\n{}",
        found.len(),
        found.join("\n")
    );
    Ok(())
}

/// Differences but for two disks whose names were exchanged: their folders have the places of the disks above the names.
fn without_names(found: &[String]) -> Vec<String> {
    let plain = |line: &str| line.replace("/block/sda/", "/block/sd/").replace("/block/sdb/", "/block/sd/");
    let mirrored = |line: &str| {
        let (path, values) = line.split_once(": ")?;
        let (before, after) = values.split_once(" -> ")?;
        Some(format!("{path}: {after} -> {before}"))
    };
    let all: Vec<String> = found.iter().map(|line| plain(line)).collect();
    let is_moved = |line: &&String| {
        line.contains("/block/sd/") && mirrored(line).is_some_and(|mirrored| all.contains(&mirrored))
    };
    all.iter().filter(|line| !is_moved(line)).cloned().collect()
}

fn cuts(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    guest.ok(&format!(
        "cat > /etc/diapason/profiles/power.toml <<'END'\n{PROFILE}END
         printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /etc/systemd/system/engine.service
         systemctl enable -q diapasond.service diapasond.socket; echo zram > /etc/modules-load.d/zram.conf; sync"
    ))?;
    reboot(guest)?;
    guest.ok(&format!("{PAYLOAD}/vm-guest snapshot /root/first-boot"))?;
    // What an apply changes, files included.
    guest.ok("diapason tune apply power")?;
    let found = guest.json(&format!("{PAYLOAD}/vm-guest since /root/first-boot"))?;
    guest.ok("diapason tune rollback")?;
    let paths: Vec<&str> =
        found.as_array().context("a list")?.iter().filter_map(|one| one["path"].as_str()).collect();
    // The files that outlive a boot are written last.
    let files: Vec<&str> = paths.iter().copied().filter(|path| path.starts_with("/etc/")).collect();
    guest.ok(&format!(
        "cat > /root/watched <<'END'\n{}\nEND\ncat > /root/files <<'END'\n{}\nEND\nsync",
        paths.join("\n"),
        files.join("\n")
    ))?;
    let total = paths.iter().filter(|path| path.starts_with('/')).count();
    for (count, of) in [(1, "watched"), (total / 2, "watched"), (1, "files")] {
        let _ = guest.sh_within(
            &format!("{PAYLOAD}/vm-guest strike cut 0 {count} /root/{of} diapason tune apply power"),
            Duration::from_secs(90),
        );
        ensure!(guest.wait_for_power_off(Duration::from_secs(20)), "the power stayed on");
        guest.boot()?;
        settle(guest, notes, &format!("cut at change {count} of {total} {of}"))?;
    }
    guest.ok("(sleep 0.3; diapason tune apply power) >/dev/null 2>&1 & sleep 0.9")?;
    guest.cut();
    guest.boot()?;
    settle(guest, notes, "cut from outside during an apply")?;
    guest.ok("diapason tune apply power; sync")?;
    reboot(guest)?;
    settle(guest, notes, "cut with the profile in force")
}

fn reboot(guest: &mut Guest) -> Result<()> {
    guest.cut();
    guest.boot()
}

/// After a boot: the daemon runs, and once nothing is in force every setting is as after the first boot.
fn settle(guest: &mut Guest, notes: &mut Notes, what: &str) -> Result<()> {
    guest.ok("systemctl is-active diapasond").with_context(|| what.to_owned())?;
    let status = guest.json("diapason tune status --json")?;
    notes.say(format!("{what}: in force {}; found {}", status["profile"], status["found"]));
    let back = guest.json("diapason tune rollback --json")?;
    ensure!(back["complete"] == true, "{what}: rollback: {back:#}");
    same_over_boots(guest).with_context(|| what.to_owned())
}
