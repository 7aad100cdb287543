//! Where a file is put once it is whole: what may stand there before, and the hidden file until then.
//!
//! Only a regular file is ever replaced. A symbolic link is followed, so that what it leads to is replaced and the
//! link stays; a device, pipe, socket or folder is refused.

use std::fs::{File, FileType, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::error::Error;

/// A hidden file that will be put at a path. Dropped before that, it is gone.
#[derive(Debug)]
pub(super) struct Destination {
    /// What was named, for errors.
    named: PathBuf,
    /// Where the file goes: what was named, or what a link there leads to.
    path: PathBuf,
    hidden: TempPath,
}

impl Destination {
    /// Makes a hidden file in the folder of `output`.
    pub fn new(output: &Path) -> Result<Self, Error> {
        let path = place(output)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = folder(&path);
        let hidden = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".partial")
            // What any program asks for; the user's umask takes away from it.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| Error::Io { verb: "write into", path: folder.to_path_buf(), error })?
            .into_temp_path();
        Ok(Self { named: output.to_path_buf(), path, hidden })
    }

    /// The path of the hidden file.
    pub fn hidden(&self) -> &Path {
        &self.hidden
    }

    /// Puts the file, which is whole, on disk and at its place; returns its bytes.
    pub fn reveal(self) -> Result<u64, Error> {
        let Self { named, path, hidden } = self;
        let refused = |verb| {
            let path = named.clone();
            move |error| Error::Io { verb, path, error }
        };
        let file = File::open(&hidden).map_err(refused("write"))?;
        file.sync_all().map_err(refused("write"))?;
        let bytes = file.metadata().map_err(refused("write"))?.len();
        // Something else may have come to stand there meanwhile.
        allowed(&named, &path)?;
        hidden.persist(&path).map_err(|error| refused("rename the finished file to")(error.error))?;
        File::open(folder(&path))
            .and_then(|folder| folder.sync_all())
            .map_err(refused("write the folder of"))?;
        Ok(bytes)
    }
}

/// The path of the file that `output` names, through links.
fn place(output: &Path) -> Result<PathBuf, Error> {
    let is_link = output.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if !is_link {
        allowed(output, output)?;
        return Ok(output.to_path_buf());
    }
    let refused = |error| Error::Io { verb: "follow the link", path: output.to_path_buf(), error };
    match output.canonicalize() {
        Ok(path) => allowed(output, &path).map(|()| path),
        // A pipe or a deleted file behind a link of /proc has no path, and is something all the same.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match output.metadata() {
            Ok(found) => Err(not_a_file(output, found.file_type())),
            Err(_) => {
                let target = output.read_link().map_err(refused)?;
                Err(Error::DeadLink { path: output.to_path_buf(), target })
            }
        },
        Err(error) => Err(refused(error)),
    }
}

/// Whether a file may be put at `path`, where nothing is or a regular file that it replaces.
fn allowed(named: &Path, path: &Path) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => Err(not_a_file(named, found.file_type())),
        // That nothing is there is well; any other reason will be met, and named, when the file is made.
        _ => Ok(()),
    }
}

fn not_a_file(path: &Path, found: FileType) -> Error {
    let kind = if found.is_dir() {
        "a folder"
    } else if found.is_char_device() {
        "a character device"
    } else if found.is_block_device() {
        "a block device"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_symlink() {
        "a link"
    } else {
        "a file without a name"
    };
    Error::NotAFile { path: path.to_path_buf(), kind }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
