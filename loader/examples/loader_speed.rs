//! How fast a file of one matrix is read whole, beside its own decompression and a copy.
//!
//! `cargo run --release -p diapason-loader --example loader_speed -- FILE [THREADS [MIB [WINDOWS]]]`; with a budget: its windows;
//! with a name that ends in `.idx` instead of the rest: how long opening takes
#![expect(clippy::print_stdout, reason = "a measurement shows its result")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use diapason_loader::codec::{Pipeline, Room};
use diapason_loader::format::hdf5::{File, Kind, Layout, Target};
use diapason_loader::sampler::{Order, Shape, Windows};
use diapason_loader::source::Source;
use diapason_loader::source::pread::Pread;
use diapason_loader::stream::{self, Loader};
use diapason_loader::table::{Damage, Options, Table};

/// The least seconds of some rounds.
fn least(rounds: usize, mut run: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// The chunks of the first data set as they are stored.
struct Stored {
    chunks: Vec<Vec<u8>>,
    pipeline: Pipeline,
    /// Bytes of a chunk in memory.
    bytes: usize,
}

fn stored(path: &str) -> Result<Stored, Box<dyn Error>> {
    let source: Arc<dyn Source> = Arc::new(Pread::open(path.as_ref())?);
    let file = File::open(Arc::clone(&source))?;
    let Kind::Group(links) = file.object(file.root())?.kind else { return Err("no group".into()) };
    for link in links {
        let Target::Object(address) = link.target else { continue };
        let Kind::Dataset(dataset) = file.object(address)?.kind else { continue };
        let Layout::Chunked { chunk, element_bytes, .. } = &dataset.layout else { continue };
        let bytes = (chunk.iter().product::<u64>() * element_bytes) as usize;
        let mut chunks = Vec::new();
        for chunk in file.chunks(&dataset)? {
            let mut bytes = vec![0; chunk.bytes as usize];
            source.read_at(chunk.place, &mut bytes)?;
            chunks.push(bytes);
        }
        return Ok(Stored { chunks, pipeline: Pipeline::new(&dataset.filters)?, bytes });
    }
    Err("no chunks".into())
}

/// Bytes per second of the filters alone, on one thread, into memory that stays in the cache.
fn codec_rate(path: &str, part: usize) -> Result<f64, Box<dyn Error>> {
    let Stored { mut chunks, pipeline, bytes } = stored(path)?;
    chunks.truncate((chunks.len() / part).max(1));
    let (mut room, mut raw) = (Room::default(), vec![0; bytes]);
    let seconds = least(5, || {
        for chunk in &chunks {
            pipeline.decode(0, chunk, &mut room, &mut raw)?;
        }
        Ok(())
    })?;
    Ok((chunks.len() * bytes) as f64 / seconds)
}

/// Seconds that processors worked for this process so far.
fn worked() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

/// Windows of 60 rows, shuffled, in batches of 1,024: the rate of each epoch, and the peak of this process's memory.
fn windows(path: &str, threads: usize, budget_bytes: u64, most: usize) -> Result<(), Box<dyn Error>> {
    let table = Arc::new(Table::open(path)?);
    let features: Vec<String> = table.columns().iter().map(|column| column.name.clone()).collect();
    let targets = vec![features[0].clone()];
    let windows = Windows::new(0..table.rows(), &[], Shape { length: 60, stride: 1, horizon: 1 })?;
    let options = stream::Options {
        features,
        targets,
        order: Order::Shuffled { seed: 1 },
        budget_bytes,
        threads,
        ..stream::Options::default()
    };
    let loader = Loader::new(Arc::clone(&table), windows, &options)?;
    println!("{}", loader.explain());
    for epoch in 0..3 {
        let (start, before) = (Instant::now(), worked()?);
        let (mut count, mut check, mut first) = (0usize, 0.0f64, None);
        for batch in loader.batches(epoch)? {
            let batch = batch?;
            first.get_or_insert_with(|| start.elapsed());
            check += f64::from(batch.windows()[[0, 59, 0]]);
            count += batch.starts().len();
            if count >= most {
                break;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{threads} threads, epoch {epoch}: {count} windows, {:.2} M/s, {:.0} ns of work each, first batch after {:.1} ms ({check})",
            count as f64 / seconds / 1e6,
            (worked()? - before) * 1e9 / count as f64,
            first.unwrap_or_default().as_secs_f64() * 1e3
        );
    }
    let start = Instant::now();
    let (mut count, mut check) = (0usize, 0.0f64);
    for windows in loader.references(0)? {
        for window in windows?.iter() {
            check += f64::from(window.rows[0]);
            count += 1;
        }
        if count >= most {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{threads} threads, in place: {:.2} M/s ({check})", count as f64 / seconds / 1e6);
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    Ok(())
}

/// Bytes per second of copying memory that is in no cache.
fn copy_rate() -> Result<f64, Box<dyn Error>> {
    let from = vec![1.0f32; 64 << 20];
    let mut to = vec![0.0f32; 64 << 20];
    let seconds = least(5, || {
        std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from));
        Ok(())
    })?;
    Ok((256 << 20) as f64 / seconds)
}

/// How long opening takes, with and without a side-car.
fn opening(path: &str, sidecar: &str) -> Result<(), Box<dyn Error>> {
    for sidecar in [None, Some(sidecar.into()), Some(sidecar.into()), Some(sidecar.into())] {
        let options = Options { sidecar, ..Options::default() };
        let start = Instant::now();
        let table = Table::open_with(path, &options)?;
        let seconds = start.elapsed().as_secs_f64();
        let chunks: u64 = table.columns().iter().map(|column| column.chunks).max().unwrap_or(0);
        println!("{:.1} ms for {chunks} chunks, index: {:?}", seconds * 1e3, table.index());
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1).collect::<Vec<_>>().into_iter();
    let file = words.next().ok_or("which file?")?;
    if let Some(sidecar) = words.clone().next().filter(|word| word.ends_with(".idx")) {
        return opening(&file, &sidecar);
    }
    let most: usize = words.next().map_or(Ok(2), |word| word.parse())?;
    if let Some(budget) = words.next() {
        let windows_max = words.next().map_or(Ok(usize::MAX), |word| word.parse())?;
        return windows(&file, most, budget.parse::<u64>()? << 20, windows_max);
    }
    println!("copy: {:.0} MB/s", copy_rate()? / 1e6);
    let codec = codec_rate(&file, 4)?;
    println!("filters alone: {:.0} MB/s of values on one thread", codec / 1e6);
    for threads in 1..=most {
        let table = Table::open_with(&file, &Options { threads, ..Options::default() })?;
        let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
        let selection = table.select(&names)?;
        let mut values = vec![0.0f32; table.rows() as usize * names.len()];
        let bytes = (values.len() * 4) as f64;
        let seconds = least(7, || {
            table.read_selected(&selection, 0..table.rows(), &mut values, Damage::Fail)?;
            Ok(())
        })?;
        let sum = values.iter().map(|value| f64::from(*value)).sum::<f64>();
        let (rate, share) = (bytes / seconds, bytes / seconds / codec / threads as f64);
        println!(
            "{threads} threads: {:.0} MB/s of values, {share:.2} of the filters (sum {sum})",
            rate / 1e6
        );
    }
    Ok(())
}
