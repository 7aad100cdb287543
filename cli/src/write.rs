//! A file, whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::failure::Failure;

/// Whether a file can be made at `path`, asked before hours of work go into its content.
///
/// # Errors
/// When its folder is not there or cannot be written, when something that is no regular file stands there, or when it is
/// one of `inputs`, which would be lost.
pub fn ready(path: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    let folder = folder(path);
    let refused = |reason| Failure::Refused { file: path.to_path_buf(), reason };
    if let Ok(found) = path.symlink_metadata() {
        if !found.is_file() {
            return Err(refused("something that is no regular file stands there; give another name"));
        }
        let same = |input: &&&Path| {
            input.metadata().is_ok_and(|input| (input.dev(), input.ino()) == (found.dev(), found.ino()))
        };
        if inputs.iter().find(same).is_some() {
            return Err(refused("it is an input of this command and would be lost; give another name"));
        }
    }
    match folder.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::NoFolder { file: path.to_path_buf(), folder: folder.to_path_buf() })
        }
        Err(error) => Err(Failure::Write { file: path.to_path_buf(), error }),
        Ok(found) if !found.is_dir() => Err(refused("its folder is a file; give another name")),
        Ok(_) => match beside(path) {
            Ok(probe) => probe.close().map_err(|error| Failure::Write { file: path.to_path_buf(), error }),
            Err(error) => Err(Failure::Write { file: path.to_path_buf(), error }),
        },
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in the folder of `path`, with the permissions that an ordinary new file gets.
///
/// # Errors
/// When the folder is not there or cannot be written.
pub fn beside(path: &Path) -> io::Result<NamedTempFile> {
    Builder::new().prefix(".diapason-").permissions(Permissions::from_mode(0o666)).tempfile_in(folder(path))
}

/// Writes `bytes` under a temporary name beside `path`, syncs them and renames.
///
/// # Errors
/// [`Failure::Write`] with the file; what stood there before still stands.
pub fn whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let of_file = |error| Failure::Write { file: path.to_path_buf(), error };
    let mut file = beside(path).map_err(of_file)?;
    file.write_all(bytes).map_err(of_file)?;
    file.as_file().sync_all().map_err(of_file)?;
    file.persist(path).map_err(|error| of_file(error.error))?;
    Ok(())
}
