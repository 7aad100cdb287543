//! How a tree of plain files stands for a kernel.
//!
//! A `Root` that is not `/` is a picture of a machine: a folder with a small /proc, /sys and /etc. What the
//! kernel does with a written word that a plain file would not do is done here, so that the same knob code runs
//! on both: the brackets of a choice move, tabs and the final newline keep the kernel's form, a zram device
//! that is reset forgets its size. What the real kernel does beyond that is tested on a real kernel.

use nix::errno::Errno;

/// The content of a file that held `old` after a kernel accepted `new`.
///
/// # Errors
/// `EINVAL` when `old` is a list of choices and `new` is none of them, or when `old` is a number and `new` is not.
pub(super) fn accepted(path: &str, old: &str, new: &str) -> Result<String, Errno> {
    let word = new.trim_end_matches('\n');
    // An order, not a value: the file reads as before.
    if path.ends_with("/reset") {
        return Ok(old.to_owned());
    }
    let end = if old.ends_with('\n') || old.is_empty() { "\n" } else { "" };
    if path.ends_with("/cgroup.subtree_control") {
        return controllers(old, word).map(|words| format!("{words}{end}"));
    }
    if let Some((choices, open, close)) = choices(old) {
        if !choices.contains(&word) {
            return Err(Errno::EINVAL);
        }
        let blank = if old.trim_end_matches('\n').ends_with(' ') { " " } else { "" };
        let marked: Vec<String> = choices
            .iter()
            .map(
                |choice| {
                    if *choice == word { format!("{open}{choice}{close}") } else { (*choice).to_owned() }
                },
            )
            .collect();
        return Ok(format!("{}{blank}{end}", marked.join(" ")));
    }
    let number = |text: &str| text.trim().parse::<i64>().is_ok();
    let name = path.rsplit('/').next().unwrap_or(path);
    let cpus =
        ["cpus", "cpumask", "affinity", "rxqs", "rps_default_mask"].iter().any(|part| name.contains(part));
    if number(old) && !number(word) && word != "n/a" && !cpus {
        return Err(Errno::EINVAL);
    }
    let gap = if old.contains('\t') { "\t" } else { " " };
    Ok(format!("{}{end}", word.split_whitespace().collect::<Vec<_>>().join(gap)))
}

/// What else changes in the same moment when a kernel accepts `data` for `path`: files and what is written to them.
///
/// The limits of dirty memory are pairs of which one is zero; a disk whose scheduler changes gets that scheduler's
/// queue depth (`blk_mq_init_sched`: twice the smaller of the device's own depth and 128; without a scheduler the
/// device's own, here 64) and the usual values of what it can be told; a zram device that is reset forgets its size,
/// its algorithm and its content.
pub(super) fn consequences(path: &str, data: &str) -> Vec<(String, Option<String>)> {
    if let Some(stem) = path.strip_prefix("/proc/sys/vm/dirty_") {
        let other = [("ratio", "bytes"), ("bytes", "ratio")].iter().find_map(|(member, other)| {
            let background = stem.strip_suffix(member)?;
            Some(format!("/proc/sys/vm/dirty_{background}{other}"))
        });
        return other.map(|other| (other, Some("0".to_owned()))).into_iter().collect();
    }
    if let Some(queue) = path.strip_suffix("/queue/scheduler") {
        let depth = if data.trim() == "none" { "64" } else { "128" };
        // A real one takes the files of the old scheduler away and makes those of the new one; a picture keeps them.
        let usual = [
            ("read_expire", "500"),
            ("write_expire", "5000"),
            ("fifo_batch", "16"),
            ("read_lat_nsec", "2000000"),
            ("write_lat_nsec", "10000000"),
            ("low_latency", "1"),
            ("slice_idle", "8"),
            ("writes_starved", "2"),
            ("front_merges", "1"),
            ("prio_aging_expire", "10000"),
            ("strict_guarantees", "0"),
            ("timeout_sync", "124"),
        ];
        let usual = usual
            .into_iter()
            .map(|(leaf, usual)| (format!("{queue}/queue/iosched/{leaf}"), Some(usual.to_owned())));
        return std::iter::once((format!("{queue}/queue/nr_requests"), Some(depth.to_owned())))
            .chain(usual)
            .collect();
    }
    // The kernel fits its reserve to huge pages when it starts or stops to make them: figures of a guest of 2 GiB.
    if path == "/sys/kernel/mm/transparent_hugepage/enabled" {
        let reserve = if data.trim() == "never" { "5535" } else { "67584" };
        return vec![("/proc/sys/vm/min_free_kbytes".to_owned(), Some(reserve.to_owned()))];
    }
    let overcommit = [("ratio", "kbytes"), ("kbytes", "ratio")];
    if let Some((_, other)) =
        overcommit.iter().find(|(one, _)| path == format!("/proc/sys/vm/overcommit_{one}"))
    {
        return vec![(format!("/proc/sys/vm/overcommit_{other}"), Some("0".to_owned()))];
    }
    if path == "/proc/sys/kernel/watchdog" && data.trim() == "0" {
        let detectors = ["/proc/sys/kernel/soft_watchdog", "/proc/sys/kernel/nmi_watchdog"];
        return detectors.map(|path| (path.to_owned(), Some("0".to_owned()))).to_vec();
    }
    if path == "/sys/devices/virtual/workqueue/cpumask" {
        return vec![(format!("{path}_requested"), Some(data.to_owned()))];
    }
    // Outside the active mode there is no energy preference, and each mode starts with a governor and a hint of its own.
    let drivers =
        ["intel_pstate", "amd_pstate"].map(|driver| format!("/sys/devices/system/cpu/{driver}/status"));
    if drivers.iter().any(|status| status == path) {
        let (governor, hint) =
            if data.trim() == "active" { ("powersave", "balance_performance") } else { ("schedutil", "") };
        let files = |policy: u32| {
            let at = |leaf| format!("/sys/devices/system/cpu/cpufreq/policy{policy}/{leaf}");
            [("scaling_governor", governor), ("energy_performance_preference", hint)]
                .map(|(leaf, word)| (at(leaf), (!word.is_empty()).then(|| word.to_owned())))
        };
        return (0..2).flat_map(files).collect();
    }
    // Under the governor performance the processor's own governor is told the same.
    if let Some(policy) = path.strip_suffix("/scaling_governor").filter(|_| data.trim() == "performance") {
        return vec![(format!("{policy}/energy_performance_preference"), Some("performance".to_owned()))];
    }
    let device = path.strip_prefix("/sys/block/").and_then(|rest| rest.strip_suffix("/reset"));
    match device {
        Some(device) if device.starts_with("zram") && data.trim() == "1" => vec![
            (format!("/sys/block/{device}/disksize"), Some("0".to_owned())),
            (format!("/sys/block/{device}/comp_algorithm"), Some("lzo-rle".to_owned())),
            (format!("/dev/{device}"), None),
        ],
        _ => Vec::new(),
    }
}

/// Why a kernel refuses `data` for `path`, as far as that depends on what other files hold (`read`).
///
/// A lowest frequency above the highest, and any hint but the strongest under the governor performance.
pub(super) fn refused(path: &str, data: &str, read: impl Fn(&str) -> Option<String>) -> Option<Errno> {
    let (folder, leaf) = path.rsplit_once('/')?;
    let number = |leaf: &str| read(&format!("{folder}/{leaf}"))?.trim().parse::<u64>().ok();
    let given = data.trim().parse::<u64>().ok();
    for (low, high) in BOUNDS {
        let crossed = match () {
            () if leaf == *low => given.zip(number(high)).is_some_and(|(low, high)| low > high),
            () if leaf == *high => given.zip(number(low)).is_some_and(|(high, low)| low > high),
            () => false,
        };
        if crossed {
            return Some(Errno::EINVAL);
        }
    }
    let is_bound = leaf == "energy_performance_preference"
        && data.trim() != "performance"
        && read(&format!("{folder}/scaling_governor"))
            .is_some_and(|governor| governor.trim() == "performance");
    is_bound.then_some(Errno::EBUSY)
}

/// Files of one folder of which the first may not be above the second.
const BOUNDS: &[(&str, &str)] = &[
    ("scaling_min_freq", "scaling_max_freq"),
    ("min_perf_pct", "max_perf_pct"),
    ("min_freq_khz", "max_freq_khz"),
];

/// The controllers of a control group after `+name` or `-name`, in the kernel's order.
fn controllers(old: &str, word: &str) -> Result<String, Errno> {
    const ORDER: &[&str] = &["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"];
    let (sign, name) = word.split_at_checked(1).ok_or(Errno::EINVAL)?;
    if !ORDER.contains(&name) || !["+", "-"].contains(&sign) {
        return Err(Errno::EINVAL);
    }
    let is_on = |known: &&&str| {
        if **known == name { sign == "+" } else { old.split(' ').any(|word| word.trim() == **known) }
    };
    Ok(ORDER.iter().filter(is_on).copied().collect::<Vec<_>>().join(" "))
}

/// The words of `a [b] c` or `a (b) c` without their marks, and the marks; `None` for a text of another form.
fn choices(text: &str) -> Option<(Vec<&str>, char, char)> {
    [('[', ']'), ('(', ')')].into_iter().find_map(|(open, close)| {
        let marked = |word: &&str| word.starts_with(open) && word.ends_with(close);
        let words = || text.split_whitespace();
        (words().filter(marked).count() == 1)
            .then(|| (words().map(|word| word.trim_matches([open, close])).collect(), open, close))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brackets_move_and_the_form_stays() {
        assert_eq!(
            accepted("/x", "[none] mq-deadline \n", "mq-deadline"),
            Ok("none [mq-deadline] \n".into())
        );
        assert_eq!(accepted("/x", "none [mq-deadline] \n", "none"), Ok("[none] mq-deadline \n".into()));
        assert_eq!(accepted("/x", "always [madvise] never\n", "sometimes"), Err(Errno::EINVAL));
        assert_eq!(accepted("/x", "4096\t131072\t6291456\n", "4096 1 2"), Ok("4096\t1\t2\n".into()));
        assert_eq!(accepted("/x", "none (full) \n", "none"), Ok("(none) full \n".into()));
        assert_eq!(accepted("/x/cpus", "3\n", "2-3"), Ok("2-3\n".into()));
        let control = |old, word| accepted("/sys/fs/cgroup/cgroup.subtree_control", old, word);
        assert_eq!(control("cpu memory\n", "+cpuset"), Ok("cpuset cpu memory\n".into()));
        assert_eq!(control("cpuset cpu memory\n", "-cpuset"), Ok("cpu memory\n".into()));
        assert_eq!(control("cpu\n", "cpuset"), Err(Errno::EINVAL));
        assert_eq!(accepted("/x", "60\n", "ten"), Err(Errno::EINVAL));
        assert_eq!(accepted("/x", "60\n", "10"), Ok("10\n".into()));
    }
}
