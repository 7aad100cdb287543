//! Features of a file that are computed once: kept on disk, and mapped by every later run that needs the same ones.
//!
//! A row is kept as it was computed, in 64 bits: its time, its price, its features before any normalisation. So a run that
//! finds them gives the bits of one that does not, and a plan is kept once however it is trained on. They are found by
//! what they are made of: the file (size, device, inode, times of change), the plan by its hash, the price, the version.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use diapason_loader::cache::{Key, Mapped, Store};
use diapason_loader::source::Identity;
use serde::Serialize;

use super::feed::Feed;

/// What the order of the words of a row is; another one is another version.
const VERSION: &[u8] = concat!("panel 1, diapason ", env!("CARGO_PKG_VERSION")).as_bytes();
/// Words of a row before its features: time and price.
const BEFORE: usize = 2;

/// Whether features are kept.
#[derive(Clone, Debug, Args)]
pub struct Cache {
    /// Compute the features anew, and keep nothing
    #[arg(long)]
    pub no_cache: bool,
    /// MiB of computed features that are kept at most, in $XDG_CACHE_HOME/diapason or ~/.cache/diapason
    #[arg(long, value_name = "MIB", conflicts_with = "no_cache", default_value_t = 4096,
        value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub cache_size: u64,
}

/// What became of the features of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cached {
    /// They were there.
    Hit,
    /// They were computed, and are there now.
    Made,
    /// They were computed and could not be kept.
    Bypassed,
    /// Nobody asked.
    #[default]
    Off,
}

impl Cache {
    /// No cache.
    pub const OFF: Self = Self { no_cache: true, cache_size: 0 };

    /// Waits until a change of the file at `path` could not be missed: a few milliseconds after it was written.
    pub fn settle(&self, path: &Path) {
        const WAIT_NS_MAX: u64 = 20_000_000;
        if let (false, Ok(identity)) = (self.no_cache, Identity::of_file(path)) {
            std::thread::sleep(Duration::from_nanos(identity.unsettled_ns().min(WAIT_NS_MAX)));
        }
    }

    /// The store, unless nobody wants it or there is no place for one.
    pub(super) fn store(&self) -> Option<io::Result<Store>> {
        let folder = (!self.no_cache).then(folder)??;
        Some(Store::open(folder, self.cache_size << 20))
    }
}

/// Where the store is, by the XDG Base Directory Specification 0.8: relative paths in the environment do not count.
fn folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("diapason"))
}

/// The name of the features of `feed`.
pub(super) fn key(feed: &Feed) -> Key {
    Key::of(&[
        ("version", VERSION),
        ("file", &feed.table.identity().to_bytes()),
        ("plan", feed.plan.hash().as_bytes()),
        ("price", feed.price.to_string().as_bytes()),
    ])
}

/// Why the features of `feed` must not be kept, if its file is not what it was when it was opened, or could have changed
/// unnoticed.
pub(super) fn doubt(feed: &Feed) -> Option<io::Error> {
    let before = feed.table.identity();
    let is_same = Identity::of_file(&feed.path).is_ok_and(|now| now == before);
    let problem = match (is_same, before.unsettled_ns()) {
        (true, 0) => return None,
        (true, _) => "the file's time of change lies in the future",
        (false, _) => "the file changed while it was read",
    };
    Some(io::Error::other(problem))
}

/// A row on its way to the store or from it.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// The price.
    pub price: f64,
    /// The features, not normalised.
    pub features: &'a [f64],
}

impl<'a> Row<'a> {
    /// Bytes of a row of `features` features.
    pub(super) const fn bytes(features: usize) -> u64 {
        ((BEFORE + features) * size_of::<u64>()) as u64
    }

    /// Appends the words of the row.
    pub(super) fn write(&self, words: &mut Vec<f64>) {
        words.push(f64::from_bits(self.time.cast_unsigned()));
        words.push(self.price);
        words.extend_from_slice(self.features);
    }

    fn read(words: &'a [f64]) -> Self {
        Self { time: words[0].to_bits().cast_signed(), price: words[1], features: &words[BEFORE..] }
    }
}

/// Kept rows, mapped.
pub struct Panel {
    mapped: Mapped,
    width: usize,
}

impl Panel {
    /// The rows in `mapped`, each with `features` features; `None` when they are not `rows`, or are damaged.
    pub(super) fn new(mapped: Mapped, features: usize, rows: u64) -> Option<Self> {
        let width = BEFORE + features;
        let is_whole = mapped.bytes().len() as u64 == rows.checked_mul(Row::bytes(features))?;
        (is_whole && mapped.check().is_ok()).then_some(Self { mapped, width })
    }

    /// The rows `range`.
    pub fn rows(&self, range: Range<u64>) -> impl Iterator<Item = Row<'_>> {
        let words = &self.mapped.values::<f64>()[self.words(&range)];
        words.chunks_exact(self.width).map(Row::read)
    }

    /// Says that the rows `range` are not needed for now, so that they are not counted as memory of this process.
    pub fn release(&self, range: Range<u64>) {
        let words = self.words(&range);
        self.mapped.release(words.start * size_of::<f64>()..words.end * size_of::<f64>());
    }

    fn words(&self, range: &Range<u64>) -> Range<usize> {
        let place = |row: u64| usize::try_from(row).unwrap_or(usize::MAX).saturating_mul(self.width);
        place(range.start)..place(range.end)
    }
}
