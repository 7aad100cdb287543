//! Streams never allocate; a batch on one thread allocates nothing after the first.
//!
//! The allocator counts by thread, so that the test harness's own threads do not disturb it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use diapason_kernels::Isa;
use diapason_kernels::feature::{CATALOGUE, Plan};
use diapason_kernels::lstm::{CompileOptions, Head, Lstm, Precision, Spec, StreamOptions};
use ndarray::{Array2, Array3};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    COUNT.with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 2);
}

#[test]
fn a_stream_never_allocates() {
    let spec = Spec { input: 12, hidden: 40, layers: 2, output: 3, head: Head::Softmax };
    let each = Isa::available().flat_map(|isa| Precision::ALL.map(|precision| (isa, precision)));
    for (isa, precision) in each {
        let options = CompileOptions { isa: Some(isa), threads: 1, precision, ..CompileOptions::default() };
        let executable = Lstm::new(spec, 0).unwrap().compile(&options).unwrap();
        let windows = [None, Some(1), Some(9)].into_iter();
        for (window, ahead) in windows.flat_map(|window| [(window, false), (window, true)]) {
            let mut stream = executable
                .stream(&StreamOptions { instances: 3, window, ahead, ..StreamOptions::default() })
                .unwrap();
            let count = allocations(|| {
                for tick in 0..60 {
                    let row = [tick as f32 * 0.01; 12];
                    stream.push(tick % 3, &row).unwrap();
                    stream.push(tick % 3, &[f32::NAN; 12]).unwrap_err();
                    stream.push(3, &row).unwrap_err();
                    stream.prepare((tick + tick / 20) % 3).unwrap();
                }
                stream.reset(1).unwrap();
            });
            assert_eq!(count, 0, "{isa}, {precision}, window {window:?}, ahead {ahead}");
        }
    }
}

#[test]
fn a_stream_of_features_never_allocates() {
    let columns: Vec<&str> =
        CATALOGUE.iter().flat_map(|entry| entry.inputs.iter().map(|input| input.column)).collect();
    let every: Vec<String> = CATALOGUE.iter().map(|entry| entry.call()).collect();
    let plan = Plan::parse(&every.join(", "), &columns).unwrap();
    let mut stream = plan.stream();
    let (mut row, mut out) = (vec![0.0; plan.inputs().len()], vec![0.0; plan.names().len()]);
    let count = allocations(|| {
        for tick in 0..200 {
            for (place, value) in row.iter_mut().enumerate() {
                *value = if tick % 37 == 5 { f64::NAN } else { 90.0 + f64::from(tick % 11) + place as f64 };
            }
            stream.push(&row, &mut out);
        }
    });
    assert_eq!(count, 0);
    assert_eq!(stream.rows(), 200);
}

#[test]
fn a_second_batch_allocates_nothing() {
    let spec = Spec { input: 12, hidden: 40, layers: 2, output: 3, head: Head::Sigmoid };
    for precision in Precision::ALL {
        let options = CompileOptions { threads: 1, precision, ..CompileOptions::default() };
        let mut executable = Lstm::new(spec, 0).unwrap().compile(&options).unwrap();
        let (x, mut out) = (Array3::from_elem((130, 20, 12), 0.1), Array2::zeros((130, 3)));
        executable.predict(x.view(), out.view_mut()).unwrap();
        let count = allocations(|| executable.predict(x.view(), out.view_mut()).unwrap());
        assert_eq!(count, 0, "{precision}");
    }
}
