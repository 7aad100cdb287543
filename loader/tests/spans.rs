//! What a stream tells while it runs: numbers, and spans for who listens; and that neither is made for each window.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use diapason_loader::sampler::{Shape, Windows};
use diapason_loader::stream::{Loader, Metrics, Options};
use diapason_loader::table::Table;
use diapason_tests::{need, oracle::ask, require};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Allocations of every thread.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is passed on to the system's allocator, which keeps the promises of the trait.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts spans by name.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("diapason_loader")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        *self.0.lock().unwrap().entry(span.metadata().name()).or_default() += 1;
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn every_stage_is_told_of_and_none_for_each_window() {
    require!(Oracles);
    const ROWS: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/write_stream.py");
    let _ = ask(&script, &[folder.path().to_str().unwrap(), &ROWS.to_string()], b"");
    let path = folder.path().join("matrix.h5");
    let open = || Arc::new(Table::open(&path).unwrap());
    let shape = Shape { length: 12, stride: 1, horizon: 0 };
    let windows = Windows::new(0..ROWS, &[], shape).unwrap();
    let features = (0..4).map(|at| format!("m[{at}]")).collect();
    let options = Options { features, batch: 100, threads: 2, ..Options::default() };
    let loader = Loader::new(open(), windows.clone(), &options).unwrap();
    assert_eq!(loader.metrics(), Metrics::default());
    let stored = std::fs::metadata(&path).unwrap().len();

    // Nobody listens. The first epoch takes memory, the second uses it again.
    let epoch = |number| {
        let batches = loader.batches(number).unwrap();
        batches.map(|batch| batch.unwrap().starts().len() as u64).sum::<u64>()
    };
    assert_eq!(epoch(0), windows.count());
    let first = loader.metrics();
    assert_eq!((first.windows, first.bytes_gathered), (windows.count(), windows.count() * 12 * 16));
    assert!(first.batches >= windows.count() / 100 && first.blocks > 1, "{first:?}");
    assert!(first.chunks >= ROWS / 100 && first.bytes_decoded >= ROWS * 16, "{first:?}");
    assert!((stored / 2..stored * 3).contains(&first.bytes_read), "{first:?}, {stored} stored");
    assert!(first.decoding.as_nanos() > 0 && first.gathering.as_nanos() > 0, "{first:?}");
    assert!((0.0..=1.0).contains(&first.codec_share()));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    assert_eq!(epoch(1), windows.count());
    let taken = ALLOCATIONS.load(Ordering::Relaxed) - before;
    // A few for each batch, block and chunk; windows are a hundred times as many as batches.
    assert!(taken < windows.count() / 2, "{taken} allocations for {} windows", windows.count());
    assert_eq!(loader.metrics().windows, 2 * windows.count());
    assert!(loader.references(0).unwrap().all(|windows| windows.is_ok()));
    assert_eq!(loader.metrics().windows, 2 * windows.count());

    let listener = Listener::default();
    tracing::subscriber::set_global_default(listener.clone()).unwrap();
    let told = || std::mem::take(&mut *listener.0.lock().unwrap());
    let before = loader.metrics();
    epoch(2);
    let (after, spans) = (loader.metrics(), told());
    assert_eq!(spans["decode"], after.blocks - before.blocks);
    assert!(spans["gather"] >= windows.count() / 100 && spans["gather"] <= after.batches - before.batches);
    assert!(spans["plan"] > 0 && spans.len() == 3, "{spans:?}");
    let mut values = vec![0.0; ROWS as usize];
    open().read_f64("m[0]", 0..ROWS, &mut values).unwrap();
    let spans = told();
    assert_eq!((spans.get("open"), spans.get("read")), (Some(&1), Some(&1)));
}
