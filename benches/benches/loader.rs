//! A column out of a compressed file, beside the two limits of the same machine: decompression alone, and a copy.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run must not give a number")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use diapason_loader::market::{self, Options};
use diapason_loader::sampler::{Order, Shape, Windows};
use diapason_loader::table::Table;

const ROWS: u64 = 1 << 21;

fn column(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bars.h5");
    market::generate(&file, &Options { rows: ROWS, ..Options::default() }, &mut |_| {})
        .expect("it is written");
    // A budget of four chunks, so that every pass decodes every chunk.
    let table = Table::with_budget(&file, 4 * 65_536 * 8).expect("it is ours");
    let mut values = vec![0.0f64; ROWS as usize];
    table.read_f64("close", 0..ROWS, &mut values).expect("it is whole");
    let mut tail = [0.0; 8];
    table.read_f64("close", ROWS - 8..ROWS, &mut tail).expect("it is whole");
    assert_eq!(tail, values[values.len() - 8..], "a part reads as the whole did");

    let frames: Vec<Vec<u8>> = values
        .chunks(65_536)
        .map(|chunk| {
            let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
            zstd_frame(&bytes)
        })
        .collect();
    let mut group = c.benchmark_group("loader/column-f64");
    group.throughput(Throughput::Bytes(ROWS * 8));
    let mut out = values.clone();
    group.bench_function("table-read", |b| b.iter(|| table.read_f64("close", 0..black_box(ROWS), &mut out)));
    let mut raw = vec![0u8; 65_536 * 8];
    group.bench_function("limit-zstd", |b| {
        b.iter(|| frames.iter().map(|frame| decoded(black_box(frame), &mut raw)).sum::<usize>());
    });
    group.bench_function("limit-copy", |b| b.iter(|| out.copy_from_slice(black_box(&values))));
    group.finish();
}

fn zstd_frame(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("it compresses")
}

fn decoded(frame: &[u8], raw: &mut [u8]) -> usize {
    zstd::bulk::decompress_to_buffer(frame, raw).expect("it is a frame")
}

fn windows(c: &mut Criterion) {
    let shape = Shape { length: 60, stride: 1, horizon: 5 };
    let windows = Windows::new(0..ROWS, &[], shape).expect("they fit");
    let mut group = c.benchmark_group("loader/epoch-order");
    group.throughput(Throughput::Elements(windows.count()));
    for (name, order) in [("sequential", Order::Sequential), ("shuffled", Order::Shuffled { seed: 1 })] {
        let walk = || -> u64 {
            let epoch = windows.epoch(order, 0, 65_536).expect("a block has rows");
            epoch.map(|block| block.starts.len() as u64).sum()
        };
        assert_eq!(walk(), windows.count(), "each window once");
        group.bench_function(name, |b| b.iter(walk));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = column, windows
}
criterion_main!(benches);
