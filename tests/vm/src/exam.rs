//! The exam of the catalogue: every knob that this machine offers gets another value through the daemon, is verified,
//! and is given back; then every setting of the machine is compared.
//!
//! The catalogue says which knobs there are and which values are well formed; what was really done is judged by
//! the snapshots, which know nothing of knobs. A knob is tried on each of its devices but those that nobody tunes,
//! one device of each sort.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use diapason_daemon::apply::report::Ending;
use diapason_daemon::client::{Client, SOCKET};
use diapason_daemon::knob::{self, Class, Form, FormError, Instance, Knob, KnobError};
use diapason_daemon::root::Root;
use serde::Serialize;

use crate::snapshot::{self, Difference};

/// Values for knobs whose form is their own; a `*` at the end stands for any rest of the name.
const VALUES: &[(&str, &[&str])] = &[
    ("vm.dirty", &["bytes 268435456"]),
    ("vm.dirty_background", &["bytes 67108864"]),
    ("vm.min_free_kbytes", &["69632"]),
    ("vm.nr_hugepages", &["8"]),
    ("swap.file", &["64MiB"]),
    ("swap.zram", &["lzo-rle 64MiB", "lz4 64MiB"]),
    ("swap.devices", &["none"]),
    ("nic.feature.*", &["on", "off"]),
    ("nic.xps_rxqs", &["0"]),
    ("cpu.perf_pct", &["50 100"]),
    ("cpu.scaling_freq", &["1800000 2400000"]),
    ("cpu.idle_states", &["latency_us 60"]),
    ("uncore.freq_khz", &["max max"]),
    ("cpuset.partition", &["3"]),
    ("systemd.environment", &["EXAM=1"]),
    ("unit.environment", &["EXAM=1"]),
    ("unit.limits", &["LimitRTPRIO=99"]),
    ("module.options", &["nvme_core.io_timeout=31"]),
];

/// Knobs that are there with another setting of their device alone: how such a name ends, the setting, its value.
const WITH: &[(&str, &str, &str)] = &[
    ("iosched.read_expire", "scheduler", "mq-deadline"),
    ("iosched.write_expire", "scheduler", "mq-deadline"),
    ("iosched.writes_starved", "scheduler", "mq-deadline"),
    ("iosched.front_merges", "scheduler", "mq-deadline"),
    ("iosched.fifo_batch", "scheduler", "mq-deadline"),
    ("iosched.prio_aging_expire", "scheduler", "mq-deadline"),
    ("iosched.read_lat_nsec", "scheduler", "kyber"),
    ("iosched.write_lat_nsec", "scheduler", "kyber"),
    ("iosched.low_latency", "scheduler", "bfq"),
    ("iosched.slice_idle", "scheduler", "bfq"),
    ("iosched.strict_guarantees", "scheduler", "bfq"),
    ("iosched.timeout_sync", "scheduler", "bfq"),
];

/// Sorts of devices on which a knob is tried: a machine has a hundred interrupts.
const KINDS_MAX: usize = 8;

/// The exam's own profile.
const PROFILE: &str = "/etc/diapason/profiles/exam.toml";

/// What became of one knob on one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Applied, verified, rolled back.
    RoundTrip,
    /// This machine does not have it.
    Absent,
    /// It cannot be undone, so that the daemon refuses it; it did.
    Refused,
    /// The kernel took none of the values that were tried, and each time everything was undone.
    Unwilling,
    /// The daemon did not keep its word.
    Failed,
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub struct Line {
    knob: &'static str,
    name: String,
    fate: Fate,
    from: String,
    to: String,
    detail: String,
}

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    lines: Vec<Line>,
    /// Settings that are not as before.
    differences: Vec<Difference>,
}

/// The families of the catalogue, in its order.
pub fn families() -> Vec<&'static str> {
    let mut families: Vec<&str> = Vec::new();
    for family in knob::all().filter_map(|knob| knob.spec().name.split('.').next()) {
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families
}

/// Walks one family of the catalogue. `last` is the snapshot that the family before ended with, if there was one, and is
/// replaced by the one that this family ends with.
pub fn hold(family: &str, last: &Path) -> Result<Report> {
    let root = Root::new("/");
    let mut client = Client::connect(Path::new(SOCKET)).context("the daemon")?;
    let mut lines = Vec::new();
    fs::write(PROFILE, "summary = \"exam\"\n")?;
    let before = match fs::read(last) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("a snapshot")?,
        Err(_) => snapshot::take()?,
    };
    let is_of = |knob: &&dyn Knob| knob.spec().name.split('.').next() == Some(family);
    for knob in knob::all().filter(is_of) {
        if let Err(error) = examine(&root, knob, &mut client, &mut lines) {
            let (knob, detail) = (knob.spec().name, format!("{error:#}"));
            let (name, from, to) = (knob.to_owned(), String::new(), String::new());
            lines.push(Line { knob, name, fate: Fate::Failed, from, to, detail });
        }
    }
    fs::write(PROFILE, "summary = \"exam\"\n")?;
    let after = snapshot::take()?;
    let differences = snapshot::differences(&before, &after);
    fs::write(last, serde_json::to_vec(&after)?)?;
    fs::remove_file(PROFILE)?;
    Ok(Report { lines, differences })
}

fn examine(root: &Root, knob: &'static dyn Knob, client: &mut Client, lines: &mut Vec<Line>) -> Result<()> {
    let spec = knob.spec();
    let line = |name: &str, result, from: &str, to: &str, detail: String| Line {
        knob: spec.name,
        name: name.to_owned(),
        fate: result,
        from: from.to_owned(),
        to: to.to_owned(),
        detail,
    };
    let is_skipped = |target: &str| {
        spec.skips.iter().any(|skip| match skip.strip_suffix('*') {
            Some(head) => target.starts_with(head),
            // The loopback interface has features that no card of the guest has.
            None => *skip == target && target != "lo",
        })
    };
    let mut targets = knob.targets(root).with_context(|| spec.name)?;
    targets.retain(|target| !is_skipped(target));
    let mut kinds = Vec::new();
    targets.retain(|target| {
        let kind = kind(target);
        let is_new = !kinds.contains(&kind) && kinds.len() < KINDS_MAX;
        kinds.push(kind);
        is_new
    });
    let before = lines.len();
    for target in targets {
        let instance = Instance { knob, target };
        let name = instance.name();
        let Ok(Some(current)) = instance.read(root) else { continue };
        if spec.class == Class::Irreversible {
            let refused = attempt(client, &name, "1").is_err_and(|(refused, _)| refused);
            let result = if refused { Fate::Refused } else { Fate::Failed };
            lines.push(line(&name, result, &current, "1", String::new()));
            continue;
        }
        let mut refusals = Vec::new();
        let mut done = None;
        for wanted in candidates(root, &instance, &current) {
            match attempt(client, &name, &wanted) {
                Ok(()) => {
                    let back = instance.read(root)?.unwrap_or_default();
                    let (result, detail) = if back == current {
                        (Fate::RoundTrip, String::new())
                    } else {
                        (Fate::Failed, format!("came back as {back:?}"))
                    };
                    done = Some(line(&name, result, &current, &wanted, detail));
                    break;
                }
                Err((true, detail)) => refusals.push(format!("{wanted}: {detail}")),
                Err((false, detail)) => {
                    done = Some(line(&name, Fate::Failed, &current, &wanted, detail));
                    break;
                }
            }
        }
        let unwilling = || line(&name, Fate::Unwilling, &current, "", refusals.join("; "));
        lines.push(done.unwrap_or_else(unwilling));
    }
    if lines.len() == before {
        lines.push(line(spec.name, Fate::Absent, "", "", String::new()));
    }
    Ok(())
}

/// What sort of device a target is: its name without numbers, and its driver.
fn kind(target: &str) -> String {
    let name: String = target.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    let places =
        [format!("/sys/class/net/{target}/device/driver"), format!("/sys/block/{target}/device/driver")];
    let driver = places.iter().find_map(|place| fs::read_link(place).ok());
    let driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    // Two network cards of one driver have names of one length but other numbers.
    driver.unwrap_or(name)
}

/// One round trip. The error says whether the machine, rather than the daemon, is the reason.
fn attempt(client: &mut Client, name: &str, wanted: &str) -> std::result::Result<(), (bool, String)> {
    let ours = |error: &dyn std::fmt::Display| (false, error.to_string());
    let entry = |name: &str, value: &str| {
        format!("[knob.{name:?}]\nvalue = {value:?}\nreason = \"exam\"\nsource = \"exam\"\n")
    };
    let with = WITH.iter().find_map(|(tail, setting, value)| {
        Some(entry(&format!("{}{setting}", name.strip_suffix(tail)?), value))
    });
    let text = format!("summary = \"exam\"\n{}{}", with.unwrap_or_default(), entry(name, wanted));
    fs::write(PROFILE, text).map_err(|error| ours(&error))?;
    let applied = client.apply("exam").map_err(|error| ours(&error))?;
    let error = applied.error.clone().unwrap_or_default();
    match applied.ending {
        Ending::Applied => {}
        Ending::Refused | Ending::Undone => return Err((true, error)),
        Ending::Stuck => return Err((false, format!("stuck: {error}"))),
    }
    let verified = client.verify(None).map_err(|error| ours(&error))?;
    let back = client.rollback().map_err(|error| ours(&error))?;
    if !verified.holds {
        return Err((false, format!("verify: {:?}", verified.lines)));
    }
    if !back.complete {
        return Err((false, format!("rollback: {:?}", back.outcomes)));
    }
    Ok(())
}

/// Values other than the present one, the gentlest first.
fn candidates(root: &Root, instance: &Instance, current: &str) -> Vec<String> {
    let spec = instance.knob.spec();
    let mut values: Vec<String> = Vec::new();
    if let Some((_, own)) = VALUES.iter().find(|(name, _)| match name.strip_suffix('*') {
        Some(head) => spec.name.starts_with(head),
        None => *name == spec.name,
    }) {
        values.extend(own.iter().map(|value| (*value).to_owned()));
    } else {
        let near = |now: i64, step: i64| [now + step, now - step, now.saturating_mul(2), now / 2];
        match spec.form {
            Form::Integer { min, max, step } => {
                let now = current.parse().unwrap_or(min);
                values.extend(near(now, step).map(|value| value.to_string()));
                values.extend([min, max].map(|value| value.to_string()));
            }
            Form::IntegerOr { min, max, word } => {
                let now = current.parse().unwrap_or(min);
                values.extend(near(now, 1).map(|value| value.to_string()));
                values.extend([min.to_string(), max.to_string(), word.to_owned()]);
            }
            Form::Integers { .. } => {
                let now: Vec<i64> = current.split(' ').filter_map(|word| word.parse().ok()).collect();
                for step in [1, -1, 4096] {
                    let mut next = now.clone();
                    next.last_mut().into_iter().for_each(|last| *last += step);
                    values.push(next.iter().map(i64::to_string).collect::<Vec<_>>().join(" "));
                }
            }
            // Fewer CPUs than there are, and at least one that runs.
            Form::Cpus | Form::CpusOr(_) => {
                values.extend(["0-1", "1-2", "0-2", "1-3", "1", "0"].map(str::to_owned));
            }
            Form::Choice(words) => values.extend(words.iter().map(|word| (*word).to_owned())),
            _ => {
                // The refusal of nonsense lists what this machine offers.
                let refusal = instance.knob.settle(root, &instance.target, "nonsense");
                if let Err(KnobError::Form(FormError::Choice { offered, .. })) = refusal {
                    values.extend(offered);
                }
            }
        }
    }
    let settled = |value: String| instance.knob.settle(root, &instance.target, &value).ok().map(|_| value);
    values.into_iter().filter_map(settled).filter(|value| value != current).collect()
}
