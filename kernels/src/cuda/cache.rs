//! Machine code kept on disk, under the hash of what it was made from.
//!
//! A host needs the compiler once for each model and device; one without it can be given the folder of another. Whatever goes
//! wrong here is no error: the kernel is then compiled again.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::source::Kernel;

/// Bytes of a hash.
const HASH: usize = 32;

/// A folder of cubins.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// The user's: `diapason/cuda` below `XDG_CACHE_HOME` or `~/.cache`.
    pub fn of_the_user() -> Self {
        let absolute = |name| std::env::var_os(name).filter(|path: &OsString| Path::new(path).is_absolute());
        let caches = absolute("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || absolute("HOME").map(|home| PathBuf::from(home).join(".cache"));
        Self { folder: caches.or_else(home).map(|caches| caches.join("diapason/cuda")) }
    }

    /// A folder of the caller's.
    #[cfg(test)]
    pub fn at(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()) }
    }

    /// The file of a kernel: everything that decides what it is is in the name.
    fn file(&self, kernel: &Kernel, architecture: &str) -> Option<PathBuf> {
        let mut hasher = blake3::Hasher::new();
        for part in [architecture, kernel.function, &kernel.text] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        for (name, value) in &kernel.defines {
            hasher.update(format!("{name}={value};").as_bytes());
        }
        if !kernel.fused {
            hasher.update(b"unfused;");
        }
        let name = format!("{}.cubin", hasher.finalize().to_hex());
        self.folder.as_ref().map(|folder| folder.join(name))
    }

    /// The machine code, if it is there and whole.
    pub fn get(&self, kernel: &Kernel, architecture: &str) -> Option<Vec<u8>> {
        let mut bytes = std::fs::read(self.file(kernel, architecture)?).ok()?;
        let end = bytes.len().checked_sub(HASH)?;
        let whole = blake3::hash(&bytes[..end]).as_bytes()[..] == bytes[end..];
        bytes.truncate(end);
        whole.then_some(bytes)
    }

    /// Keeps machine code, if the disk will have it: the file appears whole or not at all.
    pub fn put(&self, kernel: &Kernel, architecture: &str, cubin: &[u8]) {
        let Some(file) = self.file(kernel, architecture) else { return };
        let Some(folder) = file.parent() else { return };
        let keep = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(cubin)?;
            new.write_all(blake3::hash(cubin).as_bytes())?;
            new.as_file().sync_all()?;
            new.persist(&file)?;
            Ok(())
        };
        // Without it the next start compiles again.
        let _ = keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::source;

    #[test]
    fn what_is_kept_comes_back_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("below"));
        let (kernel, other) = (source::dense(128, 1), source::dense(128, 2));
        assert_eq!(cache.get(&kernel, "sm_80"), None);
        cache.put(&kernel, "sm_80", b"machine code");
        assert_eq!(cache.get(&kernel, "sm_80").unwrap(), b"machine code");
        assert_eq!(cache.get(&kernel, "sm_90a"), None);
        assert_eq!(cache.get(&other, "sm_80"), None);
        let file = cache.file(&kernel, "sm_80").unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(cache.get(&kernel, "sm_80"), None);
        std::fs::write(&file, b"short").unwrap();
        assert_eq!(cache.get(&kernel, "sm_80"), None);
        // A place that takes no file is no error.
        Cache::at(&file.join("below a file")).put(&kernel, "sm_80", b"machine code");
    }
}
