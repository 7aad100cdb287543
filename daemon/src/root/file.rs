//! Files that outlive the process: replaced whole or appended to, and on the disk before the call returns
//! where the caller says so.

use std::fs::File;
use std::io::Write;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, OFlag, fallocate, renameat};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Root, RootError, absent, errno, fuse, relative};

impl Root {
    /// Replaces the file at `path` by `data` with permissions `mode`: a temporary name, fsync, rename, fsync of
    /// the folder. After a crash there is the old file or the new one, and at most the temporary one beside it.
    ///
    /// # Errors
    /// When the kernel refuses any of the steps; the file is then as it was.
    pub fn replace(&self, path: &str, data: &[u8], mode: u32) -> Result<(), RootError> {
        let (folder, name) = split(path)?;
        let temporary = temporary(path)?;
        let shown = || String::from_utf8_lossy(data).chars().take(80).collect();
        let refused = |errno| RootError::Write { path: path.to_owned(), data: shown(), errno };
        self.spend(path, "temporary file")?;
        let fd = self.open(&temporary, "create", OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC)?;
        let mut file = File::from(fd);
        let filled = file.write_all(data).map_err(|error| refused(errno(&error)));
        let filled = filled.and_then(|()| fchmod(&file, Mode::from_bits_truncate(mode)).map_err(refused));
        let filled = filled.and_then(|()| file.sync_all().map_err(|error| refused(errno(&error))));
        let renamed = filled.and_then(|()| {
            self.spend(path, "rename")?;
            let folder = self.open(folder, "open", OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
            renameat(&folder, base(&temporary), &folder, name).map_err(refused)?;
            File::from(folder).sync_all().map_err(|error| refused(super::errno(&error)))
        });
        if renamed.is_err() && !self.fuse.as_ref().is_some_and(|fuse| fuse.is_dead()) {
            // The first error is the one to report; a temporary file that stays is removed by the next `remove`.
            let _ = self.unlink(&temporary, UnlinkatFlags::NoRemoveDir);
        }
        renamed
    }

    /// Appends `data` to `path`, creating the file; with `durable` it is on the disk when this returns. `kept` is the
    /// descriptor for the next append, `None` before the first and after one that failed.
    ///
    /// # Errors
    /// When the kernel refuses it; the file may then end in a part of `data`.
    pub fn append(
        &self,
        kept: &mut Option<File>,
        path: &str,
        data: &[u8],
        durable: bool,
    ) -> Result<(), RootError> {
        let refused = |errno| RootError::Write {
            path: path.to_owned(),
            data: String::from_utf8_lossy(data).chars().take(80).collect(),
            errno,
        };
        let verdict = self.fuse.as_ref().map_or(fuse::Verdict::Pass, |fuse| fuse.step());
        let part = |share: u8| &data[..data.len() * usize::from(share) / 256];
        let (data, end) = match verdict {
            fuse::Verdict::Pass => (data, Ok(())),
            fuse::Verdict::Dead(share) => (part(share), Err(RootError::Dead)),
            fuse::Verdict::Refused(share, errno) => (part(share), Err(refused(errno))),
        };
        let open = kept.take();
        if end.is_err() && data.is_empty() {
            return end;
        }
        let (mut file, created) = match open {
            Some(file) => (file, None),
            None => {
                let plain = Self { fuse: None, ..self.clone() };
                let is_new = durable && !plain.exists(path)?;
                let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND;
                (File::from(plain.open(path, "open", flags)?), is_new.then_some(plain))
            }
        };
        file.write_all(data).map_err(|error| refused(errno(&error)))?;
        if durable {
            file.sync_data().map_err(|error| refused(errno(&error)))?;
        }
        if let Some(plain) = created {
            plain.sync_folder(split(path)?.0)?;
        }
        if end.is_ok() {
            *kept = Some(file);
        }
        end
    }

    /// Cuts the file at `path` to its first `bytes` bytes.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn truncate(&self, path: &str, bytes: u64) -> Result<(), RootError> {
        self.spend(path, "truncate")?;
        let file = File::from(self.open(path, "truncate", OFlag::O_WRONLY)?);
        let refused =
            |error| RootError::Refused { verb: "truncate", path: path.to_owned(), errno: errno(&error) };
        file.set_len(bytes).and_then(|()| file.sync_all()).map_err(refused)
    }

    /// Takes the lock file at `path` for as long as the result lives; `None` when another process has it.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn lock(&self, path: &str) -> Result<Option<Flock<File>>, RootError> {
        let file = File::from(self.open(path, "lock", OFlag::O_RDWR | OFlag::O_CREAT)?);
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EAGAIN)) => Ok(None),
            Err((_, errno)) => Err(RootError::Refused { verb: "lock", path: path.to_owned(), errno }),
        }
    }

    /// Whether an interrupted [`Root::replace`] of `path` left its temporary file.
    ///
    /// # Errors
    /// When the kernel refuses to look.
    pub fn is_interrupted(&self, path: &str) -> Result<bool, RootError> {
        self.exists(&temporary(path)?)
    }

    /// Removes the file at `path`, and what an interrupted [`Root::replace`] of it left; absence is no error.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn remove(&self, path: &str) -> Result<(), RootError> {
        self.unlink(&temporary(path)?, UnlinkatFlags::NoRemoveDir)?;
        if self.exists(path)? {
            self.spend(path, "remove")?;
            self.unlink(path, UnlinkatFlags::NoRemoveDir)?;
            self.sync_folder(split(path)?.0)?;
        }
        Ok(())
    }

    /// Creates a folder whose parent exists; one that is there already is no error.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn make_folder(&self, path: &str) -> Result<(), RootError> {
        let (parent, name) = split(path)?;
        if self.exists(path)? {
            return Ok(());
        }
        self.spend(path, "create folder")?;
        let parent_fd = self.open(parent, "open", OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        match mkdirat(&parent_fd, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => self.sync_folder(parent),
            Err(errno) => Err(RootError::Refused { verb: "create", path: path.to_owned(), errno }),
        }
    }

    /// Removes a folder if it is empty; absence, or content of somebody else, is no error.
    ///
    /// # Errors
    /// When the kernel refuses it for another reason.
    pub fn remove_folder(&self, path: &str) -> Result<(), RootError> {
        if !self.exists(path)? {
            return Ok(());
        }
        self.spend(path, "remove folder")?;
        match self.unlink(path, UnlinkatFlags::RemoveDir) {
            Err(RootError::Refused { errno: Errno::ENOTEMPTY | Errno::EEXIST, .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_folder(split(path)?.0),
        }
    }

    /// Creates the file `path` of `bytes` bytes with its blocks allocated (no holes, as swapon demands), readable
    /// by root only, that begins with `head`; under a temporary name until it is whole. In a tree only `head` is stored, so that a picture of a machine
    /// stays small.
    ///
    /// # Errors
    /// When the kernel refuses it, `ENOSPC` above all; nothing is left then.
    pub fn allocate(&self, path: &str, bytes: u64, head: &[u8]) -> Result<(), RootError> {
        let refused =
            |errno| RootError::Write { path: path.to_owned(), data: format!("{bytes} bytes"), errno };
        let (folder, name) = split(path)?;
        let temporary = temporary(path)?;
        self.remove(path)?;
        self.spend(path, "allocate")?;
        let fd = self.open(&temporary, "create", OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)?;
        let mut file = File::from(fd);
        let whole = i64::try_from(bytes).map_err(|_| refused(Errno::EFBIG))?;
        let machine = self.is_machine();
        let made = fchmod(&file, Mode::from_bits_truncate(0o600))
            .and_then(|()| if machine { fallocate(&file, FallocateFlags::empty(), 0, whole) } else { Ok(()) })
            .and_then(|()| {
                file.write_all(head).and_then(|()| file.sync_all()).map_err(|error| errno(&error))
            });
        let named = made.map_err(refused).and_then(|()| {
            let folder = self.open(folder, "open", OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
            renameat(&folder, base(&temporary), &folder, name).map_err(refused)?;
            File::from(folder).sync_all().map_err(|error| refused(super::errno(&error)))
        });
        if named.is_err() {
            // The lack of space is the error to report; the file is of no use without it.
            let _ = self.unlink(&temporary, UnlinkatFlags::NoRemoveDir);
        }
        named
    }

    fn unlink(&self, path: &str, flag: UnlinkatFlags) -> Result<(), RootError> {
        let (folder, name) = split(path)?;
        let Some(folder) = absent(self.open(folder, "open", OFlag::O_PATH | OFlag::O_DIRECTORY))? else {
            return Ok(());
        };
        match unlinkat(&folder, name, flag) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(RootError::Refused { verb: "remove", path: path.to_owned(), errno }),
        }
    }

    fn sync_folder(&self, path: &str) -> Result<(), RootError> {
        let folder = File::from(self.open(path, "open", OFlag::O_RDONLY | OFlag::O_DIRECTORY)?);
        folder.sync_all().map_err(|error| RootError::Refused {
            verb: "sync",
            path: path.to_owned(),
            errno: errno(&error),
        })
    }
}

/// The hidden name beside `path` under which [`Root::replace`] prepares it.
fn temporary(path: &str) -> Result<String, RootError> {
    let (folder, name) = split(path)?;
    Ok(format!("{}/.{name}.diapason-new", folder.trim_end_matches('/')))
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub(super) fn split(path: &str) -> Result<(&str, &str), RootError> {
    relative(path)?;
    match path.rsplit_once('/') {
        Some((folder, name)) if !name.is_empty() => Ok((if folder.is_empty() { "/" } else { folder }, name)),
        _ => Err(RootError::Path { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Break, Fuse};
    use super::*;

    #[test]
    fn a_replacement_is_whole_or_not_at_all() {
        for at in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let root = Root::new(folder.path());
            root.replace("/file", b"old", 0o644).unwrap();
            let broken = root.clone().with_fuse(Arc::new(Fuse::new(at, Break::Die)));
            assert!(matches!(broken.replace("/file", b"new", 0o644), Err(RootError::Dead)));
            assert_eq!(root.read("/file").unwrap().as_deref(), Some("old"));
            root.remove("/file").unwrap();
            assert_eq!(root.list("/").unwrap(), Vec::<String>::new());
        }
    }

    #[test]
    fn a_folder_with_other_content_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        root.make_folder("/a.d").unwrap();
        root.append(&mut None, "/a.d/theirs", b"x", true).unwrap();
        root.remove_folder("/a.d").unwrap();
        assert_eq!(root.list("/a.d").unwrap(), ["theirs"]);
        root.remove("/a.d/theirs").unwrap();
        root.remove_folder("/a.d").unwrap();
        assert!(!root.exists("/a.d").unwrap());
    }
}
