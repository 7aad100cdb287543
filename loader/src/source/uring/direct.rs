//! A file opened a second time, past the page cache (`O_DIRECT`), proved by a real read.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use diapason_buffer::{Alignment, Buffer};
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::arena;

/// What offsets and lengths are multiples of where the kernel does not say (before 6.1): no file system asks for more.
const ALIGN_UNKNOWN: u64 = 4096;

/// The same file, read past the page cache.
#[derive(Debug)]
pub struct Direct {
    pub file: File,
    /// What offsets and lengths are multiples of; it divides [`arena::STEP`], as does what addresses are multiples of.
    pub align: u64,
}

/// Why a file cannot be read past the page cache.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("its file system has no direct reads")]
    NotSupported,
    #[error("opening it with O_DIRECT failed: {0}")]
    Open(io::Error),
    #[error("its name leads to another file by now")]
    Replaced,
    #[error("its device wants direct reads in steps of {0} bytes, at most {max} are done", max = arena::STEP)]
    Align(u32),
    #[error("a direct read failed: {0}")]
    Read(io::Error),
    #[error("a direct read gave other bytes than an ordinary one")]
    WrongBytes,
}

/// Opens the file at `path`, which is `plain`, for direct reads.
pub fn open(path: &Path, plain: &File) -> Result<Direct, Refusal> {
    let opened = File::options().read(true).custom_flags(nix::libc::O_DIRECT).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(nix::libc::EINVAL | nix::libc::EOPNOTSUPP) => Refusal::NotSupported,
        _ => Refusal::Open(error),
    })?;
    let place = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    if place(&file).map_err(Refusal::Open)? != place(plain).map_err(Refusal::Open)? {
        return Err(Refusal::Replaced);
    }
    let align = align(&file)?;
    let mut first = Buffer::<u8>::zeroed(arena::STEP, Alignment::PAGE)
        .map_err(|_| Refusal::Read(io::ErrorKind::OutOfMemory.into()))?;
    let count = file.read_at(&mut first, 0).map_err(Refusal::Read)?;
    let mut expected = vec![0; count];
    plain.read_exact_at(&mut expected, 0).map_err(Refusal::Read)?;
    if first[..count] != expected[..] {
        return Err(Refusal::WrongBytes);
    }
    Ok(Direct { file, align })
}

/// What offsets and lengths of direct reads are multiples of.
fn align(file: &File) -> Result<u64, Refusal> {
    let Ok(found) = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) else {
        return Ok(ALIGN_UNKNOWN);
    };
    if found.stx_mask & StatxFlags::DIOALIGN.bits() == 0 {
        return Ok(ALIGN_UNKNOWN);
    }
    let (memory, offset) = (found.stx_dio_mem_align, found.stx_dio_offset_align);
    if memory == 0 || offset == 0 {
        return Err(Refusal::NotSupported);
    }
    match [memory, offset].into_iter().find(|align| !(arena::STEP as u64).is_multiple_of((*align).into())) {
        Some(align) => Err(Refusal::Align(align)),
        None => Ok(offset.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_or_a_reason() {
        let folder = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let path = folder.path().join("sample");
        for bytes in [0, 100, 5000] {
            std::fs::write(&path, vec![3; bytes]).unwrap();
            let plain = File::open(&path).unwrap();
            if let Ok(direct) = open(&path, &plain) {
                assert!(direct.align.is_power_of_two() && direct.align <= 4096);
            }
            std::fs::rename(&path, folder.path().join("old")).unwrap();
            std::fs::write(&path, b"another").unwrap();
            let refused = open(&path, &plain).unwrap_err();
            assert!(matches!(refused, Refusal::Replaced | Refusal::NotSupported), "{refused}");
            std::fs::remove_file(&path).unwrap();
            assert!(matches!(open(&path, &plain), Err(Refusal::Open(_))));
        }
    }
}
