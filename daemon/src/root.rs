//! The machine as a folder: the only code of this crate that opens /proc, /sys or /etc.
//!
//! Every path is absolute inside a [`Root`] and is resolved below its prefix by the kernel itself
//! (`openat2` with `RESOLVE_IN_ROOT`), so that neither `..` nor a symbolic link leaves a temporary tree. What is
//! not there reads as `None`; what the kernel refuses is an error that names the verb, the path and the data.

mod call;
mod fuse;
mod tree;

mod netlink;

mod gpu;

mod admin;
mod ethtool;
mod file;

mod cgroup;
mod hold;
mod kept;
mod mount;
mod process;
mod swap;

pub use admin::{Answer, OPENED_MAX, Request};
pub use call::passed::{group, passed};
pub use ethtool::{Feature, Group, Settings};
pub use fuse::{Break, Fuse};
pub use gpu::{GpuSettings, Gpus, lacking};
pub use hold::Held;
pub(crate) use kept::KEPT_MAX;
pub use mount::{Mount, Remount};
pub use process::Running;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat, renameat};
use nix::sys::stat::{Mode, fstatat};

use hold::Holds;
use kept::Kept;

/// More than any file of /proc, /sys or /etc that this crate reads; a journal has its own bound.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A rename or a mount anywhere on the machine while a `..` of a link is followed makes the kernel give up with
/// `EAGAIN` (openat2(2)); each try takes a microsecond, so this many in a row are not met by chance.
const RACES_MAX: usize = 10_000;

/// Where the next text of a file of a tree is prepared.
const PICTURE: &str = "/.diapason-picture";

/// Why the machine could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The path is relative or climbs.
    #[error("the path {path:?} is not absolute or contains `..`; name a file below the root")]
    Path {
        /// The path as given.
        path: String,
    },
    /// The kernel refused an operation that carries no data.
    #[error("cannot {verb} {path}: {}", said(*errno))]
    Refused {
        /// What was tried: read, list, create...
        verb: &'static str,
        /// The file, without the prefix of the root.
        path: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The kernel refused data.
    #[error("cannot write {data:?} to {path}: {}{}", said(*errno), remedy(*errno))]
    Write {
        /// The file, without the prefix of the root.
        path: String,
        /// What was written, shortened to its first 80 characters.
        data: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The file is longer than anything of its kind should be.
    #[error("{path} is longer than {limit} bytes, which no such file of ours is; move it away")]
    TooLarge {
        /// The file.
        path: String,
        /// The bound in bytes.
        limit: u64,
    },
    /// The helper with more rights did not do it.
    #[error("{helper} refused: {message}")]
    Helper {
        /// Its socket.
        helper: String,
        /// What it says.
        message: String,
    },
    /// The helper with more rights did not answer.
    #[error("cannot reach the helper at {helper}: {}; see `systemctl status diapason-admin.socket`", said(*errno))]
    NoHelper {
        /// Its socket.
        helper: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// A library that was loaded does not answer.
    #[error(
        "{library} does not answer: {message}; see whether it is of the version of the driver, and boot again after an update"
    )]
    Library {
        /// The library.
        library: &'static str,
        /// What it says.
        message: String,
    },
    /// A fault on order (tests only): the process counts as dead from here on.
    #[error("the fuse has blown")]
    Dead,
}

/// The kernel's answer in words.
///
/// An answer without a name is one that include/linux/errno.h keeps for the kernel itself and that reaches programs all the
/// same: `ENOTSUPP`, from drivers and from perf events (a hard watchdog where nothing counts cycles).
#[must_use]
pub fn said(errno: Errno) -> &'static str {
    match errno {
        Errno::UnknownErrno => "the kernel has no support for it here (ENOTSUPP 524)",
        _ => errno.desc(),
    }
}

/// What helps against a refused write, as far as the kernel's answer tells.
const fn remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::EINVAL => "; this kernel does not take that value here, give another one",
        Errno::EPERM | Errno::EACCES => {
            "; the process lacks a capability or the kernel is locked down, see the unit's CapabilityBoundingSet"
        }
        Errno::EBUSY => "; it is in use, try again when it is not",
        Errno::EROFS => "; it is mounted read-only, as in a container: tune the host itself",
        Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => "; free space there and try again",
        Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => "; the device or its feature is gone, plan again",
        _ => "",
    }
}

impl RootError {
    /// The kernel's error number, where there is one.
    #[must_use]
    pub const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } | Self::Write { errno, .. } => Some(*errno),
            Self::Path { .. }
            | Self::TooLarge { .. }
            | Self::Helper { .. }
            | Self::NoHelper { .. }
            | Self::Library { .. }
            | Self::Dead => None,
        }
    }
}

/// A machine (`/`) or a picture of one (any other folder).
#[derive(Clone, Debug)]
pub struct Root {
    prefix: PathBuf,
    /// The folder `prefix`, opened by the first path below it.
    folder: Arc<OnceLock<OwnedFd>>,
    fuse: Option<Arc<Fuse>>,
    holds: Option<Holds>,
    kept: Kept,
    admin: Option<Arc<PathBuf>>,
}

impl Root {
    /// The machine or tree below `prefix`.
    #[must_use]
    pub fn new(prefix: impl Into<PathBuf>) -> Self {
        Self {
            prefix: prefix.into(),
            folder: Arc::default(),
            fuse: None,
            holds: None,
            kept: Kept::default(),
            admin: None,
        }
    }

    /// The folder `prefix`, made with its parents where it is missing.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn create(prefix: &Path) -> Result<Self, RootError> {
        let made = std::fs::create_dir_all(prefix);
        let path = || prefix.display().to_string();
        made.map_err(|error| RootError::Refused { verb: "create", path: path(), errno: errno(&error) })?;
        Ok(Self::new(prefix))
    }

    /// A machine that has nothing: every file is absent.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::new("/dev/null/nowhere")
    }

    /// The same root with a fault on order, for tests.
    #[must_use]
    pub fn with_fuse(mut self, fuse: Arc<Fuse>) -> Self {
        self.fuse = Some(fuse);
        self
    }

    /// Another folder of the same machine as a root of its own, with the same fuse.
    #[must_use]
    pub fn beside(&self, prefix: impl Into<PathBuf>) -> Self {
        Self {
            prefix: prefix.into(),
            folder: Arc::default(),
            fuse: self.fuse.clone(),
            holds: None,
            kept: Kept::default(),
            admin: None,
        }
    }

    /// The prefix that every path is below.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Whether this is the running machine rather than a tree that stands for one.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.prefix == Path::new("/")
    }

    /// The text of a file, invalid UTF-8 replaced; `None` when it is not there.
    ///
    /// # Errors
    /// When the kernel refuses to open or read it, or it is longer than 4 MiB.
    pub fn read(&self, path: &str) -> Result<Option<String>, RootError> {
        Ok(self.read_bytes(path, FILE_BYTES_MAX)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The bytes of a file of at most `limit` bytes; `None` when it is not there.
    ///
    /// # Errors
    /// When the kernel refuses to open or read it, or it is longer than `limit`.
    pub fn read_bytes(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, RootError> {
        self.alive()?;
        let read = match self.read_kept(path, limit) {
            Some(read) => read,
            None => {
                let fd = absent(self.open(path, "read", OFlag::O_RDONLY | OFlag::O_NONBLOCK))?;
                let Some(fd) = fd else { return Ok(None) };
                let mut file = File::from(fd);
                kept::whole(path, limit, |chunk, _| file.read(chunk))
            }
        };
        match read {
            Ok(bytes) if bytes.len() as u64 > limit => {
                Err(RootError::TooLarge { path: path.to_owned(), limit })
            }
            Ok(bytes) => Ok(Some(bytes)),
            Err(errno) => Err(RootError::Refused { verb: "read", path: path.to_owned(), errno }),
        }
    }

    /// The first `bytes` bytes of a file or device, fewer where it is shorter; `None` when it is not there.
    ///
    /// # Errors
    /// When the kernel refuses to open or read it.
    pub fn read_head(&self, path: &str, bytes: u64) -> Result<Option<Vec<u8>>, RootError> {
        let Some(fd) = absent(self.open(path, "read", OFlag::O_RDONLY | OFlag::O_NONBLOCK))? else {
            return Ok(None);
        };
        let mut head = Vec::new();
        let read = File::from(fd).take(bytes).read_to_end(&mut head);
        let refused =
            |error| RootError::Refused { verb: "read", path: path.to_owned(), errno: errno(&error) };
        read.map(|_| Some(head)).map_err(refused)
    }

    /// The names in a folder, sorted, numbers by their value (`cpu2` before `cpu10`); none when it is not there.
    ///
    /// # Errors
    /// When the kernel refuses to open or read it.
    pub fn list(&self, path: &str) -> Result<Vec<String>, RootError> {
        let Some(fd) = absent(self.open(path, "list", OFlag::O_RDONLY | OFlag::O_DIRECTORY))? else {
            return Ok(Vec::new());
        };
        let refused = |errno| RootError::Refused { verb: "list", path: path.to_owned(), errno };
        let mut names = Vec::new();
        for entry in Dir::from_fd(fd).map_err(refused)? {
            let name = entry.map_err(refused)?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort_by_cached_key(|name| natural(name));
        Ok(names)
    }

    /// The target of a symbolic link; `None` when there is none.
    ///
    /// # Errors
    /// When the kernel refuses to read it for another reason.
    pub fn link(&self, path: &str) -> Result<Option<String>, RootError> {
        let refused = |errno| RootError::Refused { verb: "read", path: path.to_owned(), errno };
        let target = if self.is_machine() {
            self.alive()?;
            readlinkat(self.folder().map_err(refused)?, relative(path)?)
        } else {
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
            let Some(fd) = absent(self.open(path, "read", flags))? else { return Ok(None) };
            readlinkat(fd, "")
        };
        match target {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::EINVAL) => Ok(None),
            Err(errno) => absent(Err(refused(errno))),
        }
    }

    /// Whether there is something at `path`.
    ///
    /// # Errors
    /// When the kernel refuses to look.
    pub fn exists(&self, path: &str) -> Result<bool, RootError> {
        if !self.is_machine() {
            return Ok(absent(self.open(path, "look at", OFlag::O_PATH))?.is_some());
        }
        // Nothing is above `/` that a path could leave it for, and a question costs half of what a descriptor does.
        self.alive()?;
        let refused = |errno| RootError::Refused { verb: "look at", path: path.to_owned(), errno };
        let (folder, relative) = (self.folder().map_err(refused)?, relative(path)?);
        Ok(absent(fstatat(folder, relative, AtFlags::AT_NO_AUTOMOUNT).map_err(refused))?.is_some())
    }

    /// Whether the permissions of a file allow anybody to write it; false when it is not there. The kernel refuses root
    /// as well where they do not (sysfs).
    ///
    /// # Errors
    /// When the kernel refuses to look.
    pub fn is_writable(&self, path: &str) -> Result<bool, RootError> {
        let Some(fd) = absent(self.open(path, "look at", OFlag::O_PATH))? else { return Ok(false) };
        let refused = |errno| RootError::Refused { verb: "look at", path: path.to_owned(), errno };
        Ok(nix::sys::stat::fstat(fd).map_err(refused)?.st_mode & 0o222 != 0)
    }

    /// A descriptor of the file at `path`, open for reading, that keeps the kernel's record of it in memory; `None` when
    /// it is not there.
    ///
    /// # Errors
    /// When the kernel refuses to open it.
    pub fn pin(&self, path: &str) -> Result<Option<OwnedFd>, RootError> {
        absent(self.open(path, "watch", OFlag::O_RDONLY | OFlag::O_NONBLOCK))
    }

    /// A descriptor of the device at `path`, open for reading and writing.
    ///
    /// # Errors
    /// When it is not there or the kernel refuses to open it.
    pub fn open_device(&self, path: &str) -> Result<OwnedFd, RootError> {
        self.open(path, "open", OFlag::O_RDWR)
    }

    /// Writes `data` into an existing kernel file, in one call, as the kernel wants it.
    ///
    /// # Errors
    /// When the file is not there or the kernel refuses the data.
    pub fn write(&self, path: &str, data: &str) -> Result<(), RootError> {
        let refused =
            |errno| RootError::Write { path: path.to_owned(), data: data.chars().take(80).collect(), errno };
        self.spend(path, data)?;
        if self.is_machine() {
            let written = match self.write_kept(path, data) {
                Some(written) => written.map_err(refused)?,
                None => {
                    let fd = self.open(path, "write", OFlag::O_WRONLY)?;
                    File::from(fd).write(data.as_bytes()).map_err(|error| refused(errno(&error)))?
                }
            };
            return if written == data.len() { Ok(()) } else { Err(refused(Errno::EIO)) };
        }
        self.picture(path, Some(data)).map_err(|error| error.errno().map_or(error, refused))?;
        for (other, data) in tree::consequences(path, data) {
            if self.exists(&other)? {
                self.picture(&other, data.as_deref())?;
            }
        }
        Ok(())
    }

    /// Stores in a tree what a kernel would show after it accepted `data`; `None` empties the file.
    fn picture(&self, path: &str, data: Option<&str>) -> Result<(), RootError> {
        let refused = |errno| RootError::Refused { verb: "write", path: path.to_owned(), errno };
        // Opened for writing as well: what may not be written is refused here.
        let fd = self.open(path, "write", OFlag::O_RDWR)?;
        let mut file = File::from(fd);
        let old = kept::whole(path, FILE_BYTES_MAX, |chunk, _| file.read(chunk)).map_err(refused)?;
        let old = String::from_utf8_lossy(&old).into_owned();
        let beside = |other: &str| self.read(other).ok().flatten();
        if let Some(errno) = data.and_then(|data| tree::refused(path, data, beside)) {
            return Err(refused(errno));
        }
        if let Some(kind) = data.filter(|_| path.ends_with("/cpuset.cpus.partition")) {
            return self.show(path, &self.partition(path, kind)?);
        }
        let new = data.map_or(Ok(String::new()), |data| tree::accepted(path, &old, data)).map_err(refused)?;
        self.show(path, &new)
    }

    /// Lets the file at `path` of a tree read as `text`, at once, as a kernel's file changes: through a file
    /// beside the tree's folders that takes its name.
    fn show(&self, path: &str, text: &str) -> Result<(), RootError> {
        let refused = |errno| RootError::Refused { verb: "write", path: path.to_owned(), errno };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.open(&format!("{folder}/"), "open", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let top = self.folder().map_err(refused)?;
        let fd = self.open(PICTURE, "write", OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC)?;
        File::from(fd).write_all(text.as_bytes()).map_err(|error| refused(errno(&error)))?;
        renameat(top, &PICTURE[1..], &folder, name).map_err(refused)
    }

    /// After the fuse killed the process, nothing is read any more either.
    fn alive(&self) -> Result<(), RootError> {
        if self.fuse.as_ref().is_some_and(|fuse| fuse.is_dead()) { Err(RootError::Dead) } else { Ok(()) }
    }

    /// The folder that every path is below, which is opened once: half of the system calls of a read were spent on it.
    fn folder(&self) -> Result<&OwnedFd, Errno> {
        if let Some(folder) = self.folder.get() {
            return Ok(folder);
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened = nix::fcntl::open(&self.prefix, flags, Mode::empty())?;
        Ok(self.folder.get_or_init(|| opened))
    }

    fn open(&self, path: &str, verb: &'static str, flags: OFlag) -> Result<OwnedFd, RootError> {
        self.alive()?;
        let refused = |errno| RootError::Refused { verb, path: path.to_owned(), errno };
        let relative = relative(path)?;
        let root = self.folder().map_err(refused)?;
        let mode =
            if flags.contains(OFlag::O_CREAT) { Mode::from_bits_truncate(0o644) } else { Mode::empty() };
        let how =
            OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        for _ in 1..RACES_MAX {
            match openat2(root, relative, how) {
                Err(Errno::EAGAIN) => std::thread::yield_now(),
                other => return other.map_err(refused),
            }
        }
        openat2(root, relative, how).map_err(refused)
    }

    /// Asks the fuse, if there is one, whether the next change may happen.
    fn spend(&self, path: &str, data: &str) -> Result<(), RootError> {
        match self.fuse.as_ref().map_or(fuse::Verdict::Pass, |fuse| fuse.step()) {
            fuse::Verdict::Pass => Ok(()),
            fuse::Verdict::Dead(_) => Err(RootError::Dead),
            fuse::Verdict::Refused(_, errno) => {
                Err(RootError::Write { path: path.to_owned(), data: data.chars().take(80).collect(), errno })
            }
        }
    }
}

/// The path without its leading slash, if it is absolute and does not climb.
fn relative(path: &str) -> Result<&str, RootError> {
    let inside = path.strip_prefix('/').filter(|rest| rest.split('/').all(|part| part != ".."));
    let inside = inside.filter(|rest| !rest.contains('\0'));
    let inside = inside.map(|rest| if rest.is_empty() { "." } else { rest });
    inside.ok_or_else(|| RootError::Path { path: path.to_owned() })
}

/// Absence is a value: a missing file or folder is `None`, any other refusal stays an error.
fn absent<T>(result: Result<T, RootError>) -> Result<Option<T>, RootError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(RootError::Refused {
            errno: Errno::ENOENT | Errno::ENOTDIR | Errno::ENODEV | Errno::ENXIO,
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// A key that sorts runs of digits by their value.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0_u64)];
    let mut in_digits = false;
    for letter in name.chars() {
        if in_digits && !letter.is_ascii_digit() {
            parts.push((String::new(), 0));
        }
        in_digits = letter.is_ascii_digit();
        if let Some((word, number)) = parts.last_mut() {
            match letter.to_digit(10) {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(u64::from(digit)),
                None => word.push(letter),
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/sys/vm")).unwrap();
        std::fs::write(folder.path().join("proc/sys/vm/swappiness"), "60\n").unwrap();
        let root = Root::new(folder.path());
        (folder, root)
    }

    #[test]
    fn a_rename_elsewhere_does_not_disturb_a_link_that_climbs() {
        use std::sync::atomic::{AtomicBool, Ordering};

        let (folder, root) = tree();
        std::os::unix::fs::symlink("../sys/vm", folder.path().join("proc/climbing")).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| elsewhere.path().join(name));
        std::fs::create_dir(&one).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::fs::rename(&one, &other).unwrap();
                    std::fs::rename(&other, &one).unwrap();
                }
            });
            let reads = (0..20_000).map(|_| root.read("/proc/climbing/swappiness"));
            let refused = reads.filter_map(Result::err).map(|error| error.to_string()).next();
            done.store(true, Ordering::Relaxed);
            assert_eq!(refused, None);
        });
    }

    #[test]
    fn absence_is_a_value_and_climbing_an_error() {
        let (_folder, root) = tree();
        assert_eq!(root.read("/proc/sys/vm/swappiness").unwrap().as_deref(), Some("60\n"));
        assert_eq!(root.read("/proc/sys/vm/none").unwrap(), None);
        assert_eq!(root.read("/proc/sys/vm/swappiness/none").unwrap(), None);
        assert_eq!(root.list("/nowhere").unwrap(), Vec::<String>::new());
        for bad in ["proc/stat", "/proc/../etc", "..", ""] {
            assert!(matches!(root.read(bad), Err(RootError::Path { .. })), "{bad}");
        }
    }

    #[test]
    fn a_link_does_not_leave_the_tree() {
        let (folder, root) = tree();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("out")).unwrap();
        std::os::unix::fs::symlink("/proc/sys/vm/swappiness", folder.path().join("in")).unwrap();
        std::os::unix::fs::symlink("../../../../proc/version", folder.path().join("up")).unwrap();
        assert_eq!(root.read("/out").unwrap(), None);
        assert_eq!(root.read("/up").unwrap(), None);
        assert_eq!(root.read("/in").unwrap().as_deref(), Some("60\n"));
        assert_eq!(root.link("/out").unwrap().as_deref(), Some("/etc/hostname"));
        assert_eq!(root.link("/proc").unwrap(), None);
    }

    #[test]
    fn names_sort_by_number() {
        let mut names = vec!["cpu10", "cpu2", "cpufreq", "cpu0"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["cpu0", "cpu2", "cpu10", "cpufreq"]);
    }

    #[test]
    fn an_answer_of_the_kernel_to_itself_has_words() {
        let errno = errno(&std::io::Error::from_raw_os_error(524));
        let path = "/proc/sys/kernel/nmi_watchdog".to_owned();
        let error = RootError::Write { path, data: "1".to_owned(), errno };
        let expected = "cannot write \"1\" to /proc/sys/kernel/nmi_watchdog: the kernel has no support for it here (ENOTSUPP 524)";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_refused_write_names_path_and_data() {
        let (_folder, root) = tree();
        let error = root.write("/proc/sys/vm/swappiness", "much").unwrap_err();
        let said = error.to_string();
        let expected =
            "cannot write \"much\" to /proc/sys/vm/swappiness: Invalid argument; this kernel does not take";
        assert!(said.starts_with(expected), "{said}");
    }
}
