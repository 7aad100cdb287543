//! Control groups: folders that the kernel fills with files. On a tree the files are made here.

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::file::split;
use super::{Root, RootError};

impl Root {
    /// Makes a control group below one that exists; one that is there already is no error.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn make_cgroup(&self, path: &str) -> Result<(), RootError> {
        if self.exists(path)? {
            return Ok(());
        }
        let (parent, name) = split(path)?;
        self.spend(path, "create control group")?;
        let folder = self.open(parent, "open", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let refused = |errno| RootError::Refused { verb: "create", path: path.to_owned(), errno };
        mkdirat(&folder, name, Mode::from_bits_truncate(0o755)).map_err(refused)?;
        if self.is_machine() {
            return Ok(());
        }
        self.put(&format!("{path}/cgroup.procs"), "")?;
        let controllers = self.read(&format!("{parent}/cgroup.subtree_control"))?.unwrap_or_default();
        if controllers.split_whitespace().any(|word| word == "cpuset") {
            self.put(&format!("{path}/cpuset.cpus"), "\n")?;
            self.put(&format!("{path}/cpuset.cpus.partition"), "member\n")?;
            // The root has this file on kernels whose groups have the other (Linux 6.7).
            if self.exists(&format!("{parent}/cpuset.cpus.isolated"))? {
                self.put(&format!("{path}/cpuset.cpus.exclusive"), "\n")?;
            }
        }
        Ok(())
    }

    /// Removes a control group without tasks and groups of its own; absence is no error.
    ///
    /// # Errors
    /// `EBUSY` when it is in use; when the kernel refuses it for another reason.
    pub fn remove_cgroup(&self, path: &str) -> Result<(), RootError> {
        if !self.exists(path)? {
            return Ok(());
        }
        let (parent, name) = split(path)?;
        self.spend(path, "remove control group")?;
        let refused = |errno| RootError::Refused { verb: "remove", path: path.to_owned(), errno };
        if !self.is_machine() {
            if self.read(&format!("{path}/cgroup.procs"))?.is_some_and(|tasks| !tasks.trim().is_empty()) {
                return Err(refused(Errno::EBUSY));
            }
            for leaf in self.list(path)? {
                let folder = self.open(path, "open", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
                unlinkat(&folder, leaf.as_str(), UnlinkatFlags::NoRemoveDir).map_err(refused)?;
            }
        }
        let folder = self.open(parent, "open", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        unlinkat(&folder, name, UnlinkatFlags::RemoveDir).map_err(refused)
    }

    /// What a kernel shows in `cpuset.cpus.partition` of a tree after it took `kind`: a partition without CPUs, or
    /// with all that its parent has, is there and invalid.
    pub(super) fn partition(&self, path: &str, kind: &str) -> Result<String, RootError> {
        let group = path.strip_suffix("/cpuset.cpus.partition").unwrap_or(path);
        let cpus = self.read(&format!("{group}/cpuset.cpus"))?.unwrap_or_default();
        let all = self.read(&format!("{}/cpuset.cpus.effective", split(group)?.0))?.unwrap_or_default();
        let problem = match cpus.trim() {
            _ if kind == "member" => None,
            "" => Some("cpuset.cpus is empty"),
            cpus if cpus == all.trim() => Some("Parent unable to distribute cpu downstream"),
            _ => None,
        };
        Ok(problem.map_or_else(|| format!("{kind}\n"), |problem| format!("{kind} invalid ({problem})\n")))
    }

    fn put(&self, path: &str, text: &str) -> Result<(), RootError> {
        drop(self.open(path, "create", OFlag::O_WRONLY | OFlag::O_CREAT)?);
        self.show(path, text)
    }
}
