//! Everything on this machine that can be tuned, as it is now: path -> bytes.
//!
//! Whole of /proc/sys; every file of /sys that may be read and written (what can only be read is a counter or a
//! fact); interrupt affinities, swap, mounts and their options, the card settings that `ethtool` shows, and every
//! file of /etc. Two snapshots of a machine that nobody touched are equal but for [`NOISE`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// What changes by itself: how such a path begins, how it ends, and the reason.
pub const NOISE: &[(&str, &str, &str)] = &[
    ("/proc/sys/kernel/random/", "", "entropy and identifiers: a new value at every read"),
    ("/proc/sys/kernel/ns_last_pid", "", "the last process number, which the next process changes"),
    ("/proc/sys/kernel/pty/nr", "", "a count of open terminals"),
    ("/proc/sys/fs/dentry-state", "", "counts of cached names"),
    ("/proc/sys/fs/inode-", "", "counts of cached inodes"),
    ("/proc/sys/fs/file-nr", "", "a count of open files"),
    ("/sys/fs/cgroup/", ".pressure", "time that tasks waited, in a file that is writable for triggers"),
    ("/sys/fs/cgroup/", "/cgroup.procs", "the processes of now"),
    ("/sys/fs/cgroup/", "/cgroup.threads", "the threads of now"),
    ("/sys/devices/pci", "/config", "registers of a device, with the state of its link and its interrupts"),
    ("/sys/kernel/debug/sched/domains/", "/max_newidle_lb_cost", "a measurement of the scheduler"),
];

/// Below these nothing is a setting of the machine, or reading may wait or have effects. The allocator's caches and the
/// consoles are a third of all files, and no knob is among them.
const SHUNNED: &[&str] = &[
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
    "/sys/kernel/security",
    "/sys/kernel/slab",
    "/sys/devices/virtual/tty",
    "/sys/devices/virtual/vc",
    "/sys/firmware",
    "/sys/fs/pstore",
    "/sys/fs/fuse",
    "/sys/fs/bpf",
];

/// Longer than any setting; a longer file is a table or a dump.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// What most files need: the kernel makes a buffer of the size that is asked for.
const FILE_BYTES: usize = 4 << 10;

/// Path, or the name of a question, and the answer.
/// Each letter of the text is one byte, so that nothing is lost.
pub type Snapshot = BTreeMap<String, String>;

/// Which files count: in /proc/sys those that can be read, in /sys those that can be written as well.
const READ: u32 = 0o400;
const SETTING: u32 = 0o600;

/// Folders, and the mode that their files must have; each group is read by a thread of its own.
const GROUPS: &[&[(&str, u32)]] = &[
    &[("/proc/sys", READ), ("/proc/irq", SETTING), ("/etc", 0)],
    &[("/sys/devices", SETTING)],
    &[
        ("/sys/kernel", SETTING),
        ("/sys/kernel/debug/sched", SETTING),
        ("/sys/module", SETTING),
        ("/sys/fs", SETTING),
        ("/sys/bus", SETTING),
        ("/sys/power", SETTING),
    ],
];

/// Reads all of it.
pub fn take() -> Result<Snapshot> {
    mount_what_reading_mounts()?;
    let mut snapshot = Snapshot::new();
    std::thread::scope(|scope| {
        let read = |group: &[(&str, u32)]| {
            let mut paths = Vec::new();
            group.iter().for_each(|(folder, mode)| walk(Path::new(folder), *mode, &mut paths));
            paths.iter().map(|path| (path.to_string_lossy().into_owned(), content(path))).collect::<Vec<_>>()
        };
        let threads: Vec<_> = GROUPS.iter().map(|group| scope.spawn(move || read(group))).collect();
        cards(&mut snapshot)?;
        for thread in threads {
            snapshot.extend(thread.join().ok().context("a reader failed")?);
        }
        anyhow::Ok(())
    })?;
    snapshot.insert("/proc/mounts".to_owned(), content(Path::new("/proc/mounts")));
    swaps(&mut snapshot)?;
    let mut latency = [0; 4];
    if let Ok(mut file) = File::open("/dev/cpu_dma_latency") {
        file.read_exact(&mut latency)?;
        snapshot.insert("/dev/cpu_dma_latency".to_owned(), i32::from_ne_bytes(latency).to_string());
    }
    Ok(snapshot)
}

/// Walking into an automount point (`/proc/sys/fs/binfmt_misc`) mounts it, and systemd makes a control group for that:
/// a first snapshot would hold neither or half of it, by chance, and a second one both.
fn mount_what_reading_mounts() -> Result<()> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    for point in automounts(&mounts) {
        // One that cannot be mounted is as it is for every snapshot.
        let _ = fs::read_dir(point);
    }
    Ok(())
}

/// Where a mount waits for the first visitor, in the lines of `/proc/mounts`.
fn automounts(mounts: &str) -> impl Iterator<Item = &str> {
    mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let point = words.next()?;
        (words.next()? == "autofs").then_some(point)
    })
}

/// Bytes as text of as many letters.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Whether a path changes by itself.
fn is_noise(path: &str) -> bool {
    NOISE.iter().any(|(head, tail, _)| path.starts_with(head) && path.ends_with(tail))
}

/// Every file below `folder` with these bits in its mode. Links are not followed: what they lead to is met elsewhere.
/// `uevent` is no setting but a description that can be triggered.
fn walk(folder: &Path, wanted: u32, paths: &mut Vec<PathBuf>) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A folder that has just gone (a unit's control group) is no finding.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if !SHUNNED.iter().any(|shunned| path.starts_with(shunned) && !folder.starts_with(shunned)) {
                    folders.push(path);
                }
            } else if kind.is_file()
                && !path.ends_with("uevent")
                && !path.to_str().is_some_and(is_noise)
                && entry.metadata().is_ok_and(|metadata| metadata.permissions().mode() & wanted == wanted)
            {
                paths.push(path);
            }
        }
    }
}

/// The bytes of a file, or the kernel's error: that a setting cannot be read is part of what it is.
fn content(path: &Path) -> String {
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => text(&bytes),
        Err(error) => format!("error {}", error.raw_os_error().unwrap_or(0)),
    }
}

/// Swap areas with size and priority; how much of them is used is no setting.
fn swaps(snapshot: &mut Snapshot) -> Result<()> {
    for line in fs::read_to_string("/proc/swaps")?.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [path, kind, size, _, priority] = words[..] {
            snapshot.insert(format!("swap {path}"), format!("{kind} {size} {priority}"));
        }
    }
    // A swap file that is left behind would be one too.
    for folder in ["/var/lib/diapason", "/var/lib/tuned"] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let size = entry.metadata()?.size();
            if size > 1 << 20 {
                snapshot.insert(entry.path().to_string_lossy().into_owned(), size.to_string());
            }
        }
    }
    Ok(())
}

/// What `ethtool` shows of each physical card: features, coalescing, rings, channels, pause.
fn cards(snapshot: &mut Snapshot) -> Result<()> {
    let mut cards: Vec<PathBuf> =
        fs::read_dir("/sys/class/net")?.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    cards.retain(|card| card.join("device").exists());
    for card in cards {
        let name = card.file_name().context("a card has a name")?.to_string_lossy().into_owned();
        for question in ["-k", "-c", "-g", "-l", "-a"] {
            let answer = Command::new("ethtool").args([question, &name]).output().context("ethtool")?;
            snapshot.insert(format!("ethtool {question} {name}"), text(&answer.stdout));
        }
    }
    Ok(())
}

/// A difference of two snapshots.
#[derive(Debug, serde::Serialize)]
pub struct Difference {
    /// The path, or the question.
    pub path: String,
    /// The bytes before as text; `None` when it was not there.
    pub before: Option<String>,
    /// The bytes after.
    pub after: Option<String>,
}

/// What differs, without [`NOISE`].
pub fn differences(before: &Snapshot, after: &Snapshot) -> Vec<Difference> {
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    paths.retain(|path| before.get(*path) != after.get(*path));
    paths.retain(|path| !is_noise(path));
    paths
        .into_iter()
        .map(|path| Difference {
            path: path.clone(),
            before: before.get(path).cloned(),
            after: after.get(path).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automounts_are_told_from_mounts() {
        let mounts = "proc /proc proc rw 0 0\n\
                      systemd-1 /proc/sys/fs/binfmt_misc autofs rw,fd=29,pgrp=1,direct 0 0\n\
                      binfmt_misc /proc/sys/fs/binfmt_misc binfmt_misc rw 0 0\n";
        assert_eq!(automounts(mounts).collect::<Vec<_>>(), ["/proc/sys/fs/binfmt_misc"]);
    }

    #[test]
    fn differences_name_what_came_went_and_changed() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Snapshot>()
        };
        let before = map(&[("a", "1"), ("b", "2"), ("/proc/sys/fs/file-nr", "5")]);
        let after = map(&[("b", "3"), ("c", "4"), ("/proc/sys/fs/file-nr", "6")]);
        let found = differences(&before, &after);
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["a", "b", "c"]);
        assert_eq!((found[0].after.as_deref(), found[1].after.as_deref()), (None, Some("3")));
    }
}
