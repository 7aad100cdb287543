//! Swapping on and off: system calls on the machine, a line of `proc/swaps` in a tree.
//!
//! The kernel keeps the mount by which a swap area was named, and shows the path from there. A service that ends takes
//! its own mount namespace along, and what it named `/dev/zram0` is `/zram0` from then on, which nobody finds again. So
//! the calls are made among the mounts of process 1.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{Root, RootError, call};

/// The first line of /proc/swaps.
const HEADING: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

impl Root {
    /// Writes a swap signature over the beginning of the device or file at `path`, and syncs it.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn write_head(&self, path: &str, head: &[u8]) -> Result<(), RootError> {
        self.spend(path, "swap signature")?;
        let refused = |error| RootError::Refused {
            verb: "write the head of",
            path: path.to_owned(),
            errno: super::errno(&error),
        };
        let mut device = File::from(self.open(path, "write the head of", OFlag::O_WRONLY)?);
        device.write_all(head).and_then(|()| device.sync_all()).map_err(refused)
    }

    /// Starts to swap to `path`, which holds a swap signature; `None` lets the kernel choose the priority.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn swap_on(&self, path: &str, priority: Option<u16>) -> Result<(), RootError> {
        let refused = |errno| RootError::Refused { verb: "swap to", path: path.to_owned(), errno };
        self.spend(path, "swapon")?;
        if self.is_machine() {
            let path = CString::new(path).map_err(|_| refused(Errno::EINVAL))?;
            return self
                .among_mounts_of_the_machine(move || call::swap::on(&path, priority))?
                .map_err(refused);
        }
        let head = self.read_head(path, 4096)?.ok_or_else(|| refused(Errno::ENOENT))?;
        let signed = head.get(4086..4096) == Some(b"SWAPSPACE2".as_slice());
        let last = head.get(1028..1032).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let (true, Some(last)) = (signed, last) else { return Err(refused(Errno::EINVAL)) };
        let table = self.read("/proc/swaps")?.unwrap_or_else(|| HEADING.to_owned());
        if table.lines().any(|line| line.split_whitespace().next() == Some(path)) {
            return Err(refused(Errno::EBUSY));
        }
        let kind = if path.starts_with("/dev/") { "partition" } else { "file" };
        let size_kib = u64::from(last) * 4;
        let priority = priority.map_or(-2, i32::from);
        self.list_swaps(&format!("{table}{path} {kind} {size_kib} 0 {priority}\n"))
    }

    /// Stops to swap to `path`. The caller has made sure that its pages fit elsewhere.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn swap_off(&self, path: &str) -> Result<(), RootError> {
        let refused = |errno| RootError::Refused { verb: "stop swapping to", path: path.to_owned(), errno };
        self.spend(path, "swapoff")?;
        if self.is_machine() {
            let path = CString::new(path).map_err(|_| refused(Errno::EINVAL))?;
            return self.among_mounts_of_the_machine(move || call::swap::off(&path))?.map_err(refused);
        }
        let table = self.read("/proc/swaps")?.unwrap_or_default();
        let others = |line: &&str| line.split_whitespace().next() != Some(path);
        if table.lines().all(|line| others(&line)) {
            return Err(refused(Errno::EINVAL));
        }
        self.list_swaps(&table.lines().filter(others).map(|line| format!("{line}\n")).collect::<String>())
    }

    fn list_swaps(&self, table: &str) -> Result<(), RootError> {
        self.show("/proc/swaps", table)
    }
}
