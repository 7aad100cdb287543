//! Reads by `pread(2)`: the plain way, and the fastest one for what the page cache holds.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::{Identity, Source};

/// A file that is read by `pread(2)`.
#[derive(Debug)]
pub struct Pread {
    file: File,
    identity: Identity,
}

impl Pread {
    /// Opens the regular file at `path`.
    ///
    /// # Errors
    /// What the system says; `InvalidInput` when it is a directory, a pipe or another thing without positions.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (file, identity) = open_regular(path)?;
        Ok(Self { file, identity })
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
    let modified_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    let identity = Identity { size: metadata.len(), place: (metadata.dev(), metadata.ino()), modified_ns };
    Ok((file, identity))
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
        self.file.read_at(bytes, offset)
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
