//! Streams of windows over files that h5py wrote: each window once, with its own values, in one order, whatever the
//! threads, the back end and the budget; memory inside the budget; damage as it was asked for.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use diapason_loader::sampler::{Cursor, Order, Shape, Shard, Windows};
use diapason_loader::source::uring;
use diapason_loader::stream::{Batch, Error, Loader, OnDamage, Options};
use diapason_loader::table::{self, Backend, Table};
use diapason_tests::{need, oracle::ask, require};

const ROWS: u64 = 3217;
const WIDTH: usize = 4;
const SHAPE: Shape = Shape { length: 12, stride: 1, horizon: 3 };
const GAPS: [u64; 3] = [500, 505, 2000];

struct Files {
    folder: tempfile::TempDir,
    values: Vec<f32>,
    /// Where the chunk of rows 1200 to 1299 is.
    chunk: (u64, u64),
}

fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/write_stream.py");
    let said = ask(&script, &[folder.path().to_str().unwrap(), &ROWS.to_string()], b"");
    let said = String::from_utf8(said).unwrap();
    let chunk: Vec<u64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let bytes = std::fs::read(folder.path().join("values.f32")).unwrap();
    let values = bytes.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect();
    Files { folder, values, chunk: (chunk[0], chunk[1]) }
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn windows() -> Windows {
    Windows::new(0..ROWS, &GAPS, SHAPE).unwrap()
}

fn names(columns: &[usize]) -> Vec<String> {
    columns.iter().map(|column| format!("m[{column}]")).collect()
}

fn options(features: &[usize], targets: &[usize]) -> Options {
    let order = Order::Shuffled { seed: 4 };
    Options {
        features: names(features),
        targets: names(targets),
        batch: 64,
        order,
        threads: 2,
        ..Options::default()
    }
}

fn open(path: &Path, backend: Backend) -> Arc<Table> {
    Arc::new(Table::open_with(path, &table::Options { backend, ..table::Options::default() }).unwrap())
}

/// Holds each window of a batch against the values; the rows they start in.
fn check(files: &Files, batch: &Batch, features: &[usize], targets: &[usize]) -> Vec<u64> {
    let (windows, found_targets) = (batch.windows(), batch.targets());
    assert_eq!(windows.dim(), (batch.starts().len(), SHAPE.length as usize, features.len()));
    for (at, &start) in batch.starts().iter().enumerate() {
        let value = |row: u64, column: usize| files.values[row as usize * WIDTH + column];
        for row in 0..SHAPE.length {
            for (place, &column) in features.iter().enumerate() {
                assert_eq!(
                    windows[[at, row as usize, place]],
                    value(start + row, column),
                    "window at {start}"
                );
            }
        }
        for (place, &column) in targets.iter().enumerate() {
            let row = start + SHAPE.length - 1 + SHAPE.horizon;
            assert_eq!(found_targets[[at, place]], value(row, column), "target of the window at {start}");
        }
    }
    batch.starts().to_vec()
}

#[test]
fn every_window_once_in_one_order() {
    require!(Oracles);
    let files = files();
    let backends: &[Backend] =
        if uring::probe().is_ok() { &[Backend::Pread, Backend::Uring] } else { &[Backend::Pread] };
    let all: Vec<u64> = (0..windows().count()).map(|index| windows().start(index).unwrap()).collect();
    let forms: [(&[usize], &[usize]); 3] = [(&[0, 1, 2, 3], &[3]), (&[2, 0], &[1, 2]), (&[1], &[])];
    for (file, (features, targets)) in ["matrix.h5", "columns.h5", "raw.h5"].iter().zip(forms) {
        let mut orders = Vec::new();
        for &backend in backends {
            for threads in [1, 3] {
                let options = Options { threads, ..options(features, targets) };
                let loader = Loader::new(open(&files.path(file), backend), windows(), &options).unwrap();
                for epoch in [0, 1, 0] {
                    let batches = loader.batches(epoch).unwrap();
                    let starts: Vec<u64> =
                        batches.flat_map(|batch| check(&files, &batch.unwrap(), features, targets)).collect();
                    let mut sorted = starts.clone();
                    sorted.sort_unstable();
                    assert_eq!(sorted, all, "{file}, epoch {epoch}");
                    orders.push((epoch, starts));
                }
                let mut found = Vec::new();
                for windows in loader.references(1).unwrap() {
                    let windows = windows.unwrap();
                    for window in windows.iter() {
                        assert_eq!(window.rows.len(), SHAPE.span() as usize * windows.width());
                        let value = files.values[(window.start as usize + 2) * WIDTH + features[0]];
                        assert_eq!(window.rows[2 * windows.width()], value);
                        found.push(window.start);
                    }
                }
                orders.push((1, found));
            }
        }
        for (epoch, order) in &orders {
            assert_eq!(order, &orders[*epoch as usize].1, "{file}, epoch {epoch}");
        }
        assert_ne!(orders[0].1, orders[1].1);
    }
}

#[test]
fn every_budget_from_the_least_on() {
    require!(Oracles);
    let files = files();
    let table = open(&files.path("matrix.h5"), Backend::Pread);
    let with = |budget_bytes| {
        let options = Options { budget_bytes, ..options(&[0, 1, 2, 3], &[0]) };
        Loader::new(Arc::clone(&table), windows(), &options)
    };
    let Err(Error::Budget { budget_bytes: 1000, needed_bytes }) = with(1000) else {
        panic!("1000 bytes are not enough")
    };
    assert!(with(needed_bytes - 1).is_err());
    // The budget alone decides about the order, also where it has no room for all threads.
    let order = |threads, budget_bytes| {
        let options = Options { budget_bytes, threads, ..options(&[0, 1, 2, 3], &[0]) };
        let loader = Loader::new(Arc::clone(&table), windows(), &options).unwrap();
        loader.batches(0).unwrap().flat_map(|batch| batch.unwrap().starts().to_vec()).collect::<Vec<_>>()
    };
    for budget_bytes in [needed_bytes, needed_bytes + 300_000, 3 * needed_bytes] {
        assert_eq!(order(1, budget_bytes), order(7, budget_bytes), "{budget_bytes}");
    }
    for budget_bytes in [needed_bytes, needed_bytes + 20_000, 2 * needed_bytes, 64 << 20] {
        let loader = with(budget_bytes).unwrap();
        assert!(loader.explain().bytes() <= budget_bytes, "{}", loader.explain());
        for epoch in 0..2 {
            let batches = loader.batches(epoch).unwrap();
            let count: usize =
                batches.map(|batch| check(&files, &batch.unwrap(), &[0, 1, 2, 3], &[0]).len()).sum();
            assert_eq!(count as u64, windows().count());
        }
    }
}

#[test]
fn goes_on_from_any_batch_and_any_rank() {
    require!(Oracles);
    let files = files();
    let table = open(&files.path("matrix.h5"), Backend::Pread);
    let mut all = Vec::new();
    for rank in 0..3 {
        let options = Options { shard: Shard { rank, world: 3 }, ..options(&[0], &[]) };
        let loader = || Loader::new(Arc::clone(&table), windows(), &options).unwrap();
        let whole: Vec<(Cursor, Vec<u64>)> = loader()
            .batches(7)
            .unwrap()
            .map(|batch| batch.map(|batch| (batch.cursor(), batch.starts().to_vec())).unwrap())
            .collect();
        for (at, (cursor, _)) in whole.iter().enumerate().step_by(5) {
            let cursor = Cursor::from_bytes(&cursor.to_bytes());
            let rest = loader().resume(cursor).unwrap().map(|batch| batch.unwrap().starts().to_vec());
            // A batch may end elsewhere, the order is the same.
            let expected: Vec<u64> = whole[at + 1..].iter().flat_map(|(_, starts)| starts.clone()).collect();
            assert_eq!(rest.flatten().collect::<Vec<_>>(), expected, "rank {rank}, after batch {at}");
        }
        all.extend(whole.into_iter().flat_map(|(_, starts)| starts));
    }
    all.sort_unstable();
    let expected: Vec<u64> = (0..windows().count()).map(|index| windows().start(index).unwrap()).collect();
    assert_eq!(all, expected);
}

#[test]
fn damage_fails_is_skipped_or_is_filled() {
    require!(Oracles);
    let files = files();
    let path = files.path("matrix.h5");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(files.chunk.0 + files.chunk.1 / 2) as usize] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    let table = open(&path, Backend::Pread);
    let loader = |on_damage, threads| {
        let options = Options { on_damage, threads, ..options(&[0, 1, 2, 3], &[0]) };
        Loader::new(Arc::clone(&table), windows(), &options).unwrap()
    };
    let is_hit = |start: u64| start < 1300 && 1200 < start + SHAPE.span();
    let all: Vec<u64> = (0..windows().count()).map(|index| windows().start(index).unwrap()).collect();

    let mut before = Vec::new();
    for threads in [1, 4] {
        let mut batches = loader(OnDamage::Fail, threads).batches(0).unwrap();
        let mut starts = Vec::new();
        let error = loop {
            match batches.next().unwrap() {
                Ok(batch) => starts.extend(check(&files, &batch, &[0, 1, 2, 3], &[0])),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("chunk 12 at byte") && error.contains("m[0]"), "{error}");
        assert!(batches.next().is_none());
        before.push((starts, error));
    }
    assert_eq!(before[0], before[1]);

    let skipping = loader(OnDamage::Skip, 2);
    let mut starts: Vec<u64> = skipping
        .batches(0)
        .unwrap()
        .flat_map(|batch| check(&files, &batch.unwrap(), &[0, 1, 2, 3], &[0]))
        .collect();
    starts.sort_unstable();
    assert_eq!(starts, all.iter().copied().filter(|start| !is_hit(*start)).collect::<Vec<_>>());
    let damaged = skipping.damaged();
    assert_eq!((damaged.len(), damaged[0].rows.clone(), damaged[0].place), (1, 1200..1300, files.chunk.0));

    let filling = loader(OnDamage::Fill, 2);
    let mut count = 0;
    for batch in filling.batches(0).unwrap() {
        let batch = batch.unwrap();
        for (at, &start) in batch.starts().iter().enumerate() {
            for row in 0..SHAPE.length {
                let value = batch.windows()[[at, row as usize, 1]];
                assert_eq!(value.is_nan(), (1200..1300).contains(&(start + row)), "row {row} from {start}");
            }
            count += 1;
        }
    }
    assert_eq!(count, all.len());
}

#[test]
fn what_the_caller_gets_wrong() {
    require!(Oracles);
    let files = files();
    let table = open(&files.path("matrix.h5"), Backend::Pread);
    let new = |windows, options: &Options| {
        Loader::new(Arc::clone(&table), windows, options).map(|_| ()).unwrap_err()
    };
    let none = Options { batch: 0, ..options(&[0], &[]) };
    assert_eq!(new(windows(), &none).to_string(), "batch is 0; it must be at least 1");
    let long = Windows::new(0..ROWS + 9, &[], SHAPE).unwrap();
    assert!(matches!(new(long, &options(&[0], &[])), Error::OutOfRange { needed: 3226, rows: 3217 }));
    assert!(new(windows(), &options(&[9], &[])).to_string().contains("no column \"m[9]\""));
    let loader = Loader::new(table, windows(), &options(&[0], &[])).unwrap();
    let mut batches = loader.batches(0).unwrap();
    let held: Vec<Batch> = batches.by_ref().take(4).map(Result::unwrap).collect();
    assert!(matches!(batches.next(), Some(Err(Error::Held { held: 4 }))));
    drop(held);
    assert!(batches.next().unwrap().is_ok());
    // A batch outlives its epoch and its loader.
    let batch = batches.next().unwrap().unwrap();
    drop((batches, loader));
    check(&files, &batch, &[0], &[]);
}
