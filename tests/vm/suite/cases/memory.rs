//! Settings that are more than a file: swap that holds pages, huge pages that need memory, pairs and side effects.

use anyhow::{Context, Result, ensure};

use crate::case::{Case, Leaves, Notes, PRISTINE, Starts, differences, same};
use crate::guest::{Guest, PAYLOAD};

const fn case(name: &'static str, run: fn(&mut Guest, &mut Notes) -> Result<()>) -> Case {
    Case { name, quick: false, starts: Starts::Installed, leaves: Leaves::Same, run }
}

/// Compressed memory and a swap file, with pages in them.
pub const SWAP: Case = case("memory-swap", swap);
/// What an administrator had set comes back, though the kernel changed it as a side effect.
pub const SIDE_EFFECTS: Case = case("memory-side-effects", side_effects);
/// Huge pages of each node.
pub const HUGE: Case = case("memory-huge-pages", huge);

/// Applies a profile of these knobs, runs `body`, and rolls back.
pub fn with_profile(
    guest: &mut Guest,
    knobs: &[(&str, &str)],
    body: impl FnOnce(&mut Guest) -> Result<()>,
) -> Result<()> {
    let entries: String = knobs
        .iter()
        .map(|(knob, value)| {
            format!("[knob.\"{knob}\"]\nvalue = \"{value}\"\nreason = \"r\"\nsource = \"s\"\n")
        })
        .collect();
    guest.ok(&format!("cat > /etc/diapason/profiles/case.toml <<'END'\nsummary = \"case\"\n{entries}END"))?;
    let result = guest.ok("diapason tune apply case").and_then(|_| body(guest));
    let back =
        guest.ok("diapason tune rollback; status=$?; rm /etc/diapason/profiles/case.toml; exit $status");
    result?;
    back.map(drop)
}

fn swap(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    with_profile(guest, &[("swap.zram", "lz4 256MiB"), ("swap.file", "192MiB")], |guest| {
        let swaps = guest.ok("cat /proc/swaps")?;
        ensure!(swaps.contains("/dev/zram0") && swaps.contains("/var/lib/diapason/swap"), "{swaps}");
        // The helper that swapped on ends when nobody asks for ten seconds, and its mounts end with it.
        guest.ok(
            "for i in $(seq 60); do systemctl is-active -q diapason-admin.service || break; sleep 0.5; done
             ! systemctl is-active -q diapason-admin.service",
        )?;
        let later = guest.ok("cat /proc/swaps")?;
        ensure!(later.contains("/dev/zram0"), "without the helper the areas are {later}");
        // A process of more memory than it may have: its pages go to swap, and the rollback has to move them.
        guest.ok(&format!(
            "rm -f /run/hog*; systemd-run --quiet --unit=hog --remain-after-exit -p MemoryMax=48M -p MemorySwapMax=400M \
               {PAYLOAD}/vm-guest hog 120 /run/hog-ready /run/hog-over
             for i in $(seq 300); do [ -e /run/hog-ready ] && break; sleep 0.2; done; [ -e /run/hog-ready ]"
        ))?;
        let used = guest.ok("tail -n +2 /proc/swaps | awk '{n += $4} END {print int(n / 1024)}'")?;
        ensure!(used.trim().parse::<u64>().unwrap_or(0) > 50, "only {used} MiB went to swap");
        notes.say(format!("{} MiB were in swap when it was taken away", used.trim()));
        // Held down to 48 MiB the pages could not come back.
        guest.ok("systemctl set-property --runtime hog.service MemoryMax=infinity")?;
        Ok(())
    })?;
    // The process reads its memory again: not a bit may be lost on the way.
    guest.ok(
        "touch /run/hog-over
         for i in $(seq 300); do [ \"$(systemctl show -p SubState --value hog)\" != running ] && break; sleep 0.2; done
         result=$(systemctl show -p Result --value hog); systemctl stop hog; systemctl reset-failed hog 2>/dev/null
         rm /run/hog*; systemctl daemon-reload; [ \"$result\" = success ]",
    )?;
    same(guest, PRISTINE)
}

fn side_effects(guest: &mut Guest, notes: &mut Notes) -> Result<()> {
    let settle = |guest: &mut Guest, set: &str, knobs: &[(&str, &str)], what: &str| -> Result<()> {
        guest.ok(set)?;
        guest.ok("/opt/vm/vm-guest snapshot /root/admin")?;
        with_profile(guest, knobs, |_| Ok(()))?;
        same(guest, "/root/admin").with_context(|| what.to_owned())
    };
    let mut failed = Vec::new();
    let mut check = |guest: &mut Guest,
                     notes: &mut Notes,
                     what: &str,
                     set: &str,
                     knobs: &[(&str, &str)],
                     back: &str|
     -> Result<()> {
        match settle(guest, set, knobs, what) {
            Ok(()) => notes.say(format!("{what}: given back")),
            Err(error) => {
                notes.say(format!("{error:#}"));
                failed.push(what.to_owned());
            }
        }
        guest.ok(back).map(drop)
    };
    check(
        guest,
        notes,
        "an administrator's vm.min_free_kbytes, with huge pages switched off",
        "echo 50000 > /proc/sys/vm/min_free_kbytes",
        &[("hugepages.enabled", "never")],
        "echo 67584 > /proc/sys/vm/min_free_kbytes",
    )?;
    check(
        guest,
        notes,
        "vm.dirty as a ratio",
        "true",
        &[("vm.dirty", "bytes 128MiB"), ("vm.dirty_background", "bytes 32MiB")],
        "true",
    )?;
    check(
        guest,
        notes,
        "vm.dirty as bytes, set by an administrator",
        "echo 100000000 > /proc/sys/vm/dirty_bytes",
        &[("vm.dirty", "ratio 30")],
        "echo 20 > /proc/sys/vm/dirty_ratio",
    )?;
    check(
        guest,
        notes,
        "an administrator's queue depth and deadline, with another scheduler",
        "echo mq-deadline > /sys/block/vdb/queue/scheduler; echo 100 > /sys/block/vdb/queue/nr_requests; echo 321 > /sys/block/vdb/queue/iosched/read_expire",
        &[("block.vdb.scheduler", "none")],
        "echo none > /sys/block/vdb/queue/scheduler",
    )?;
    check(
        guest,
        notes,
        "a frequency policy of the administrator, with another governor",
        "echo 1800000 > /sys/devices/system/cpu/cpufreq/policy1/scaling_min_freq",
        &[("cpu.governor", "performance")],
        "echo 1200000 > /sys/devices/system/cpu/cpufreq/policy1/scaling_min_freq",
    )?;
    let left = differences(guest, PRISTINE)?;
    notes.say(format!("settings that the checks themselves left: {left:?}"));
    ensure!(failed.is_empty(), "not given back: {}", failed.join("; "));
    Ok(())
}

fn huge(guest: &mut Guest, _notes: &mut Notes) -> Result<()> {
    with_profile(guest, &[("vm.nr_hugepages", "16")], |guest| {
        let total = guest.ok("grep HugePages_Total /proc/meminfo; cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages")?;
        let numbers: Vec<u64> = total.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        ensure!(numbers == [16, 8, 8], "16 huge pages over two nodes, and there are {total}");
        Ok(())
    })
}
