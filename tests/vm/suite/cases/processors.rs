//! A processor is switched off and on again while its settings are held.

use anyhow::{Context, Result, ensure};

use super::memory::with_profile;
use crate::case::{Case, Leaves, Notes, PRISTINE, Starts, differences, same};
use crate::guest::{Guest, PAYLOAD};
use crate::plug::wait_for;

/// Off and on with a profile in force; off during the apply; off during the rollback.
pub const PROCESSORS: Case = Case {
    name: "devices-processor",
    quick: false,
    starts: Starts::Installed,
    leaves: Leaves::Same,
    run: processors,
};

/// Settings of each processor: its frequency, its idle states, its bound on the wake-up latency; and sets of processors,
/// which lose one that goes.
const KNOBS: &[(&str, &str)] = &[
    ("cpu.governor", "performance"),
    ("cpu.scaling_freq", "1800000 2400000"),
    ("cpu.idle_states", "latency_us 10"),
    ("cpu.pm_qos_resume_latency_us", "20"),
    ("irq.default_smp_affinity", "0,3"),
    ("workqueue.cpumask", "0,3"),
    ("kernel.watchdog_cpumask", "0,3"),
];

const OFF: &str = "echo 0 > /sys/devices/system/cpu/cpu3/online && udevadm settle && sleep 1";
const ON: &str = "echo 1 > /sys/devices/system/cpu/cpu3/online && udevadm settle";
const VERIFY: &str = "diapason tune verify >/dev/null; echo $?";

fn processors(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    with_profile(guest, KNOBS, |guest| {
        guest.ok(&format!("{PAYLOAD}/vm-guest snapshot /root/tuned"))?;
        let held = |guest: &mut Guest| -> Result<usize> {
            Ok(guest.json("diapason tune status --json")?["held"].as_array().map_or(0, Vec::len))
        };
        let before = held(guest)?;
        guest.ok(OFF)?;
        let verified = guest.sh("diapason tune verify")?;
        notes.say(format!(
            "with a processor off: verify says {}, {} of {before} held",
            verified.status,
            held(guest)?
        ));
        guest.ok(ON)?;
        wait_for(guest, "verify after the processor's return", VERIFY, "0")?;
        same(guest, "/root/tuned").context("a processor that returned has not the profile's settings")?;
        ensure!(held(guest)? == before, "{before} knobs were held, and now {}", held(guest)?);
        Ok(())
    })?;
    same(guest, PRISTINE).context("off and on with the profile in force")?;
    // Off while the profile is taken back.
    let back = with_profile(guest, KNOBS, |guest| guest.ok(OFF).map(drop));
    guest.ok(ON)?;
    if let Err(refused) = back {
        notes.say(format!("rolled back with a processor off: {refused:#}"));
        guest.ok("diapason tune rollback").context("and once more with the processor on")?;
    }
    same(guest, PRISTINE).context("off while the profile is taken back")?;
    // Off while it is applied: it is tuned when it comes.
    guest.ok(OFF)?;
    with_profile(guest, KNOBS, |guest| {
        guest.ok(ON)?;
        wait_for(guest, "verify after the processor's coming", VERIFY, "0")?;
        wait_for(
            guest,
            "its governor",
            "cat /sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
            "performance",
        )
    })?;
    let left = differences(guest, PRISTINE)?;
    ensure!(left.is_empty(), "off while the profile was applied: {left:#?}");
    Ok(())
}
