//! Reads by `pread(2)`: the plain way, and the fastest one for what the page cache holds.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::account::{Account, By, Tally};
use super::{Identity, Source};

/// A file that is read by `pread(2)`.
#[derive(Debug)]
pub struct Pread {
    file: File,
    identity: Identity,
    /// Why it is read so, if something else was wanted.
    why: Option<String>,
    tally: Tally,
}

impl Pread {
    /// Opens the regular file at `path`.
    ///
    /// # Errors
    /// What the system says; `InvalidInput` when it is a directory, a pipe or another thing without positions.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (file, identity) = open_regular(path)?;
        Ok(Self { file, identity, why: None, tally: Tally::default() })
    }

    /// As [`Pread::open`], where something else was wanted and cannot be had for this reason.
    pub(super) fn open_for_lack(path: &Path, why: String) -> io::Result<Self> {
        Ok(Self { why: Some(why), ..Self::open(path)? })
    }
}

/// Opens a regular file and takes its identity.
pub(super) fn open_regular(path: &Path) -> io::Result<(File, Identity)> {
    // Asked before the opening too, since opening a pipe waits for its writer.
    let refuse_others = |metadata: &std::fs::Metadata| {
        let is_file = metadata.is_file();
        let problem = if metadata.is_dir() {
            "it is a directory, a file is needed"
        } else {
            "it is not a regular file"
        };
        if is_file { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, problem)) }
    };
    refuse_others(&std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    refuse_others(&metadata)?;
    let identity = identity_of(&metadata);
    Ok((file, identity))
}

/// The identity of a file with this metadata.
pub(super) fn identity_of(metadata: &std::fs::Metadata) -> Identity {
    let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Identity {
        size: metadata.len(),
        place: (metadata.dev(), metadata.ino()),
        modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
    }
}

impl Source for Pread {
    fn size(&self) -> u64 {
        self.identity.size
    }

    fn identity(&self) -> Identity {
        self.identity
    }

    fn read_some_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size() {
            return Ok(0);
        }
        let count = self.file.read_at(bytes, offset)?;
        self.tally.count(By::Pread, count);
        Ok(count)
    }

    fn account(&self) -> Account {
        let choice = match &self.why {
            None => "pread(2), as asked".to_owned(),
            Some(why) => format!("pread(2), for {why}"),
        };
        Account { choice, ways: self.tally.ways() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conforms() {
        let folder = tempfile::tempdir().unwrap();
        super::super::conformance::examine(|bytes| {
            let path = folder.path().join("sample");
            std::fs::write(&path, bytes).unwrap();
            Pread::open(&path).unwrap()
        });
    }

    #[test]
    fn refuses_what_has_no_positions() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Pread::open(folder.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(Pread::open(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(Pread::open(&pipe).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn every_change_is_another_identity_once_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample");
        std::fs::write(&path, [7; 100]).unwrap();
        let before = Identity::of_file(&path).unwrap();
        assert_eq!(before, Pread::open(&path).unwrap().identity());
        std::thread::sleep(std::time::Duration::from_nanos(before.unsettled_ns()));
        assert_eq!(before.unsettled_ns(), 0);
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[8], 50).unwrap();
        // Who sets the time of the bytes back cannot set back that of the file.
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(before.modified_ns as u64))
            .unwrap();
        let after = Identity::of_file(&path).unwrap();
        assert_eq!((after.size, after.modified_ns), (before.size, before.modified_ns));
        assert_ne!(after.to_bytes(), before.to_bytes());
    }

    #[test]
    fn a_file_cut_while_open_is_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample");
        std::fs::write(&path, [7; 100]).unwrap();
        let source = Pread::open(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(50).unwrap();
        let refused = source.read_at(40, &mut [0; 20]).unwrap_err();
        assert!(matches!(refused, super::super::Error::Truncated { .. }), "{refused}");
    }
}
