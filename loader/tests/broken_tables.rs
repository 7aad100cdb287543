//! Files that are cut off, bent or made up: an error, never a panic, and never more memory than the file and the
//! budget account for.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use diapason_loader::market;
use diapason_loader::source::memory::Memory;
use diapason_loader::table::{Error, Options, Table};
use diapason_tests::{need, oracle::ask, require};

/// Counts the bytes that this thread holds, and the most it ever held.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn count(more: usize, less: usize) {
    // While a thread ends its locals are gone; what it frees then is not counted.
    let _ = HELD.try_with(|held| {
        held.set(held.get().wrapping_add(more).saturating_sub(less));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the block came from `alloc` above with this layout, as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of decoded chunks that these tests allow.
const BUDGET: u64 = 1 << 20;

/// Opens the bytes and reads all there is; gives the bytes of memory it took at most.
fn walk(bytes: &[u8]) -> (Result<(), Error>, usize) {
    let source = Arc::new(Memory::new(bytes.to_vec()));
    let before = HELD.get();
    PEAK.set(before);
    let options = Options { budget_bytes: BUDGET, ..Options::default() };
    let result = Table::of_source(source, Path::new("bytes"), &options).and_then(|table| {
        let _ = format!("{:?}", table.inspect());
        let rows = table.rows().min(3000);
        let (mut floats, mut ints) = (vec![0.0; rows as usize], vec![0; rows as usize]);
        let mut first = Ok(());
        for column in table.columns() {
            // From both ends: a table may claim any number of rows.
            for from in [0, table.rows() - rows] {
                let range = from..from + rows;
                let read = if column.dtype.starts_with('f') {
                    table.read_f64(&column.name, range, &mut floats)
                } else {
                    table.read_i64(&column.name, range, &mut ints)
                };
                first = first.and(read);
            }
        }
        first
    });
    (result, PEAK.get() - before)
}

/// Memory that reading `bytes` may take: metadata in a few forms, the budget, one chunk in the works, and a fixed rest.
fn allowed(bytes: &[u8]) -> usize {
    64 * bytes.len() + 3 * BUDGET as usize + (1 << 20)
}

fn check(bytes: &[u8], what: &str) -> Result<(), Error> {
    let (result, peak) = walk(bytes);
    assert!(peak <= allowed(bytes), "{what}: {peak} bytes of memory for a file of {}", bytes.len());
    if let Err(error) = &result {
        assert!(!error.to_string().is_empty(), "{what}");
    }
    result
}

/// A small file of ours, and small files of h5py when it is here.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("market.h5");
    let options = market::Options { rows: 300, chunk_rows: 64, ..market::Options::default() };
    market::generate(&path, &options, &mut |_| {}).unwrap();
    let mut samples = vec![("ours".to_owned(), std::fs::read(path).unwrap())];
    if need::met(diapason_tests::Need::Oracles, need::missing(diapason_tests::Need::Oracles)) {
        let script = need::repository().join("loader/tests/oracles/write_small.py");
        let listing = ask(&script, &[folder.path().to_str().unwrap()], b"");
        for name in String::from_utf8(listing).unwrap().lines() {
            samples.push((name.to_owned(), std::fs::read(folder.path().join(name)).unwrap()));
        }
    }
    samples
}

/// A small generator of places and bits; any will do.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

#[test]
fn cut_off_at_every_byte() {
    for (name, bytes) in samples() {
        check(&bytes, &name).unwrap();
        for len in 0..bytes.len() {
            let refused = check(&bytes[..len], &format!("{name} cut at {len}")).unwrap_err();
            let is_told = matches!(refused, Error::Truncated { .. } | Error::Foreign { .. });
            assert!(is_told, "{name} cut at {len}: {refused}");
            assert!(
                len < 8 || matches!(refused, Error::Truncated { .. }) || name.contains("userblock"),
                "{name} cut at {len}: {refused}"
            );
        }
    }
}

#[test]
fn bits_flipped() {
    for (name, bytes) in samples() {
        let mut state = 1;
        for round in 0..4000 {
            let mut bent = bytes.clone();
            for _ in 0..=round % 4 {
                let place = random(&mut state) % bent.len();
                bent[place] ^= 1 << (random(&mut state) % 8);
            }
            let _ = check(&bent, &format!("{name}, round {round}"));
        }
    }
}

#[test]
fn numbers_replaced_by_extremes() {
    // Every eight bytes of the metadata in turn: counts, sizes and addresses among them.
    const EXTREMES: [u64; 6] = [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, u32::MAX as u64];
    for (name, bytes) in samples() {
        for place in (0..bytes.len().min(6000)).step_by(4) {
            for extreme in EXTREMES {
                let mut bent = bytes.clone();
                let end = (place + 8).min(bent.len());
                bent[place..end].copy_from_slice(&extreme.to_le_bytes()[..end - place]);
                let _ = check(&bent, &format!("{name}, {extreme:#x} at {place}"));
            }
        }
    }
}

#[test]
fn pieces_swapped() {
    for (name, bytes) in samples() {
        let mut state = 9;
        for round in 0..1000 {
            let mut bent = bytes.clone();
            let len = 8 << (random(&mut state) % 6);
            let (from, to) = (random(&mut state) % bent.len(), random(&mut state) % bent.len());
            let len = len.min(bent.len() - from).min(bent.len() - to);
            bent.copy_within(from..from + len, to);
            let _ = check(&bent, &format!("{name}, round {round}"));
        }
    }
}

#[test]
fn a_flipped_bit_in_a_chunk_is_noticed() {
    let (_, bytes) = samples().swap_remove(0);
    // A zstd frame of ours begins with its magic number; bits in its middle are values.
    let starts = bytes.windows(4).enumerate().filter(|(_, window)| *window == [0x28, 0xB5, 0x2F, 0xFD]);
    let starts: Vec<usize> = starts.map(|(at, _)| at).collect();
    assert_eq!(starts.len(), 6 * 5, "six columns of five chunks");
    for at in starts {
        let mut bent = bytes.clone();
        bent[at + 30] ^= 4;
        let refused = check(&bent, "a chunk").unwrap_err();
        assert!(matches!(refused, Error::Chunk { .. }), "{refused}");
        let text = refused.to_string();
        assert!(
            text.contains("chunk") && text.contains(&format!("at byte {at}")) && text.contains("zstd"),
            "{text}"
        );
        assert!(text.ends_with("; the file is damaged, copy or import it again"), "{text}");
    }
}

#[test]
fn chunks_of_another_size_than_they_should_have() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/write_bombs.py");
    let listing = ask(&script, &[folder.path().to_str().unwrap()], b"");
    for line in String::from_utf8(listing).unwrap().lines() {
        let (name, words) = line.split_once('\t').unwrap();
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let refused = check(&bytes, name).unwrap_err().to_string();
        assert!(
            refused.contains(words) && refused.contains("column \"a\" of bytes, chunk 0 at byte"),
            "{name}: {refused}"
        );
    }
}

#[test]
fn what_is_no_table_says_so() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/write_foreign.py");
    let listing = ask(&script, &[folder.path().to_str().unwrap()], b"");
    for line in String::from_utf8(listing).unwrap().lines() {
        let (name, expected) = line.split_once('\t').unwrap();
        let found = Table::open(folder.path().join(name)).map(|_| ()).unwrap_err().to_string();
        assert!(found.contains(expected), "{name}\n  gives {found}\n  wants {expected}");
    }
}

#[test]
fn what_is_no_column_says_so() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/write_skipped.py");
    let listing = ask(&script, &[folder.path().to_str().unwrap()], b"");
    for line in String::from_utf8(listing).unwrap().lines() {
        let [file, column, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let path = folder.path().join(file);
        let table = Table::open(&path).unwrap();
        let found = table.read_i64(column, 0..1, &mut [0]).unwrap_err().to_string();
        let expected = expected.replace("FILE", &path.display().to_string());
        assert_eq!(found, expected);
    }
}
