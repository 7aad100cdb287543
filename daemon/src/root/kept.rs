//! Kernel files that stay open from the reading of an original to the reading back.
//!
//! To write a knob its file is read twice, written and read again. Finding a file of sysfs costs the kernel ten times
//! what reading it does, so that it is found once. The descriptor is of the very file that was read first: a device
//! that takes the name of another in between is never written, which a path cannot promise.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{Root, errno};

/// A process may have a thousand descriptors; what is beyond this is found by its path each time.
pub(crate) const KEPT_MAX: usize = 256;

/// Whether `path` is of a file whose value the kernel gives and takes whole, in one call.
fn is_plain(path: &str) -> bool {
    PLAIN.iter().any(|place| path.starts_with(place))
}

/// All that `read` gives for a file, and one byte beyond `limit` where there is more.
///
/// A page at a time: a sysctl that does not fit is cut off, and the next read finds its end. A value that does is whole.
pub(super) fn whole(
    path: &str,
    limit: u64,
    mut read: impl FnMut(&mut [u8], u64) -> std::io::Result<usize>,
) -> Result<Vec<u8>, Errno> {
    let (mut bytes, mut page) = (Vec::new(), [0; 4096]);
    loop {
        let left = usize::try_from(limit + 1 - bytes.len() as u64).unwrap_or(usize::MAX);
        let chunk = page.len().min(left);
        match read(&mut page[..chunk], bytes.len() as u64) {
            Ok(0) => return Ok(bytes),
            Ok(count) => {
                bytes.extend_from_slice(&page[..count]);
                if count < chunk && is_plain(path) || bytes.len() as u64 > limit {
                    return Ok(bytes);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(errno(&error)),
        }
    }
}

/// What is kept for the length of a transaction.
pub(super) type Kept = Arc<Mutex<Keeping>>;

#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Files by their paths.
    files: BTreeMap<String, Open>,
    /// Interfaces by their names: their indices and permanent addresses.
    links: Option<BTreeMap<String, (i32, Option<String>)>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// A file takes one write: sysctls ignore what does not come at their beginning (`kernel.sysctl_writes_strict`).
    written: bool,
}

/// Where opening a file for writing does nothing but that, and where a file is written in place.
const PLAIN: &[&str] =
    &["/proc/sys/", "/sys/block/", "/sys/class/", "/sys/devices/", "/sys/kernel/mm/", "/sys/module/"];

impl Root {
    /// Keeps the kernel files at `paths` open for reading and writing, until [`Root::let_go`]; those that are none, and
    /// those that this process may not open so, are found by their paths as ever. A tree keeps none.
    pub fn keep(&self, paths: &[String]) {
        for path in paths.iter().filter(|path| self.is_machine() && is_plain(path)) {
            let is_kept = |files: &BTreeMap<_, _>| files.len() >= KEPT_MAX || files.contains_key(path);
            if is_kept(&self.kept().files) {
                continue;
            }
            if let Ok(fd) = self.open(path, "open", OFlag::O_RDWR | OFlag::O_NONBLOCK) {
                let open = Open { file: File::from(fd), written: false };
                self.kept().files.insert(path.clone(), open);
            }
        }
    }

    /// Closes those of `paths` that are kept.
    pub fn let_go(&self, paths: &[String]) {
        for path in paths {
            self.kept().files.remove(path);
        }
    }

    /// Lists the interfaces, so that which device has which name is asked once, until [`Root::let_all_go`]. Whoever
    /// writes to files of them keeps these first: then a file is of the device that the list names, or of one that is gone.
    pub fn keep_names(&self) {
        let links = self.interfaces();
        self.kept().links = links;
    }

    /// An interface of the list.
    pub(super) fn listed(&self, device: &str) -> Option<(i32, Option<String>)> {
        self.kept().links.as_ref()?.get(device).cloned()
    }

    /// Closes and forgets all that is kept.
    pub fn let_all_go(&self) {
        *self.kept() = Keeping::default();
    }

    fn kept(&self) -> MutexGuard<'_, Keeping> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole of a kept file of at most `limit` bytes; `None` when it is not kept, or its device is gone: the path
    /// tells what is there now.
    pub(super) fn read_kept(&self, path: &str, limit: u64) -> Option<Result<Vec<u8>, Errno>> {
        let mut kept = self.kept();
        let file = &kept.files.get(path)?.file;
        let read = whole(path, limit, |chunk, at| file.read_at(chunk, at));
        if matches!(read, Err(Errno::ENODEV | Errno::ENXIO | Errno::ENOENT)) {
            kept.files.remove(path);
            return None;
        }
        Some(read)
    }

    /// Writes `data` into a kept file in one call; `None` when it is not kept or was written already. What is read
    /// afterwards is still read through it.
    pub(super) fn write_kept(&self, path: &str, data: &str) -> Option<Result<usize, Errno>> {
        let mut kept = self.kept();
        let open = kept.files.get_mut(path).filter(|open| !open.written)?;
        open.written = true;
        Some(open.file.write(data.as_bytes()).map_err(|error| errno(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_file_is_found_once_and_written_once() {
        let root = Root::new("/");
        // What this process may read and set of itself alone: nothing of the machine changes.
        let path = "/proc/sys/kernel/random/boot_id".to_owned();
        root.keep(std::slice::from_ref(&path));
        assert!(root.kept().files.is_empty(), "what cannot be written is not kept");
        let path = "/proc/sys/kernel/domainname".to_owned();
        let plain = root.read(&path).unwrap();
        root.keep(std::slice::from_ref(&path));
        if root.kept().files.is_empty() {
            // Not as root.
            return;
        }
        assert_eq!(root.read(&path).unwrap(), plain);
        root.kept().files.get_mut(&path).unwrap().written = true;
        assert!(root.write_kept(&path, "x").is_none(), "a second write goes by the path");
        root.let_go(&[path]);
        assert!(root.kept().files.is_empty());
    }

    #[test]
    fn a_list_of_interfaces_says_what_each_says_itself() {
        let root = Root::new("/");
        let names = root.list("/sys/class/net").unwrap();
        let alone: Vec<_> = names.iter().map(|name| root.interface(name).unwrap()).collect();
        root.keep_names();
        let listed = root.kept().links.as_ref().map_or(0, BTreeMap::len);
        assert!(listed >= 1, "every network namespace has its loopback");
        let together: Vec<_> = names.iter().map(|name| root.interface(name).unwrap()).collect();
        assert_eq!(alone, together);
        assert_eq!(root.interface("none").unwrap(), None);
    }

    #[test]
    fn a_tree_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/sys/vm")).unwrap();
        std::fs::write(folder.path().join("proc/sys/vm/swappiness"), "60\n").unwrap();
        let root = Root::new(folder.path());
        root.keep(&["/proc/sys/vm/swappiness".to_owned()]);
        root.keep_names();
        assert!(root.kept().files.is_empty() && root.kept().links.is_none());
    }

    #[test]
    fn a_file_is_read_whole_whatever_a_read_gives() {
        let text: Vec<u8> = (0..10_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        for step in [1, 100, 4096, 5000] {
            let read = |limit| {
                whole("/etc/x", limit, |chunk, at| {
                    let rest = &text[usize::try_from(at).unwrap()..];
                    let count = rest.len().min(step).min(chunk.len());
                    chunk[..count].copy_from_slice(&rest[..count]);
                    Ok(count)
                })
                .unwrap()
            };
            assert_eq!(read(1 << 20), text);
            assert_eq!(read(10_000).len(), 10_000);
            assert_eq!(read(99).len(), 100, "one byte tells that there is more");
        }
    }
}
