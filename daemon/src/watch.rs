//! Who writes to the files of held knobs: fanotify(7) tells the process, which inotify(7) does not.
//!
//! The kernel reports writes through a file to whoever watches the file, also below /proc/sys and /sys; what it changes by
//! itself it does not report, and is found by comparing. Watching needs CAP_SYS_ADMIN once, for the group of watches;
//! a daemon without it gets the group from its helper, or does without.
//!
//! The kernel marks a file of one mount's file system, and each mount of procfs is a file system of its own. A unit with
//! ProtectControlGroups= and the like has such a mount, to which nobody else writes. So the files below /proc come from the
//! helper as well, whose unit has the machine's: open for reading, one by one, never a folder through which others
//! could be reached. An open file keeps the kernel's record of it, and with it the mark, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use nix::sys::stat::fstat;
use serde::{Deserialize, Serialize};

use crate::knob::Instance;
use crate::root::{Answer, OPENED_MAX, Request, Root, group};

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
        let mut elsewhere = Vec::new();
        for (name, instance) in wanted.into_iter().filter(|(name, _)| !known.contains(name)) {
            let (proc, here): (Vec<String>, Vec<String>) = instance
                .knob
                .files(&instance.target)
                .into_iter()
                .partition(|path| root.has_admin() && path.starts_with("/proc/"));
            if !proc.is_empty() {
                elsewhere.push((name.clone(), proc.len()));
            }
            for path in here {
                if let Ok(Some(file)) = root.pin(&path) {
                    self.mark(name.clone(), file);
                }
            }
        }
        for names in portions(&elsewhere) {
            // A helper that does not answer, or one of an older version, leaves them to comparing.
            let Ok((Answer::Opened { knobs }, files)) = root.converse(&Request::Files { knobs: names })
            else {
                continue;
            };
            knobs.into_iter().zip(files).for_each(|(name, file)| self.mark(name, file));
        }
    }

    fn mark(&mut self, name: String, file: OwnedFd) {
        let marked = self.group.mark(MarkFlags::FAN_MARK_ADD, MaskFlags::FAN_MODIFY, &file, None::<&str>);
        if let (Ok(()), Some(key), true) = (marked, key(file.as_fd()), self.files.len() < FILES_MAX) {
            self.files.insert(key, (name, file));
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

/// Names, each with a number of files, in portions of as many files as one answer can bring. Pure.
fn portions(names: &[(String, usize)]) -> Vec<Vec<String>> {
    let mut portions: Vec<(usize, Vec<String>)> = Vec::new();
    for (name, files) in names {
        match portions.last_mut().filter(|(sum, _)| sum + files <= OPENED_MAX) {
            Some((sum, portion)) => {
                *sum += files;
                portion.push(name.clone());
            }
            None => portions.push((*files, vec![name.clone()])),
        }
    }
    portions.into_iter().map(|(_, portion)| portion).collect()
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
    fn files_go_in_portions() {
        let names =
            [("a", 200), ("b", 53), ("c", 1), ("d", 253)].map(|(name, files)| (name.to_owned(), files));
        assert_eq!(portions(&names), [vec!["a", "b"], vec!["c"], vec!["d"]]);
        assert!(portions(&[]).is_empty());
    }

    /// As under a unit that has a /proc of its own: the files that others write to come from the helper.
    #[test]
    fn the_writer_is_named_from_behind_a_wall() {
        use nix::mount::{MsFlags, mount};
        use nix::sched::{CloneFlags, unshare};

        diapason_tests::require!(Root);
        std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            if Watch::open().is_err() {
                return;
            }
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("admin.sock");
            let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
            // Both stay outside of the wall; the helper ends when it has not been asked for a while.
            std::thread::spawn(move || crate::admin::serve(&Root::new("/"), &listener));
            let (order, orders) = std::sync::mpsc::channel::<()>();
            let writer = std::thread::spawn(move || {
                orders.recv().unwrap();
                let script = "echo 44 > /proc/sys/net/ipv4/tcp_fin_timeout; echo $$; read wait";
                let pipe = std::process::Stdio::piped;
                std::process::Command::new("sh")
                    .args(["-c", script])
                    .stdin(pipe())
                    .stdout(pipe())
                    .spawn()
                    .unwrap()
            });

            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).unwrap();
            let root = Root::new("/").with_admin(socket);
            let knob = Instance::find("net.ipv4.tcp_fin_timeout").unwrap();
            let mut alone = Watch::open().unwrap();
            alone.follow(&Root::new("/"), std::slice::from_ref(&knob));
            let mut watch = Watch::of_root(&root).unwrap();
            watch.follow(&root, std::slice::from_ref(&knob));
            assert_eq!((alone.files.len(), watch.files.len()), (1, 1));
            order.send(()).unwrap();
            let mut writer = writer.join().unwrap();
            let mut line = String::new();
            let output = writer.stdout.as_mut().unwrap();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
            let pid = i32::try_from(writer.id()).unwrap();
            let expected = Writer { pid, name: Some("sh".to_owned()) };
            assert_eq!(watch.touched(), [Touch::Knob("net.ipv4.tcp_fin_timeout".to_owned(), expected)]);
            assert_eq!(alone.touched(), [], "our own mount of procfs sees nobody");
            drop(writer.stdin.take());
            writer.wait().unwrap();
        })
        .join()
        .unwrap();
    }

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
