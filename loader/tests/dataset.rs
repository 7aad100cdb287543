//! Several files as one row space, read and streamed, with windows that some are seen of more often than others.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use diapason_loader::dataset::{Dataset, Error};
use diapason_loader::sampler::{Order, Shape, Shard, Windows};
use diapason_loader::stream::{self, Loader, Options};
use diapason_loader::table::{self, Backend, Table};
use diapason_tests::{need, oracle::ask, require};

const NAMES: [&str; 4] = ["m[0]", "m[1]", "m[2]", "m[3]"];

fn open(path: &Path) -> Arc<Table> {
    Arc::new(
        Table::open_with(path, &table::Options { backend: Backend::Pread, ..Default::default() }).unwrap(),
    )
}

/// Three files of 1,000, 777 and 1,213 rows in three forms, and all their values.
fn files(folder: &Path) -> (Vec<Arc<Table>>, Vec<f32>) {
    let (mut tables, mut values) = (Vec::new(), Vec::new());
    for (rows, file) in [(1000, "columns.h5"), (777, "matrix.h5"), (1213, "raw.h5")] {
        let folder = folder.join(rows.to_string());
        std::fs::create_dir(&folder).unwrap();
        let script = need::repository().join("loader/tests/oracles/write_stream.py");
        let _ = ask(&script, &[folder.to_str().unwrap(), &(2 * rows).to_string()], b"");
        let bytes = std::fs::read(folder.join("values.f32")).unwrap();
        values.extend(bytes.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)));
        tables.push(open(&folder.join(file)));
    }
    (tables, values)
}

#[test]
fn files_are_one_table() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let (tables, values) = files(folder.path());
    let data = Dataset::new(tables.clone()).unwrap();
    assert_eq!((data.rows(), data.borders()), (5980, &[2000, 3554][..]));
    assert_eq!(data.with_borders(&[5, 2000, 5000]), [5, 2000, 3554, 5000]);
    assert_eq!(
        (data.place(1999), data.place(2000), data.place(5979), data.place(5980)),
        (Some((0, 1999)), Some((1, 0)), Some((2, 2425)), None)
    );
    for rows in [0..5980, 1990..2010, 1999..3555, 3554..3554, 5979..5980] {
        let mut found = vec![0.0; (rows.end - rows.start) as usize];
        for (lane, name) in NAMES.iter().enumerate() {
            data.read_f64(name, rows.clone(), &mut found).unwrap();
            for (row, value) in rows.clone().zip(&found) {
                assert_eq!(*value as f32, values[row as usize * 4 + lane], "{name} of row {row}");
            }
        }
    }
    assert!(matches!(
        data.read_f64("m[0]", 0..5981, &mut [0.0; 5981]),
        Err(table::Error::OutOfRange { rows: 5980, .. })
    ));
    assert!(matches!(data.read_f64("m[0]", 0..3, &mut [0.0; 2]), Err(table::Error::Room { .. })));
    let parts = data.parts(|rows| Ok::<_, ()>(rows / 2..rows + 9)).unwrap();
    assert_eq!(parts, [1000..2000, 2777..3554, 4767..5980]);
    // A file without the columns, and none at all.
    let other = folder.path().join("other.h5");
    let script = need::repository().join("loader/tests/oracles/write_growing.py");
    let _ = ask(&script, &[other.to_str().unwrap(), "alone", "300", "1"], b"\n\n\n\n");
    let refused = Dataset::new(vec![Arc::clone(&tables[0]), open(&other)]).unwrap_err().to_string();
    assert!(
        refused.contains("other.h5") && refused.contains("\"m[3]\"") && refused.contains("nothing"),
        "{refused}"
    );
    assert!(matches!(Dataset::new(Vec::new()), Err(Error::Empty)));
}

#[test]
fn windows_are_streamed_across_files_and_never_over_a_border() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let (tables, values) = files(folder.path());
    let data = Dataset::new(tables).unwrap();
    let shape = Shape { length: 30, stride: 1, horizon: 2 };
    let options = |order, shard, threads| Options {
        features: NAMES[..3].iter().map(|&name| name.to_owned()).collect(),
        targets: vec![NAMES[3].to_owned()],
        batch: 64,
        order,
        shard,
        threads,
        budget_bytes: 8 << 20,
        ..Options::default()
    };
    let careless = Windows::new(0..data.rows(), &[], shape).unwrap();
    let refused = Loader::new(data.clone(), careless, &options(Order::Sequential, Shard::WHOLE, 1));
    assert!(matches!(refused, Err(stream::Error::Crosses { border: 2000 })));
    let even = Windows::new(0..data.rows(), &data.with_borders(&[700]), shape).unwrap();
    // The second file counts three times as much as the first, the third half of the time.
    let weighted = even.clone().weighted(&[(0, 1.0), (2000, 3.0), (3554, 0.5)]).unwrap();
    for windows in [even, weighted] {
        for order in [Order::Sequential, Order::Shuffled { seed: 4 }] {
            let seed = if let Order::Shuffled { seed } = order { seed } else { 0 };
            let epoch = 3;
            let expected: BTreeMap<u64, u64> = (0..windows.count())
                .map(|index| windows.start(index).unwrap())
                .map(|start| (start, windows.times(start, (seed, epoch))))
                .filter(|(_, times)| *times > 0)
                .collect();
            let mut orders = Vec::new();
            for threads in [1, 3] {
                let mut seen = BTreeMap::<u64, u64>::new();
                let mut starts = Vec::new();
                for rank in 0..2 {
                    let options = options(order, Shard { rank, world: 2 }, threads);
                    let loader = Loader::new(data.clone(), windows.clone(), &options).unwrap();
                    assert!(loader.explain().bytes() <= 8 << 20);
                    for batch in loader.batches(epoch).unwrap() {
                        let batch = batch.unwrap();
                        for ((window, target), &start) in
                            batch.windows().outer_iter().zip(batch.targets().rows()).zip(batch.starts())
                        {
                            *seen.entry(start).or_default() += 1;
                            let first = start as usize;
                            for (row, found) in window.rows().into_iter().enumerate() {
                                assert_eq!(found.to_vec(), values[(first + row) * 4..(first + row) * 4 + 3]);
                            }
                            assert_eq!(target[0], values[(first + 31) * 4 + 3]);
                        }
                        starts.extend_from_slice(batch.starts());
                    }
                }
                assert!(seen == expected, "{order:?} with {threads} threads");
                orders.push(starts);
            }
            assert!(orders[0] == orders[1], "{order:?} depends on threads");
        }
    }
}
