//! TuneD from Debian and diapasond in the same guest, through the same faults: what each loses, and what each costs.
//!
//! Both are asked for the same settings: what TuneD's profile `network-latency` changes here is written down as a
//! profile of ours. Times are times of an emulated machine, so that only their ratio says something.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::case::{Case, Leaves, Notes, PRISTINE, Starts, differences};
use crate::guest::{Guest, PAYLOAD};

/// The comparison, and its record.
pub const COMPARE: Case =
    Case { name: "rival", quick: false, starts: Starts::Installed, leaves: Leaves::Anything, run: compare };

/// How often each time is taken; the median counts.
const ROUNDS: usize = 3;

/// How one of the two is driven.
struct Side {
    unit: &'static str,
    apply: &'static str,
    other: &'static str,
    verify: &'static str,
    off: &'static str,
    /// A profile with `vm.dirty_bytes` alone, and one with wrong values.
    dirty: &'static str,
    wrong: &'static str,
    /// Brings the daemon back after a kill.
    revive: &'static str,
}

const OURS: Side = Side {
    unit: "diapasond",
    apply: "diapason tune apply like-network-latency",
    other: "diapason tune apply like-latency-performance",
    verify: "diapason tune verify",
    off: "diapason tune rollback",
    dirty: "diapason tune apply rival-dirty",
    wrong: "diapason tune apply rival-wrong",
    // The service manager does it.
    revive: "for i in $(seq 200); do systemctl is-active -q diapasond && break; sleep 0.1; done",
};

const TUNED: Side = Side {
    unit: "tuned",
    apply: "tuned-adm profile network-latency",
    other: "tuned-adm profile latency-performance",
    verify: "tuned-adm verify",
    off: "tuned-adm off",
    dirty: "tuned-adm profile rival-dirty",
    wrong: "tuned-adm profile rival-wrong",
    revive: "sleep 2; systemctl is-active -q tuned || { systemctl reset-failed tuned; systemctl start tuned; }",
};

/// A line of the record.
struct Row {
    measure: &'static str,
    unit: &'static str,
    values: [f64; 2],
}

fn compare(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    prepare(guest)?;
    let mut rows: Vec<Row> = Vec::new();
    for (at, side) in [&OURS, &TUNED].into_iter().enumerate() {
        for (measure, unit, value) in costs(guest, side)?.into_iter().chain(losses(guest, side)?) {
            match rows.iter_mut().find(|row| row.measure == measure) {
                Some(row) => row.values[at] = value,
                None => rows.push(Row { measure, unit, values: [value, f64::NAN] }),
            }
        }
        guest.ok(&format!("systemctl stop {}; true", side.unit))?;
        clean(guest)?;
    }
    for row in &rows {
        notes.say(format!(
            "{}: diapasond {}, TuneD {} ({})",
            row.measure, row.values[0], row.values[1], row.unit
        ));
    }
    record(guest, &rows)?;
    let lost: Vec<&str> = rows
        .iter()
        .filter(|row| row.unit == "settings lost" && row.values[0] != 0.0)
        .map(|row| row.measure)
        .collect();
    ensure!(lost.is_empty(), "diapasond lost settings in: {}", lost.join(", "));
    Ok(())
}

/// Profiles for both sides.
fn prepare(guest: &mut Guest) -> Result<()> {
    guest.ok(
        "mkdir -p /etc/tuned/rival-dirty /etc/tuned/rival-wrong
         printf '[sysctl]\\nvm.dirty_bytes=134217728\\n' > /etc/tuned/rival-dirty/tuned.conf
         printf '[sysctl]\\nvm.stat_interval=7\\nkernel.sched_rt_runtime_us=-99\\n' > /etc/tuned/rival-wrong/tuned.conf
         : > /etc/tuned/active_profile; echo manual > /etc/tuned/profile_mode
         cat > /etc/diapason/profiles/rival-dirty.toml <<'END'
summary = \"dirty\"
[knob.\"vm.dirty\"]
value = \"bytes 134217728\"
reason = \"r\"
source = \"s\"
END
         cat > /etc/diapason/profiles/rival-wrong.toml <<'END'
summary = \"wrong\"
[knob.\"vm.stat_interval\"]
value = 7
reason = \"r\"
source = \"s\"
[knob.\"kernel.sched_rt_runtime_us\"]
value = -99
reason = \"r\"
source = \"s\"
END",
    )?;
    for (theirs, ours) in
        [("network-latency", "like-network-latency"), ("latency-performance", "like-latency-performance")]
    {
        guest.ok(&format!("systemctl start tuned && tuned-adm profile {theirs}"))?;
        let changed = guest.json(&format!("{PAYLOAD}/vm-guest since {PRISTINE}"))?;
        guest.ok("tuned-adm off && systemctl stop tuned && : > /etc/tuned/active_profile")?;
        let profile = like(&changed)?;
        guest.ok(&format!("cat > /etc/diapason/profiles/{ours}.toml <<'END'\n{profile}END\ndiapason tune plan {ours} >/dev/null"))?;
    }
    // TuneD writes below /etc when it is used; that is not what is compared.
    guest.ok(&format!("{PAYLOAD}/vm-guest snapshot {PRISTINE}"))?;
    Ok(())
}

/// What TuneD changed, as a profile of ours.
fn like(changed: &Value) -> Result<String> {
    let mut text = "summary = \"as TuneD\"\n".to_owned();
    let mut add = |knob: &str, value: &str| {
        write!(
            text,
            "[knob.\"{knob}\"]\nvalue = \"{value}\"\noptional = true\nreason = \"as TuneD\"\nsource = \"TuneD\"\n"
        )
    };
    for one in changed.as_array().context("a list")? {
        let (path, value) =
            (one["path"].as_str().unwrap_or_default(), one["after"].as_str().unwrap_or_default().trim());
        let value = value
            .split_whitespace()
            .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))
            .unwrap_or(value);
        let coupled = ["vm.dirty_ratio", "vm.dirty_background_ratio"];
        match path.strip_prefix("/proc/sys/").map(|name| name.replace('/', ".")).as_deref() {
            // What the kernel changes along with other settings.
            Some("vm.min_free_kbytes") => {}
            Some(name) if coupled.contains(&name) && value == "0" => {}
            Some(name) if coupled.contains(&name) => {
                add(name.trim_end_matches("_ratio"), &format!("ratio {value}"))?;
            }
            Some(name @ ("vm.dirty_bytes" | "vm.dirty_background_bytes")) => {
                add(name.trim_end_matches("_bytes"), &format!("bytes {value}"))?;
            }
            Some(name) => add(name, value)?,
            None if path.ends_with("/transparent_hugepage/enabled") => add("hugepages.enabled", value)?,
            None if path.ends_with("/policy0/scaling_governor") => add("cpu.governor", value)?,
            None if path == "/dev/cpu_dma_latency" => add("cpu.dma_latency", value)?,
            None => {}
        }
    }
    Ok(text)
}

type Measure = (&'static str, &'static str, f64);

/// Settings of /proc, /sys and the held bound that are not as before.
fn changed(guest: &mut Guest) -> Result<f64> {
    let found = differences(guest, PRISTINE)?;
    let count = found.iter().filter(|line| {
        ["/proc/sys/", "/sys/", "/dev/"].iter().any(|root| line.starts_with(root))
            && !line.contains("/sys/fs/cgroup/")
    });
    Ok(u32::try_from(count.count())?.into())
}

/// Puts back what a fault left, so that the next measure starts clean.
fn clean(guest: &mut Guest) -> Result<()> {
    let found = guest.json(&format!("{PAYLOAD}/vm-guest since {PRISTINE}"))?;
    let mut script = String::new();
    for one in found.as_array().context("a list")? {
        let (Some(path), Some(before)) = (one["path"].as_str(), one["before"].as_str()) else { continue };
        // The zero of a pair is not taken back; the other half brings it.
        if (path.starts_with("/proc/sys/") || path.starts_with("/sys/"))
            && !(path.contains("dirty") && before.trim() == "0")
        {
            let value = before.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
            let value = value.unwrap_or(before.trim());
            writeln!(script, "printf %s '{value}' > '{path}' 2>/dev/null")?;
        }
    }
    guest.ok(&format!("{script}\ntrue"))?;
    Ok(())
}

/// The median of microseconds that a command takes.
fn time(guest: &mut Guest, command: &str, between: &str) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let text =
            guest.ok(&format!("{PAYLOAD}/vm-guest time {command} && {{ {between}; }} >/dev/null 2>&1"))?;
        times.push(text.split_whitespace().next().context("a time")?.parse::<f64>()?);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2] / 100.0).round() / 10.0)
}

fn costs(guest: &mut Guest, side: &Side) -> Result<Vec<Measure>> {
    let Side { unit, apply, other, verify, off, .. } = side;
    let mut measures: Vec<Measure> = Vec::new();
    let mut starts = Vec::new();
    for _ in 0..ROUNDS {
        let shown = guest.ok(&format!(
            "systemctl reset-failed {unit} 2>/dev/null; systemctl restart {unit}
             systemctl show {unit} -p ActiveEnterTimestampMonotonic -p ExecMainStartTimestampMonotonic | sort | cut -d= -f2"
        ))?;
        let stamps: Vec<f64> = shown.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        ensure!(stamps.len() == 2, "{shown}");
        starts.push(stamps[0] - stamps[1]);
    }
    starts.sort_by(f64::total_cmp);
    measures.push(("start to ready", "ms in the guest", (starts[ROUNDS / 2] / 100.0).round() / 10.0));
    measures.push(("apply", "ms in the guest", time(guest, apply, off)?));
    guest.ok(apply)?;
    measures.push(("settings changed by the apply", "settings", changed(guest)?));
    measures.push(("apply again", "ms in the guest", time(guest, apply, "true")?));
    let opened = writes(guest, unit, apply)?;
    measures.push(("writes to settings by a second apply", "writes", opened));
    measures.push(("verify", "ms in the guest", time(guest, &format!("bash -c '{verify}; true'"), "true")?));
    measures.push(("switch", "ms in the guest", time(guest, other, apply)?));
    measures.push(("rollback", "ms in the guest", time(guest, off, apply)?));
    let memory = guest.ok(&format!(
        "awk '/^Rss|^Pss:|^Private/ {{n[$1] += $2}} END {{print n[\"Rss:\"], n[\"Pss:\"], n[\"Private_Clean:\"] + n[\"Private_Dirty:\"]}}' \
           /proc/$(systemctl show -p MainPID --value {unit})/smaps_rollup"
    ))?;
    let numbers: Vec<f64> = memory.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    for (name, number) in ["resident memory", "proportional memory", "unique memory"].into_iter().zip(numbers)
    {
        measures.push((name, "KiB", number));
    }
    guest.ok("sleep 5")?;
    let count = format!(
        "cat /proc/$(systemctl show -p MainPID --value {unit})/task/*/status | awk '/ctxt_switches/ {{n += $2}} END {{print n}}'"
    );
    let wakes = guest.ok(&format!("a=$({count}); sleep 30; b=$({count}); echo $((b - a))"))?;
    measures.push(("wake-ups in 30 idle seconds", "context switches", wakes.trim().parse()?));
    let security = guest.ok(&format!(
        "systemd-analyze security {unit}.service --no-pager | tail -n 1 | grep -o '[0-9]*\\.[0-9]'"
    ))?;
    measures.push(("systemd-analyze security", "exposure of 10", security.trim().parse()?));
    guest.ok(off)?;
    measures.push(("left changed by a rollback without faults", "settings lost", changed(guest)?));
    Ok(measures)
}

/// Writes to /proc, /sys and the PM QoS device while a command runs.
fn writes(guest: &mut Guest, unit: &str, command: &str) -> Result<f64> {
    let count = guest.ok(&format!(
        "pid=$(systemctl show -p MainPID --value {unit})
         strace -qq -f -y -e trace=write,pwrite64 -o /root/trace -p $pid & tracer=$!
         until grep -q TracerPid:.*[1-9] /proc/$pid/status; do sleep 0.02; done
         {command} >/dev/null
         kill $tracer; wait $tracer 2>/dev/null
         grep -cE '(write|pwrite64)\\([0-9]+</(proc|sys|dev/cpu_dma_latency)' /root/trace; true"
    ))?;
    Ok(count.trim().parse()?)
}

fn losses(guest: &mut Guest, side: &Side) -> Result<Vec<Measure>> {
    let Side { unit, apply, other, off, dirty, wrong, revive, .. } = side;
    let mut measures: Vec<Measure> = Vec::new();
    let pid = format!("systemctl show -p MainPID --value {unit}");
    // Killed with a profile in force.
    guest.ok(&format!("{apply} && kill -KILL $({pid}); sleep 0.5; {revive}; {off}"))?;
    measures.push(("kill -9 with a profile in force, then off", "settings lost", changed(guest)?));
    clean(guest)?;
    // Killed in the middle, at the third change, and again with the kill delayed by a stop.
    guest.ok(&format!("{revive}; {apply}"))?;
    let watched = guest.json(&format!("{PAYLOAD}/vm-guest since {PRISTINE}"))?;
    let paths: Vec<&str> = watched
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(|one| one["path"].as_str())
        .filter(|path| path.starts_with("/proc/sys/") || path.starts_with("/sys/kernel/mm"))
        .collect();
    guest.ok(&format!("{off}; cat > /root/watched <<'END'\n{}\nEND", paths.join("\n")))?;
    clean(guest)?;
    guest.ok(&format!("{PAYLOAD}/vm-guest strike kill $({pid}) 3 /root/watched {apply}"))?;
    guest.ok(&format!("sleep 0.5; {revive}; {off}"))?;
    measures.push(("kill -9 during the apply, then off", "settings lost", changed(guest)?));
    clean(guest)?;
    // A pair of which one half cannot be written back.
    guest.ok(&format!("{revive}; {dirty} && {off}"))?;
    measures.push(("vm.dirty_bytes, then off", "settings lost", changed(guest)?));
    clean(guest)?;
    // Somebody else's write in between: theirs is to stay.
    guest.ok(&format!("{apply}; echo 42 > /proc/sys/vm/swappiness; {off}"))?;
    let kept = guest.ok("cat /proc/sys/vm/swappiness")?;
    measures.push((
        "a foreign write during the profile, overwritten by off",
        "settings lost",
        f64::from(u8::from(kept.trim() != "42")),
    ));
    guest.ok("echo 60 > /proc/sys/vm/swappiness")?;
    clean(guest)?;
    // A profile with one value that the kernel refuses.
    let answer = guest.sh(wrong)?;
    measures.push((
        "a profile with a refused value: told by the status",
        "1 is yes",
        f64::from(u8::from(answer.status != 0)),
    ));
    measures.push(("a profile with a refused value: left half applied", "settings", changed(guest)?));
    guest.ok(&format!("{off}; true"))?;
    clean(guest)?;
    // A switch between two profiles that both want swappiness 10.
    guest.ok(apply)?;
    let seen = guest.json(&format!("{PAYLOAD}/vm-guest glimpse /proc/sys/vm/swappiness {other}"))?;
    let defaults = seen["values"].as_object().is_some_and(|values| values.contains_key("60"));
    measures.push((
        "a switch passes through the machine's own values",
        "1 is yes",
        f64::from(u8::from(defaults)),
    ));
    guest.ok(off)?;
    clean(guest)?;
    Ok(measures)
}

/// benches/record/<machine>/<date>-vm.csv, with the facts of host and guest.
fn record(guest: &mut Guest, rows: &[Row]) -> Result<()> {
    let kernel = guest.ok("uname -r")?;
    let tuned = guest.ok("dpkg-query -W -f '${Version}' tuned")?;
    let repository = guest.repository();
    let output = |program: &str, arguments: &[&str]| -> Result<String> {
        let output = Command::new(program).args(arguments).current_dir(&repository).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let cpu = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, name)| name);
    let threads = std::thread::available_parallelism()?;
    let machine: String =
        cpu.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let folder = repository.join("benches/record").join(format!("{}-{threads}", machine.trim_matches('-')));
    fs::create_dir_all(&folder)?;
    let mut text = String::new();
    writeln!(text, "# cpu: {cpu}; threads: {threads}\n# kernel: {}", output("uname", &["-r"])?)?;
    writeln!(
        text,
        "# guest: QEMU 7.2 under emulation, 4 CPUs, kernel {}; TuneD {tuned}; commit {}",
        kernel.trim(),
        output("git", &["rev-parse", "--short", "HEAD"])?
    )?;
    writeln!(
        text,
        "# medians of {ROUNDS}; both set what TuneD's profile network-latency sets; times of an emulated machine: only the ratio counts"
    )?;
    writeln!(text, "measure,unit,diapasond,tuned,ratio")?;
    for Row { measure, unit, values: [ours, theirs] } in rows {
        let ratio = if *ours > 0.0 { format!("{:.1}", theirs / ours) } else { "-".to_owned() };
        writeln!(text, "\"{measure}\",{unit},{ours},{theirs},{ratio}")?;
    }
    fs::write(folder.join(format!("{}-vm.csv", output("date", &["-u", "+%Y-%m-%d"])?)), text)?;
    Ok(())
}
