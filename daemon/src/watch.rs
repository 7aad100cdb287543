//! Who writes to the files of held knobs: fanotify(7) tells the process, which inotify(7) does not.
//!
//! The kernel reports writes through a file to whoever watches the file, also below /proc/sys and /sys; what it changes by
//! itself it does not report, and is found by comparing. Watching needs CAP_SYS_ADMIN once, for the group of watches;
//! a daemon without it gets the group from its helper, or does without.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use nix::sys::stat::fstat;
use serde::{Deserialize, Serialize};

use crate::knob::Instance;
use crate::root::{Request, Root, group};

/// Files that are watched; each holds a descriptor, of which a process has a thousand.
const FILES_MAX: usize = 512;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Its number.
    pub pid: i32,
    /// Its name; `None` when it had ended before it was asked for.
    pub name: Option<String>,
}

impl std::fmt::Display for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "{name} (process {})", self.pid),
            None => write!(formatter, "process {}, which has ended", self.pid),
        }
    }
}

/// What was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// A file of this knob.
    Knob(String, Writer),
    /// Something; the kernel's list of events was too short.
    Anything,
}

/// A file's device and inode, which last as long as its descriptor.
type Key = (u64, u64);

/// The files of the held knobs.
pub struct Watch {
    group: Fanotify,
    files: BTreeMap<Key, (String, OwnedFd)>,
}

impl Watch {
    /// A group of watches of this process's own.
    ///
    /// # Errors
    /// When the kernel refuses it: without CAP_SYS_ADMIN, or where fanotify is not built in.
    pub fn open() -> Result<Self, Errno> {
        Ok(Self::of(Self::group()?))
    }

    /// A group of watches for the process that tunes `root`: its helper's where it has one, else its own. `None` where
    /// the kernel does not let either have one.
    #[must_use]
    pub fn of_root(root: &Root) -> Option<Self> {
        if root.has_admin() {
            return root.ask(&Request::Watch).ok().flatten().map(Self::of);
        }
        Self::open().ok()
    }

    /// A group of watches for another process.
    ///
    /// # Errors
    /// As [`Watch::open`].
    pub fn group() -> Result<OwnedFd, Errno> {
        let flags = InitFlags::FAN_CLASS_NOTIF | InitFlags::FAN_CLOEXEC | InitFlags::FAN_NONBLOCK;
        let group = Fanotify::init(flags, EventFFlags::O_RDONLY | EventFFlags::O_CLOEXEC)?;
        let copy = group.as_fd().try_clone_to_owned();
        copy.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    }

    /// The group of watches that `fd` is: one of a process with more rights.
    #[must_use]
    pub fn of(fd: OwnedFd) -> Self {
        Self { group: group(fd), files: BTreeMap::new() }
    }

    /// Watches the files of `knobs`, and no others. What cannot be watched is compared only.
    pub fn follow(&mut self, root: &Root, knobs: &[Instance]) {
        let wanted: BTreeMap<String, &Instance> = knobs.iter().map(|knob| (knob.name(), knob)).collect();
        let mask = MaskFlags::FAN_MODIFY;
        for (_, (_, file)) in self.files.extract_if(.., |_, (name, _)| !wanted.contains_key(name)) {
            // Refused for the file of a device that went: the mark has gone with it.
            let _ = self.group.mark(MarkFlags::FAN_MARK_REMOVE, mask, &file, None::<&str>);
        }
        let known: BTreeSet<String> = self.files.values().map(|(name, _)| name.clone()).collect();
        for (_, instance) in wanted.into_iter().filter(|(name, _)| !known.contains(name)) {
            for path in instance.knob.files(&instance.target) {
                let Ok(Some(file)) = root.pin(&path) else { continue };
                let marked = self.group.mark(MarkFlags::FAN_MARK_ADD, mask, &file, None::<&str>);
                if let (Ok(()), Some(key), true) = (marked, key(file.as_fd()), self.files.len() < FILES_MAX) {
                    self.files.insert(key, (instance.name(), file));
                }
            }
        }
    }

    /// Who wrote since the last call, this process excepted.
    #[must_use]
    pub fn touched(&self) -> Vec<Touch> {
        let mut touched = Vec::new();
        while let Ok(events) = self.group.read_events() {
            for event in events {
                let Some(file) = event.fd() else {
                    touched.push(Touch::Anything);
                    continue;
                };
                let knob = key(file).and_then(|key| self.files.get(&key));
                let pid = event.pid();
                let another = u32::try_from(pid).is_ok_and(|pid| pid != std::process::id());
                if let (Some((knob, _)), true) = (knob, another) {
                    touched.push(Touch::Knob(knob.clone(), Writer { pid, name: name(pid) }));
                }
            }
        }
        touched
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }
}

fn key(file: BorrowedFd<'_>) -> Option<Key> {
    fstat(file).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// The name of a process. It is one of this machine, also where a tree stands for the machine that is tuned.
fn name(pid: i32) -> Option<String> {
    let name = Root::new("/").read(&format!("/proc/{pid}/comm")).ok().flatten()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_is_named_on_the_real_kernel() {
        diapason_tests::require!(Root);
        std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let Ok(mut watch) = Watch::open() else { return };
            let root = Root::new("/");
            let knob = |name: &str| Instance::find(name).unwrap();
            let knobs = [knob("net.ipv4.tcp_fin_timeout"), knob("net.core.somaxconn")];
            watch.follow(&root, &knobs);
            assert_eq!(watch.files.len(), 2);
            knobs[0].write(&root, "33").unwrap();
            assert_eq!(watch.touched(), [], "our own writes are no news");
            let script = "echo 44 > /proc/sys/net/ipv4/tcp_fin_timeout; read wait";
            let mut writer = std::process::Command::new("sh")
                .args(["-c", script])
                .stdin(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let touched = loop {
                let touched = watch.touched();
                if !touched.is_empty() {
                    break touched;
                }
                std::thread::yield_now();
            };
            let pid = i32::try_from(writer.id()).unwrap();
            let expected = Writer { pid, name: Some("sh".to_owned()) };
            assert_eq!(touched, [Touch::Knob("net.ipv4.tcp_fin_timeout".to_owned(), expected)]);
            drop(writer.stdin.take());
            writer.wait().unwrap();
            watch.follow(&root, &knobs[1..]);
            assert_eq!(watch.files.len(), 1);
        })
        .join()
        .unwrap();
    }
}
