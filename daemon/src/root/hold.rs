//! Settings that last as long as a descriptor is open.
//!
//! A request to PM QoS is such a setting: the kernel forgets it when its file is closed, so a process that is
//! killed lets it go. The descriptor therefore has a second owner, the service manager's descriptor store
//! (sd_pid_notify_with_fds(3), `FDSTORE=1`), which hands it to the next start; the file is the same open file
//! then, and the request never lapses. A tree has a plain file in the place of the device that holds the value as text.

mod timestamps;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use sd_notify::NotifyState;

use super::{Request, Root, RootError, errno};

/// The descriptors of this process that are settings, by name.
pub(super) type Holds = Arc<Mutex<BTreeMap<String, Hold>>>;

#[derive(Debug)]
pub(super) struct Hold {
    file: File,
    /// What was asked for last; `None` after it was taken over and before it is written again.
    value: Option<i32>,
    /// Whether the service manager has a copy.
    stored: bool,
}

/// What this process holds under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// This process holds nothing and cannot: it is not the daemon.
    Elsewhere,
    /// Nothing.
    Nothing,
    /// A descriptor of an earlier process, whose value is not known.
    Unsettled,
    /// The kernel heeds this value.
    Value(i32),
}

impl Root {
    /// The same root for the process that holds descriptors: the daemon. `passed` are those that an earlier one left
    /// with the service manager.
    #[must_use]
    pub fn holding(mut self, passed: impl IntoIterator<Item = (String, OwnedFd)>) -> Self {
        let holds =
            passed.into_iter().map(|(name, fd)| (name, Hold { file: fd.into(), value: None, stored: true }));
        self.holds = Some(Arc::new(Mutex::new(holds.collect())));
        self
    }

    /// Whether this process is the one that holds descriptors.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        self.holds.is_some()
    }

    /// The names of the descriptors that this process holds.
    #[must_use]
    pub fn holds(&self) -> Vec<String> {
        let names = |holds: &Holds| {
            holds.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect::<Vec<_>>()
        };
        self.holds.as_ref().map(names).unwrap_or_default()
    }

    /// What is held under `name`. A held value that the kernel does not heed, which it shows by offering a higher one,
    /// is what the kernel shows.
    ///
    /// # Errors
    /// When the kernel does not say what it heeds.
    pub fn held(&self, name: &str, path: &str) -> Result<Held, RootError> {
        let Some(holds) = &self.holds else { return Ok(Held::Elsewhere) };
        let holds = holds.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(hold) = holds.get(name) else { return Ok(Held::Nothing) };
        let Some(value) = hold.value else { return Ok(Held::Unsettled) };
        if !self.is_machine() {
            return Ok(Held::Value(value));
        }
        let mut heeded = [0; 4];
        let read = hold.file.read_exact_at(&mut heeded, 0);
        let refused =
            |error| RootError::Refused { verb: "read", path: path.to_owned(), errno: errno(&error) };
        read.map_err(refused)?;
        Ok(Held::Value(value.max(i32::from_ne_bytes(heeded))))
    }

    /// Holds `path` open with `value` written to it, under `name`; a descriptor that is held already takes the new
    /// value without being closed. The service manager, if there is one, gets it too.
    ///
    /// # Errors
    /// When the kernel refuses to open it or to take the value, or this process is not the one that holds.
    pub fn hold(&self, name: &str, path: &str, value: i32) -> Result<(), RootError> {
        let refused = |errno| RootError::Write { path: path.to_owned(), data: value.to_string(), errno };
        let Some(holds) = &self.holds else {
            // A tree without a daemon: the value alone.
            return if self.is_machine() {
                Err(refused(Errno::EPERM))
            } else {
                self.write(path, &value.to_string())
            };
        };
        if self.is_machine() {
            self.spend(path, &value.to_string())?;
        } else {
            self.write(path, &value.to_string())?;
        }
        let mut holds = holds.lock().unwrap_or_else(PoisonError::into_inner);
        if !holds.contains_key(name) {
            let file = match self.has_admin() {
                true => self.ask(&Request::Latency)?.ok_or_else(|| refused(Errno::ENODEV))?,
                false => self.open(path, "hold", OFlag::O_RDWR)?,
            };
            let file = File::from(file);
            holds.insert(name.to_owned(), Hold { file, value: None, stored: false });
        }
        let Some(hold) = holds.get_mut(name) else { return Ok(()) };
        if self.is_machine() {
            // One call and the four bytes as they are: the device takes neither less nor a line of text.
            let written = hold.file.write(&value.to_ne_bytes()).map_err(|error| errno(&error));
            let whole = written.and_then(|bytes| if bytes == 4 { Ok(()) } else { Err(Errno::EIO) });
            if let Err(errno) = whole {
                if hold.value.is_none() {
                    holds.remove(name);
                }
                return Err(refused(errno));
            }
        }
        hold.value = Some(value);
        if !std::mem::replace(&mut hold.stored, true) {
            // A service manager without room, or none, leaves the descriptor with this process alone: the next
            // start finds it missing and says so.
            let _ = sd_notify::notify_with_fds(
                &[NotifyState::FdStore, NotifyState::FdName(name), NotifyState::Custom("FDPOLL=0")],
                &[hold.file.as_fd()],
            );
        }
        Ok(())
    }

    /// Lets go of what is held under `name`. `neutral` is written first, so that the setting ends now and not when
    /// the service manager has closed its copy.
    ///
    /// # Errors
    /// When the kernel refuses the neutral value.
    pub fn release(&self, name: &str, path: &str, neutral: i32) -> Result<(), RootError> {
        let Some(holds) = &self.holds else {
            return if self.is_machine() { Ok(()) } else { self.write(path, &neutral.to_string()) };
        };
        if self.is_machine() {
            self.spend(path, &neutral.to_string())?;
        } else {
            self.write(path, &neutral.to_string())?;
        }
        let Some(mut hold) = holds.lock().unwrap_or_else(PoisonError::into_inner).remove(name) else {
            return Ok(());
        };
        let _ = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
        if !self.is_machine() {
            return Ok(());
        }
        let refused = |errno| RootError::Write { path: path.to_owned(), data: neutral.to_string(), errno };
        hold.file.write_all(&neutral.to_ne_bytes()).map_err(|error| refused(errno(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/dev/cpu_dma_latency";

    #[test]
    fn a_tree_shows_what_is_held_as_text() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dev")).unwrap();
        std::fs::write(folder.path().join("dev/cpu_dma_latency"), "2000000000\n").unwrap();
        let root = Root::new(folder.path());
        assert_eq!(root.held("latency", PATH).unwrap(), Held::Elsewhere);
        let root = root.holding([]);
        assert_eq!(root.held("latency", PATH).unwrap(), Held::Nothing);
        root.hold("latency", PATH, 10).unwrap();
        root.hold("latency", PATH, 20).unwrap();
        assert_eq!(root.held("latency", PATH).unwrap(), Held::Value(20));
        assert_eq!(root.read(PATH).unwrap().as_deref(), Some("20\n"));
        assert_eq!(root.holds(), ["latency"]);
        root.release("latency", PATH, 2_000_000_000).unwrap();
        assert_eq!(root.held("latency", PATH).unwrap(), Held::Nothing);
        assert_eq!(root.read(PATH).unwrap().as_deref(), Some("2000000000\n"));
        assert!(root.hold("other", "/dev/none", 1).is_err());
        assert_eq!(root.holds(), Vec::<String>::new());
    }

    #[test]
    fn what_was_left_with_the_service_manager_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = tempfile::tempfile_in(folder.path()).unwrap();
        let root = Root::new(folder.path()).holding([("latency".to_owned(), file.into())]);
        assert_eq!(root.held("latency", PATH).unwrap(), Held::Unsettled);
        assert_eq!(root.holds(), ["latency"]);
    }
}
