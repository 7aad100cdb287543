//! What goes wrong on real hosts: the daemon is killed, hangs, or loses power; values are wrong; places are full or
//! read-only; callers have no rights; two daemons meet. No original is ever lost.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::case::{Case, Leaves, Notes, PRISTINE, Starts, differences, same};
use crate::guest::{Guest, PAYLOAD};

const fn case(name: &'static str, quick: bool, run: fn(&mut Guest, &mut Notes) -> Result<()>) -> Case {
    Case { name, quick, starts: Starts::Installed, leaves: Leaves::Same, run }
}

/// SIGKILL with a profile in force.
pub const KILL_ACTIVE: Case = case("fault-kill-active", true, kill_active);
/// SIGKILL in the middle of apply, switch and rollback.
pub const KILL_DURING: Case = case("fault-kill-during", true, kill_during);
/// SIGSTOP until the service manager has had enough.
pub const WATCHDOG: Case = case("fault-watchdog", false, watchdog);
/// Values that the kernel or the catalogue refuses.
pub const WRONG_VALUES: Case = case("fault-wrong-values", true, wrong_values);
/// A second daemon.
pub const TWO_DAEMONS: Case = case("fault-two-daemons", true, two_daemons);
/// /proc/sys read-only, as in a container.
pub const READ_ONLY: Case = case("fault-read-only", true, read_only);
/// No room for the journal.
pub const FULL: Case = case("fault-full-run", false, full);
/// A caller who may not.
pub const RIGHTS: Case = case("fault-rights", true, rights);

/// The profile that is struck.
pub const PROFILE: &str = "trading-low-latency";
/// The profile that is switched to.
const OTHER: &str = "training-throughput";

/// Writes the paths of /proc and /sys that an apply changes to /root/watched, and returns how many they are.
pub fn watch(guest: &mut Guest, apply: &str, back: &str) -> Result<usize> {
    guest.ok(apply)?;
    let found = guest.json(&format!("{PAYLOAD}/vm-guest since {PRISTINE}"))?;
    guest.ok(back)?;
    let paths: Vec<&str> = found
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(|one| one["path"].as_str())
        .filter(|path| path.starts_with("/proc/sys/") || path.starts_with("/sys/"))
        .collect();
    ensure!(paths.len() > 5, "the apply changed only {paths:?}");
    guest.ok(&format!("cat > /root/watched <<'END'\n{}\nEND", paths.join("\n")))?;
    Ok(paths.len())
}

/// Waits until the unit is active again with another process.
pub fn wait_for_restart(guest: &mut Guest, old: &str) -> Result<()> {
    guest.ok(&format!(
        "for i in $(seq 600); do
           new=$(systemctl show -p MainPID --value diapasond)
           [ \"$new\" != 0 ] && [ \"$new\" != {old} ] && systemctl is-active -q diapasond && exit 0
           sleep 0.1
         done
         systemctl status diapasond --no-pager; exit 1"
    ))?;
    Ok(())
}

pub fn pid(guest: &mut Guest) -> Result<String> {
    Ok(guest.ok("systemctl show -p MainPID --value diapasond")?.trim().to_owned())
}

fn kill_active(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    guest.ok(&format!("diapason tune apply {PROFILE}"))?;
    guest.ok(&format!("{PAYLOAD}/vm-guest snapshot /root/applied"))?;
    let old = pid(guest)?;
    guest.ok(&format!("kill -KILL {old}"))?;
    wait_for_restart(guest, &old)?;
    same(guest, "/root/applied").context("the kill or the restart changed settings")?;
    let status = guest.json("diapason tune status --json")?;
    ensure!(status["profile"] == PROFILE, "after the restart {} is in force", status["profile"]);
    guest.ok("diapason tune verify")?;
    let held = status["held"].as_array().map_or(0, Vec::len);
    // An admin's change in between is kept and said, and who made it.
    guest.ok("setsid -f sh -c 'echo 42 > /proc/sys/vm/swappiness; sleep 20; :' > /dev/null 2>&1")?;
    let found = guest.json(
        "for i in $(seq 100); do
           diapason tune status --json > /root/found
           grep -q '\"writer\": *\"' /root/found && break
           sleep 0.1
         done
         cat /root/found",
    )?;
    let drift = &found["drift"][0];
    let writer = drift["writer"].as_str().unwrap_or_default();
    ensure!(
        drift["knob"] == "vm.swappiness" && drift["current"] == "42" && writer.starts_with("sh (process "),
        "the foreign write is told as {drift}"
    );
    let writer = writer.to_owned();
    ensure!(guest.sh("diapason tune verify")?.status != 0, "verify did not see a foreign write");
    let back = guest.json("diapason tune rollback --json")?;
    ensure!(back["complete"] == true, "rollback: {back:#}");
    let left = differences(guest, PRISTINE)?;
    ensure!(left.len() == 1 && left[0].contains("vm/swappiness"), "kept besides the foreign write: {left:?}");
    guest.ok("echo 60 > /proc/sys/vm/swappiness")?;
    notes
        .say(format!("{held} held knobs survived the kill; the foreign write of {writer} was seen and kept"));
    Ok(())
}

fn kill_during(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let apply = format!("diapason tune apply {PROFILE}");
    let watched = watch(guest, &apply, "diapason tune rollback")?;
    let (mut hits, mut line) = (Vec::new(), String::new());
    // At the first change, at a third, at two thirds, at the last but one.
    for count in [1, watched / 3, watched * 2 / 3, watched - 1] {
        let old = pid(guest)?;
        let struck =
            guest.json(&format!("{PAYLOAD}/vm-guest strike kill {old} {count} /root/watched {apply}"))?;
        if struck["changed"].is_null() {
            // So near to the end that the apply was over between two looks.
            notes.say(format!("no kill at {count} of {watched}: the apply had ended"));
            guest.ok("diapason tune rollback")?;
            continue;
        }
        wait_for_restart(guest, &old)?;
        let status = guest.json("diapason tune status --json")?;
        let undone = status["profile"].is_null();
        if !undone {
            // The kill came after the commit.
            guest.ok("diapason tune rollback")?;
        }
        same(guest, PRISTINE).with_context(|| format!("after a kill at {count} of {watched}: {struck}"))?;
        write!(line, " {}", struck["changed"])?;
        hits.push(undone);
    }
    notes.say(format!(
        "apply killed at{line} of {watched} changes; {} undone by the restart, {} committed before",
        hits.iter().filter(|undone| **undone).count(),
        hits.iter().filter(|undone| !**undone).count()
    ));
    ensure!(hits.contains(&true), "no kill came in the middle");
    // A switch and a rollback, struck in the middle.
    for (what, command) in [
        ("switch", format!("diapason tune apply {OTHER}")),
        ("rollback", "diapason tune rollback".to_owned()),
    ] {
        guest.ok(&apply)?;
        let old = pid(guest)?;
        let struck =
            guest.json(&format!("{PAYLOAD}/vm-guest strike kill {old} 5 /root/watched {command}"))?;
        ensure!(!struck["changed"].is_null(), "the {what} ended before 5 settings had changed: {struck}");
        wait_for_restart(guest, &old)?;
        let status = guest.json("diapason tune status --json")?;
        notes.say(format!(
            "{what} killed at {} changes; then in force: {}",
            struck["changed"], status["profile"]
        ));
        guest.ok("diapason tune rollback")?;
        same(guest, PRISTINE).with_context(|| format!("after a kill in a {what}"))?;
    }
    Ok(())
}

fn watchdog(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    guest.ok(&format!("diapason tune apply {PROFILE}"))?;
    guest.ok(&format!("{PAYLOAD}/vm-guest snapshot /root/applied"))?;
    let old = pid(guest)?;
    let limit = guest.ok("systemctl show -p WatchdogUSec --value diapasond")?;
    let script = format!(
        "start=$(date +%s); kill -STOP {old}
         while [ \"$(systemctl show -p MainPID --value diapasond)\" = {old} ]; do
           sleep 1; [ $(( $(date +%s) - start )) -gt 150 ] && exit 1
         done
         echo $(( $(date +%s) - start ))"
    );
    let answer = guest.sh_within(&script, std::time::Duration::from_secs(200))?;
    if answer.status != 0 {
        guest.ok(&format!("kill -KILL {old}"))?;
        wait_for_restart(guest, &old)?;
        guest.ok("diapason tune rollback")?;
        bail!("stopped for 150 s with a watchdog of {}, and still not replaced", limit.trim());
    }
    notes.say(format!("stopped; replaced after {} s with a watchdog of {}", answer.out.trim(), limit.trim()));
    wait_for_restart(guest, &old)?;
    same(guest, "/root/applied")?;
    guest.ok("diapason tune verify && diapason tune rollback")?;
    Ok(())
}

/// What a profile says, and words that the refusal must have.
const WRONG: &[(&str, &str, &[&str])] = &[
    ("an unknown knob", "[knob.\"vm.swapiness\"]\nvalue = 1", &["vm.swappiness", "wrong.toml"]),
    ("a value out of range", "[knob.\"vm.swappiness\"]\nvalue = 999", &["999", "200", "wrong.toml"]),
    (
        "a value that only the kernel refuses",
        "[knob.\"vm.stat_interval\"]\nvalue = 11\n@[knob.\"net.ipv4.tcp_mem\"]\nvalue = \"3 2 1\"",
        &[],
    ),
    (
        "a scheduler that no disk offers",
        "[knob.\"vm.stat_interval\"]\nvalue = 11\n@[knob.\"block.scheduler\"]\nvalue = \"nosuch\"",
        &["nosuch", "wrong.toml"],
    ),
    ("what cannot be undone", "[knob.\"kernel.modules_disabled\"]\nvalue = 1", &["cannot be undone"]),
    ("broken TOML", "[knob.\"vm.swappiness\"\nvalue = 1", &["wrong.toml"]),
    ("an include of itself", "include@ = \"wrong\"", &["include"]),
];

fn wrong_values(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    for (what, body, words) in WRONG {
        let with_reason = |part: &str| {
            if part.starts_with("[knob") && part.contains("]\n") {
                format!("{part}\nreason = \"r\"\nsource = \"s\"\n")
            } else {
                format!("{}\n", part.replace("include@", "include"))
            }
        };
        let body: String = if body.contains("include@") {
            with_reason(body)
        } else {
            body.split("\n@").map(with_reason).collect()
        };
        guest.ok(&format!(
            "cat > /etc/diapason/profiles/wrong.toml <<'END'\nsummary = \"wrong\"\n{body}END"
        ))?;
        let answer = guest.sh("diapason tune apply wrong")?;
        guest.ok("rm /etc/diapason/profiles/wrong.toml")?;
        ensure!(answer.status != 0, "{what} was accepted: {}", answer.out);
        let said = format!("{}{}", answer.out, answer.err);
        for word in *words {
            ensure!(said.contains(word), "{what}: the refusal does not say {word:?}: {said}");
        }
        let last = said.trim().lines().last().unwrap_or_default().to_owned();
        notes.say(format!("{what}: status {}: {last}", answer.status));
        same(guest, PRISTINE).context(*what)?;
    }
    Ok(())
}

fn two_daemons(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let answer = guest.sh("timeout 20 diapasond --socket /run/second.sock")?;
    ensure!(answer.status == 1 && answer.err.contains("another diapasond"), "the second daemon: {answer:?}");
    notes.say(answer.err.trim().to_owned());
    guest.ok("diapason tune status")?;
    Ok(())
}

/// Runs the real unit with one more line, and takes the line away again.
pub fn with_unit(guest: &mut Guest, line: &str, body: impl FnOnce(&mut Guest) -> Result<()>) -> Result<()> {
    let folder = "/run/systemd/system/diapasond.service.d";
    guest.ok(&format!(
        "mkdir -p {folder} && printf '[Service]\\n{line}\\n' > {folder}/case.conf && systemctl daemon-reload && systemctl restart diapasond"
    ))?;
    let result = body(guest);
    guest.ok(&format!("rm -r {folder}; systemctl daemon-reload; systemctl reset-failed diapasond; systemctl restart diapasond"))?;
    result
}

fn read_only(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    with_unit(guest, "ProtectKernelTunables=yes", |guest| {
        let answer = guest.sh(&format!("diapason tune apply {PROFILE}"))?;
        let said = format!("{}{}", answer.out, answer.err);
        ensure!(answer.status != 0, "applied on a read-only /proc/sys");
        let last = said.trim().lines().last().unwrap_or_default().to_owned();
        ensure!(last.contains("Read-only") && last.contains("/sys/"), "the refusal names no path: {said}");
        notes.say(format!("status {}: {last}", answer.status));
        same(guest, PRISTINE)
    })
}

fn full(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    // A journal folder of its own, so that nothing else of the guest suffers.
    guest.ok("systemctl stop diapasond && mount -t tmpfs -o size=256k,mode=755 tmpfs /run/diapason && systemctl restart diapasond.socket diapasond")?;
    let result = (|| {
        guest.ok("head -c 512k /dev/zero > /run/diapason/fill; true")?;
        let answer = guest.sh(&format!("diapason tune apply {PROFILE}"))?;
        let said = format!("{}{}", answer.out, answer.err);
        ensure!(answer.status != 0, "applied without a journal: {said}");
        notes.say(format!("status {}: {}", answer.status, said.trim().lines().last().unwrap_or_default()));
        same_but_mount(guest).context("with a full folder")?;
        // Full after the apply: the rollback says so and loses nothing; with room again it works.
        guest.ok(&format!("rm /run/diapason/fill; diapason tune apply {PROFILE}"))?;
        guest.ok("head -c 512k /dev/zero > /run/diapason/fill; true")?;
        let answer = guest.sh("diapason tune rollback")?;
        notes.say(format!("rollback with a full folder: status {}: {}", answer.status, answer.err.trim()));
        guest.ok("rm /run/diapason/fill; diapason tune rollback")?;
        same_but_mount(guest).context("with room again")
    })();
    guest.ok("systemctl stop diapasond diapasond.socket; umount /run/diapason; systemctl restart diapasond.socket diapasond")?;
    result
}

fn same_but_mount(guest: &mut Guest) -> Result<()> {
    let found = differences(guest, PRISTINE)?;
    let strays: Vec<&String> = found
        .iter()
        .filter(|line| {
            !line.starts_with("/proc/mounts")
                && !line.contains("/sys/fs/cgroup/system.slice/run-diapason.mount")
        })
        .collect();
    ensure!(strays.is_empty(), "settings changed: {strays:#?}");
    Ok(())
}

fn rights(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    guest.ok(&format!("{nobody} diapason tune status"))?;
    for command in [&format!("apply {PROFILE}"), "rollback"] {
        let answer = guest.sh(&format!("{nobody} diapason tune {command}"))?;
        ensure!(answer.status != 0 && answer.err.contains("root"), "{command} by nobody: {answer:?}");
        notes.say(format!("{command} by nobody: status {}: {}", answer.status, answer.err.trim()));
    }
    // Malformed messages end the connection and nothing else.
    let garbage: [&str; 4] = ["\\0", "{}\\0", "[[[[\\0", "{\"method\":7}\\0"];
    for message in garbage {
        guest.ok(&format!(
            "printf '{message}' | timeout 5 busybox nc local:/run/diapason/control.sock 2>/dev/null; true"
        ))?;
    }
    let status: Value = guest.json("diapason tune status --json")?;
    ensure!(status["profile"].is_null(), "{status}");
    Ok(())
}
