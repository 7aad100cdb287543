//! Where a file is put once it is whole: what may stand there before, and the hidden file until then.
//!
//! Only a regular file is ever replaced. A symbolic link is followed, so that what it leads to is replaced and the
//! link stays; a device, pipe, socket or folder is refused.
//!
//! The hidden file has no name where the file system can do that (`O_TMPFILE`, open(2)): it is gone with the program,
//! even if that is killed. libhdf5 must open by name, and resolves links itself, so no name below `/proc` will do: it
//! gets a named file, which is exchanged for the nameless one beneath it as soon as it is open.

use std::fs::{File, FileType, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;
use tempfile::TempPath;

use super::error::Error;

/// What any program asks for; the user's umask takes away from it.
const MODE: u32 = 0o666;
/// The end of the name of a hidden file.
const PARTIAL: &str = ".partial";

/// A hidden file that will be put at a path. Dropped before that, it is gone.
#[derive(Debug)]
pub(super) struct Destination {
    /// What was named, for errors.
    named: PathBuf,
    /// Where the file goes: what was named, or what a link there leads to.
    path: PathBuf,
    hidden: Hidden,
}

#[derive(Debug)]
enum Hidden {
    Named(TempPath),
    Nameless {
        file: File,
        /// The file that libhdf5 opened. It tells files apart by their inodes, so this one must stay taken.
        _opened: File,
    },
}

impl Destination {
    /// Makes a hidden file in the folder of `output`, has `open` open it by its name, and then, where the file system
    /// can do that, `exchange` it for one without a name that begins with the same bytes.
    pub fn open<F>(
        output: &Path,
        open: impl FnOnce(&Path) -> Result<F, Error>,
        exchange: impl FnOnce(&F, &File) -> Result<(), Error>,
    ) -> Result<(Self, F), Error> {
        let named = output.to_path_buf();
        let path = place(output)?;
        let folder = folder(&path);
        let temporary = tempfile::Builder::new()
            .prefix(&prefix(&path))
            .suffix(PARTIAL)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder)
            .map_err(|error| Error::Io { verb: "write into", path: folder.to_path_buf(), error })?
            .into_temp_path();
        let opened = open(&temporary)?;
        let Some(mut file) = nameless(folder) else {
            return Ok((Self { named, path, hidden: Hidden::Named(temporary) }, opened));
        };
        let refused = |error| Error::Io { verb: "write", path: output.to_path_buf(), error };
        let mut begin = File::open(&temporary).map_err(refused)?;
        io::copy(&mut begin, &mut file).map_err(refused)?;
        exchange(&opened, &file)?;
        temporary.close().map_err(refused)?;
        Ok((Self { named, path, hidden: Hidden::Nameless { file, _opened: begin } }, opened))
    }

    /// Puts the file, which is whole, on disk and at its place; returns its bytes.
    pub fn reveal(self) -> Result<u64, Error> {
        let Self { named, path, hidden } = self;
        let refused = |verb| {
            let path = named.clone();
            move |error| Error::Io { verb, path, error }
        };
        let file = match &hidden {
            Hidden::Named(hidden) => &File::open(hidden).map_err(refused("write"))?,
            Hidden::Nameless { file, .. } => file,
        };
        file.sync_all().map_err(refused("write"))?;
        let bytes = file.metadata().map_err(refused("write"))?.len();
        // Something else may have come to stand there meanwhile.
        allowed(&named, &path)?;
        match hidden {
            Hidden::Named(hidden) => hidden.persist(&path).map_err(|error| error.error),
            Hidden::Nameless { file, .. } => name(&file, &path),
        }
        .map_err(refused("rename the finished file to"))?;
        let folder = File::open(folder(&path)).and_then(|folder| folder.sync_all());
        folder.map_err(refused("write the folder of"))?;
        Ok(bytes)
    }
}

/// Whether both are there and are one file, by whatever names.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// A file in `folder` without a name, where the system can make one and give it a name later.
fn nameless(folder: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(MODE).custom_flags(OFlag::O_TMPFILE.bits());
    let file = options.open(folder).ok()?;
    let (made, seen) = (file.metadata().ok()?, magic_link(&file).metadata().ok()?);
    ((made.dev(), made.ino()) == (seen.dev(), seen.ino())).then_some(file)
}

/// The link by which the system knows an open file (proc(5)).
fn magic_link(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Gives a nameless file the name `path`, replacing what is there at once.
fn name(file: &File, path: &Path) -> io::Result<()> {
    let link = |to: &Path| {
        linkat(AT_FDCWD, &magic_link(file), AT_FDCWD, to, AtFlags::AT_SYMLINK_FOLLOW).map_err(io::Error::from)
    };
    match link(path) {
        // Only a rename replaces, and it needs a name to begin with.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let (prefix, folder) = (prefix(path), folder(path));
            let named = tempfile::Builder::new().prefix(&prefix).suffix(PARTIAL).make_in(folder, link)?;
            named.into_temp_path().persist(path).map_err(|error| error.error)
        }
        linked => linked,
    }
}

/// The begin of the name of a hidden file for `path`.
fn prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// The path of the file that `output` names, through links.
fn place(output: &Path) -> Result<PathBuf, Error> {
    let is_link = output.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if !is_link {
        allowed(output, output)?;
        let refused = |kind| Err(Error::NotAFile { path: output.to_path_buf(), kind });
        return match output.as_os_str().as_bytes() {
            [] => refused("an empty name"),
            [.., b'/'] => refused("the name of a folder"),
            _ => Ok(output.to_path_buf()),
        };
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
