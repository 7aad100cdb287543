//! What is mounted where, and changing one option of it: system calls on the machine, a line of `mountinfo` in a tree.
//!
//! The mounts are those of process 1. A service that systemd has walled off lives in a mount namespace of its own,
//! where options of a mount are copies: changing them there would change nothing for anybody else. So the calls are
//! made by a thread that has entered the namespace of process 1.
//!
//! Source: proc_pid_mountinfo(5), mount_setattr(2), fsconfig(2).

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;

use super::{Root, RootError, call};

const TABLE: &str = "/proc/1/mountinfo";
const NAMESPACE: &str = "/proc/1/ns/mnt";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The number of the mount in this boot.
    pub id: u32,
    /// The device, `8:1`.
    pub device: String,
    /// Where it is mounted.
    pub point: String,
    /// The options of this mount.
    pub options: Vec<String>,
    /// The file system, `ext4`.
    pub kind: String,
    /// The options of the file system, which its other mounts share.
    pub shared: Vec<String>,
}

/// A change of one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remount {
    /// When the time of the last read is written down: `strictatime`, `relatime` or `noatime`.
    AccessTime(&'static str),
    /// Whether that of folders is not.
    NoFolderTime(bool),
    /// An option of the file system, `commit=60`, `lazytime`, and the option that it replaces, by the part before `=`;
    /// the option is empty where only another one is taken away.
    Shared {
        /// What is told to the file system, `nolazytime`.
        told: String,
        /// What it shows afterwards; nothing where the new state is the usual one.
        shows: Option<String>,
        /// The name of what it showed before.
        replaces: &'static str,
    },
}

impl Root {
    /// Everything that is mounted; of several mounts at one place only the last, which hides the others.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn mounts(&self) -> Result<Vec<Mount>, RootError> {
        let mut mounts: Vec<Mount> = Vec::new();
        for mount in self.read(TABLE)?.unwrap_or_default().lines().filter_map(parse) {
            mounts.retain(|other| other.point != mount.point);
            mounts.push(mount);
        }
        Ok(mounts)
    }

    /// Changes one option of a mount.
    ///
    /// # Errors
    /// When the kernel or the file system refuses it.
    pub fn remount(&self, mount: &Mount, change: &Remount) -> Result<(), RootError> {
        let words = match change {
            Remount::AccessTime(word) => (*word).to_owned(),
            Remount::NoFolderTime(on) => if *on { "nodiratime" } else { "diratime" }.to_owned(),
            Remount::Shared { told, .. } => told.clone(),
        };
        let refused = |errno| RootError::Write { path: mount.point.clone(), data: words.clone(), errno };
        self.spend(&mount.point, &words)?;
        if !self.is_machine() {
            return self.picture_mount(mount, change);
        }
        let (mount, change) = (mount.clone(), change.clone());
        self.among_mounts_of_the_machine(move || perform(&mount, &change))?.map_err(refused)
    }

    /// Calls the kernel from the mount namespace of process 1.
    pub(super) fn among_mounts_of_the_machine(
        &self,
        work: impl FnOnce() -> Result<(), Errno> + Send + 'static,
    ) -> Result<Result<(), Errno>, RootError> {
        let namespace = match (self.link("/proc/thread-self/ns/mnt")?, self.link(NAMESPACE)?) {
            (ours, theirs) if ours == theirs => return Ok(work()),
            _ => namespace_of_the_machine()?,
        };
        let done = std::thread::spawn(move || enter(namespace).and_then(|()| work()));
        Ok(done.join().unwrap_or(Err(Errno::EFAULT)))
    }

    fn picture_mount(&self, mount: &Mount, change: &Remount) -> Result<(), RootError> {
        let table = self.read(TABLE)?.unwrap_or_default();
        let line = |line: &str| match parse(line).filter(|one| one.id == mount.id) {
            Some(mut one) => {
                pictured(&mut one, change);
                format!("{}\n", shown(line, &one))
            }
            None => format!("{line}\n"),
        };
        let text: String = table.lines().map(line).collect();
        let refused =
            |error| RootError::Refused { verb: "write", path: TABLE.to_owned(), errno: super::errno(&error) };
        let fd = self.open(TABLE, "write", OFlag::O_WRONLY | OFlag::O_TRUNC)?;
        File::from(fd).write_all(text.as_bytes()).map_err(refused)
    }
}

/// The mount namespace of process 1. Its link is the kernel's own and leads nowhere in the tree of files, so that it
/// cannot be opened below a prefix.
fn namespace_of_the_machine() -> Result<OwnedFd, RootError> {
    let opened = nix::fcntl::open(NAMESPACE, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty());
    opened.map_err(|errno| RootError::Refused { verb: "enter", path: NAMESPACE.to_owned(), errno })
}

/// Leaves the mount namespace of the process for another one, this thread alone.
fn enter(namespace: OwnedFd) -> Result<(), Errno> {
    // The kernel asks for a root and working folder of the thread's own.
    unshare(CloneFlags::CLONE_FS)?;
    setns(namespace, CloneFlags::CLONE_NEWNS)
}

fn perform(mount: &Mount, change: &Remount) -> Result<(), Errno> {
    // `MOUNT_ATTR__ATIME`, `MOUNT_ATTR_NOATIME`, `MOUNT_ATTR_STRICTATIME`, `MOUNT_ATTR_NODIRATIME`.
    const TIME: u64 = 0x70;
    const NO_TIME: u64 = 0x10;
    const STRICT: u64 = 0x20;
    const NO_FOLDER: u64 = 0x80;
    let text = |text: &str| CString::new(text).map_err(|_| Errno::EINVAL);
    let point = text(&mount.point)?;
    match change {
        Remount::AccessTime("noatime") => call::mount::set_attributes(&point, NO_TIME, TIME),
        Remount::AccessTime("strictatime") => call::mount::set_attributes(&point, STRICT, TIME),
        Remount::AccessTime(_) => call::mount::set_attributes(&point, 0, TIME),
        Remount::NoFolderTime(true) => call::mount::set_attributes(&point, NO_FOLDER, 0),
        Remount::NoFolderTime(false) => call::mount::set_attributes(&point, 0, NO_FOLDER),
        Remount::Shared { told, .. } => {
            let (name, value) = match told.split_once('=') {
                Some((name, value)) => (text(name)?, Some(text(value)?)),
                None => (text(told)?, None),
            };
            // Some file systems take the absence of `ro` for the wish to write.
            let read_only = mount.shared.iter().any(|option| option == "ro").then_some((c"ro", None));
            let option = (name.as_c_str(), value.as_deref());
            let options: Vec<_> = read_only.into_iter().chain([option]).collect();
            call::mount::reconfigure(&point, &options)
        }
    }
}

/// What a kernel would show after a change.
fn pictured(mount: &mut Mount, change: &Remount) {
    match change {
        Remount::AccessTime(word) => {
            mount.options.retain(|option| !["noatime", "relatime"].contains(&option.as_str()));
            mount.options.extend((*word != "strictatime").then(|| (*word).to_owned()));
        }
        Remount::NoFolderTime(on) => {
            mount.options.retain(|option| option != "nodiratime");
            mount.options.extend(on.then(|| "nodiratime".to_owned()));
        }
        Remount::Shared { shows, replaces, .. } => {
            let place = mount.shared.iter().position(|option| option.split('=').next() == Some(replaces));
            let place = place.unwrap_or(mount.shared.len());
            mount.shared.retain(|option| option.split('=').next() != Some(replaces));
            if let Some(option) = shows {
                mount.shared.insert(place.min(mount.shared.len()), option.clone());
            }
        }
    }
}

/// One line: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
fn parse(line: &str) -> Option<Mount> {
    let (mount, system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ');
    let id = fields.next()?.parse().ok()?;
    let device = fields.nth(1)?.to_owned();
    let point = unescaped(fields.nth(1)?);
    let list = |text: &str| text.split(',').map(str::to_owned).collect();
    let options = list(fields.next()?);
    let mut fields = system.split(' ');
    let kind = fields.next()?.to_owned();
    Some(Mount { id, device, point, options, kind, shared: list(fields.nth(1)?) })
}

/// The line with the options of `mount`.
fn shown(line: &str, mount: &Mount) -> String {
    let mut fields: Vec<&str> = line.split(' ').collect();
    let (options, shared) = (mount.options.join(","), mount.shared.join(","));
    if let [_, _, _, _, _, place, .., last] = fields.as_mut_slice() {
        *place = &options;
        *last = &shared;
    }
    fields.join(" ")
}

/// The kernel writes blanks, tabs, newlines and backslashes of a path as three octal digits.
fn unescaped(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (escape, letter)| text.replace(escape, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_shown_again() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mut mount = parse(line).unwrap();
        assert_eq!((mount.id, mount.device.as_str(), mount.point.as_str()), (36, "98:0", "/mnt 2"));
        assert_eq!((mount.kind.as_str(), mount.shared.len()), ("ext3", 2));
        assert_eq!(shown(line, &mount), line);
        pictured(&mut mount, &Remount::AccessTime("strictatime"));
        let change =
            Remount::Shared { told: "commit=9".into(), shows: Some("commit=9".into()), replaces: "commit" };
        pictured(&mut mount, &change);
        let expected = "36 35 98:0 /mnt1 /mnt\\0402 rw master:1 - ext3 /dev/root rw,errors=continue,commit=9";
        assert_eq!(shown(line, &mount), expected);
        assert_eq!(parse("36 35"), None);
    }
}
