//! Results that are computed once, kept on disk and mapped by every later run and process.
//!
//! ```text
//! key (what it is made of) -> look | lock, look again, make, write, sync, rename -> map -> bound
//! ```
//!
//! A result is named by the hash of everything that it depends on, so it is never out of date and never changed. It appears
//! under its name only when it is whole and on disk; who dies before leaves a file that the next one removes. Of several
//! who want the same result one makes it and the others wait. The cache is never the reason for a failure: what the disk
//! refuses is counted and the caller computes without it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

mod entry;

mod map;

pub use entry::Sink;
pub use map::{Changed, Mapped};

/// What a result is made of, as one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of parts with their names, such as the identity of a file, the columns, the plan and its version. Parts
    /// cannot run into one another.
    #[must_use]
    pub fn of(parts: &[(&str, &[u8])]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for (name, value) in parts {
            for bytes in [name.as_bytes(), value] {
                hasher.update(&(bytes.len() as u64).to_le_bytes());
                hasher.update(bytes);
            }
        }
        Self(*hasher.finalize().as_bytes())
    }

    fn name(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

/// How often what happened since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Results that were there.
    pub hits: u64,
    /// Results that were made and kept.
    pub made: u64,
    /// Results that could not be kept.
    pub bypassed: u64,
    /// Results that were removed to make room.
    pub evicted: u64,
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It was there.
    Hit(Mapped),
    /// It was made, and is there now.
    Made(Mapped),
    /// It was made and could not be kept, for this reason: the caller has to do without.
    Bypassed(io::Error),
}

/// A folder of results.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    bytes_max: u64,
    hits: AtomicU64,
    made: AtomicU64,
    bypassed: AtomicU64,
    evicted: AtomicU64,
}

/// The ends of names: results, results that are being written, and locks.
const WHOLE: &str = "result";
const NEW: &str = "new";
const LOCK: &str = "lock";

impl Store {
    /// Opens the results in `folder`, which is made for this user alone if it is not there; they take at most
    /// `bytes_max` bytes, and the one that is being written as many at most. What was left half written by somebody who died is removed.
    ///
    /// # Errors
    /// What the system says of the folder.
    pub fn open(folder: impl Into<PathBuf>, bytes_max: u64) -> io::Result<Self> {
        let folder = folder.into();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let zero = AtomicU64::default;
        let store = Self { folder, bytes_max, hits: zero(), made: zero(), bypassed: zero(), evicted: zero() };
        for entry in fs::read_dir(&store.folder)?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == NEW || end == LOCK)
                && let Some(lock) = try_lock(&path.with_extension(LOCK))
            {
                // Its maker is gone, or the lock were not free.
                let _ = fs::remove_file(path.with_extension(NEW));
                unlock(lock, &path.with_extension(LOCK));
            }
        }
        Ok(store)
    }

    /// How often what happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            hits: of(&self.hits),
            made: of(&self.made),
            bypassed: of(&self.bypassed),
            evicted: of(&self.evicted),
        }
    }

    /// The result of `key`, if it is there and whole.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Mapped> {
        let file = File::open(self.path(key, WHOLE)).ok()?;
        let mapped = Mapped::new(&file, key)?;
        // The latest used is the last to be removed. A folder that cannot be written is no reason not to read it.
        let _ = file.set_modified(SystemTime::now());
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(mapped)
    }

    /// The result of `key`, made by `make` if it is not there. Of several who ask for it at a time, in this process or
    /// another, one makes it.
    ///
    /// # Errors
    /// The error of `make`; then nothing is kept.
    pub fn get_or_make<E>(
        &self,
        key: Key,
        make: impl FnOnce(&mut Sink) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        if let Some(mapped) = self.get(key) {
            return Ok(Outcome::Hit(mapped));
        }
        let path = self.path(key, LOCK);
        let lock = tracing::debug_span!("wait", result = key.name()).in_scope(|| lock(&path));
        if let (Ok(_), Some(mapped)) = (&lock, self.get(key)) {
            lock.into_iter().for_each(|lock| unlock(lock, &path));
            return Ok(Outcome::Hit(mapped));
        }
        let mut sink = match &lock {
            Ok(_) => Sink::new(&self.path(key, NEW), self.bytes_max),
            Err(error) => Sink::broken(io::Error::new(error.kind(), error.to_string())),
        };
        let made = tracing::debug_span!("make", result = key.name()).in_scope(|| make(&mut sink));
        let kept = match &made {
            Ok(()) => sink.finish(key, &self.path(key, WHOLE)),
            Err(_) => Err(io::ErrorKind::Interrupted.into()),
        };
        if kept.is_err() {
            let _ = fs::remove_file(self.path(key, NEW));
        }
        let mapped = kept.and_then(|()| {
            let file = File::open(self.path(key, WHOLE))?;
            Mapped::new(&file, key).ok_or_else(|| io::Error::other("what was written reads back otherwise"))
        });
        lock.into_iter().for_each(|lock| unlock(lock, &path));
        made?;
        Ok(match mapped {
            Ok(mapped) => {
                self.made.fetch_add(1, Ordering::Relaxed);
                self.bound();
                Outcome::Made(mapped)
            }
            Err(error) => {
                self.bypassed.fetch_add(1, Ordering::Relaxed);
                Outcome::Bypassed(error)
            }
        })
    }

    /// Removes the result of `key`, if it is there. Who has it mapped keeps it.
    pub fn remove(&self, key: Key) {
        let _ = fs::remove_file(self.path(key, WHOLE));
    }

    /// Removes the longest unused results until the rest fits. What is mapped stays mapped.
    fn bound(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let whole =
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == WHOLE));
        let facts = |entry: fs::DirEntry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        };
        let mut results: Vec<_> = whole.filter_map(facts).collect();
        results.sort_unstable();
        let mut bytes: u64 = results.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, own, path) in results {
            if bytes <= self.bytes_max {
                break;
            }
            if fs::remove_file(path).is_ok() {
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
            bytes -= own;
        }
    }

    fn path(&self, key: Key, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", key.name()))
    }
}

/// Waits for the lock at `path`. It is free again when the file is closed, however its holder ends.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            locked => locked?,
        }
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

/// The lock at `path`, if it is free.
fn try_lock(path: &Path) -> Option<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path).ok()?;
    file.try_lock().ok()?;
    is_at(&file, path).then_some(file)
}

/// Whether the locked file is the one at `path` still: its holder before may have removed it.
fn is_at(lock: &File, path: &Path) -> bool {
    let here = lock.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    let there = fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((here, there), (Ok(here), Ok(there)) if here == there)
}

/// Removes the lock at `path` while it is held, so that nobody takes one that is gone.
fn unlock(lock: File, path: &Path) {
    let _ = fs::remove_file(path);
    drop(lock);
}
