//! Segments give the bits of a stream row by row: every feature, every shape of joint, and where nothing is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, ArrayViewMut2, s};

use super::*;
use crate::feature::catalogue::CATALOGUE;
use crate::feature::graph::Graph;
use crate::feature::op::Op;
use crate::feature::stream::Stream;
use crate::isa::Isa;

const ROWS: usize = 20_000;

fn uniform(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 11) as f64 / (1_u64 << 53) as f64
}

/// A column for input number `input` of an entry: prices around a walk, each a little apart, with gaps where asked.
fn column(name: &str, input: usize, rows: usize, gaps: bool) -> Vec<f64> {
    let (mut seed, mut own, mut price) = (11, 100 + input as u64, 1000.0);
    (0..rows)
        .map(|row| {
            price *= 1.0 + 0.002 * (uniform(&mut seed) - 0.5);
            let noise = uniform(&mut own);
            let value = match name {
                "timestamp" => return 1.64e18 + 60e9 * row as f64,
                "volume" => (1000.0 * noise).round(),
                _ if name.contains("size") => (100.0 * noise).round() + 1.0,
                "high" | "ask" => price * (1.001 + 0.0005 * noise),
                "low" | "bid" => price * (0.999 - 0.0005 * noise),
                _ => price * (1.0 + 0.0002 * (noise - 0.5)),
            };
            if gaps && (row * 31 + input * 7) % 997 < 3 { f64::NAN } else { value }
        })
        .collect()
}

/// One feature as a program, and the columns that it reads.
fn program(lower: impl Fn(&mut Graph, &[usize]) -> Vec<usize>, inputs: usize) -> Arc<Program> {
    let mut graph = Graph::default();
    let columns: Vec<usize> = (0..inputs).map(|place| graph.add(Op::Column(place), &[])).collect();
    let outputs = lower(&mut graph, &columns);
    Arc::new(Program::new(&graph, &outputs))
}

fn stream(program: &Arc<Program>, isa: Isa, threads: usize, rows_min: usize) -> Stream {
    let threads = NonZero::new(threads).unwrap();
    Stream::new(Arc::clone(program), [0; 32], Loops::new(Some(isa)).unwrap(), threads).with_segments(rows_min)
}

fn bits(out: &Array2<f64>) -> Vec<u64> {
    out.iter().map(|value| value.to_bits()).collect()
}

/// Takes the columns in pieces that end at `ends`, each as a layout of its own.
fn run(mut stream: Stream, columns: &[&[f64]], outputs: usize, ends: &[usize]) -> (Array2<f64>, Stream) {
    let rows = columns[0].len();
    let (mut out, mut from) = (Array2::from_elem((rows, outputs), -1.0), 0);
    for (piece, to) in ends.iter().copied().chain([rows]).enumerate() {
        let part: Vec<&[f64]> = columns.iter().map(|column| &column[from..to]).collect();
        if piece % 2 == 0 {
            let mut turned = Array2::from_elem((outputs, to - from), -2.0);
            stream.extend(&part, turned.view_mut().reversed_axes()).unwrap();
            out.slice_mut(s![from..to, ..]).assign(&turned.t());
        } else {
            stream.extend(&part, out.slice_mut(s![from..to, ..])).unwrap();
        }
        from = to;
    }
    (out, stream)
}

/// Instruction sets that run segments.
fn wide() -> Option<Isa> {
    Isa::available().into_iter().find(|isa| Loops::new(Some(*isa)).is_ok_and(Loops::has_registers))
}

#[test]
fn every_feature_has_the_bits_of_a_stream_in_segments() {
    let Some(isa) = wide() else { return };
    let mut cut = 0;
    for entry in CATALOGUE {
        let short: Vec<f64> = entry
            .parameters
            .iter()
            .enumerate()
            .map(|(place, parameter)| match parameter.whole {
                true => parameter.minimum.max(2.0) + place as f64,
                false => parameter.default,
            })
            .collect();
        let program = program(|graph, inputs| (entry.lower)(graph, inputs, &short), entry.inputs.len());
        let outputs = program.outputs.len();
        for gaps in [false, true] {
            let columns: Vec<Vec<f64>> = program
                .columns
                .iter()
                .map(|place| column(entry.inputs[*place].column, *place, ROWS, gaps))
                .collect();
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let (expected, mut before) = run(stream(&program, isa, 1, usize::MAX), &columns, outputs, &[]);
            cut += usize::from(
                Cut::new(&program, Loops::new(Some(isa)).unwrap(), (0, ROWS), NonZero::<usize>::MIN, 32)
                    .is_some(),
            );
            let (found, mut after) = run(stream(&program, isa, 1, 32), &columns, outputs, &[7]);
            assert!(bits(&expected) == bits(&found), "{} {gaps}", entry.name);
            let (found, _) = run(stream(&program, isa, 2, 32), &columns, outputs, &[9_000, 9_013]);
            assert!(bits(&expected) == bits(&found), "{} {gaps} on two threads", entry.name);
            // And the streams go on alike.
            let row: Vec<f64> = columns.iter().map(|column| column[500]).collect();
            let [mut a, mut b] = [vec![0.0; outputs], vec![0.0; outputs]];
            for _ in 0..40 {
                before.push(&row, &mut a);
                after.push(&row, &mut b);
                assert!(a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits()), "{}", entry.name);
            }
        }
    }
    assert!(cut > CATALOGUE.len() / 2, "only {cut} of {} series were cut", 2 * CATALOGUE.len());
}

/// Runs segments of `program` and counts how many are computed again.
fn repaired(program: &Program, columns: &[&[f64]], cut: Cut) -> (usize, usize, Array2<f64>) {
    let loops = Loops::new(wide()).unwrap();
    let threads = NonZero::new(1).unwrap();
    let rows = columns[0].len();
    let mut out = Array2::zeros((rows, program.outputs.len()));
    let mut state = program.initial_state::<f64>();
    let again = AtomicUsize::new(0);
    let mut lanes = program.lanes::<f64, 1>(program.registers);
    let mut one_by_one = |state: &mut [f64], (from, to): (usize, usize), mut out: ArrayViewMut2<'_, f64>| {
        again.fetch_add(1, Ordering::Relaxed);
        for row in from..to {
            for (lane, column) in lanes.iter_mut().zip(columns) {
                *lane = [crate::feature::op::known(column[row])];
            }
            program.advance(state, &mut lanes);
            for (output, register) in program.outputs.iter().enumerate() {
                out[(row - from, output)] = crate::feature::op::shown(lanes[*register][0]);
            }
        }
    };
    one_by_one(&mut state, (0, cut.first), out.slice_mut(s![..cut.first, ..]));
    let segments = Segments { program, loops, threads, columns, convert: &|_, value| value };
    let done = segments.run(cut, &mut state, out.view_mut(), &mut one_by_one);
    one_by_one(&mut state, (done, rows), out.slice_mut(s![done.., ..]));
    (again.load(Ordering::Relaxed) - 2, done, out)
}

#[test]
fn what_has_not_forgotten_is_computed_again() {
    let Some(isa) = wide() else { return };
    let closes = column("close", 0, ROWS, false);
    let exponential = |rows: usize| {
        let take = 2.0 / (rows as f64 + 1.0);
        program(|graph, x| vec![graph.add(Op::Smooth { rows, skip: 0, keep: 1.0 - take, take }, x)], 1)
    };
    let columns = [&closes[..]];
    // Far too short a warm-up for every segment: after the first lap the rest runs one by one.
    let slow = exponential(500);
    let cut = Cut { first: 512, warm_up: 512, rows: 400, laps: 2 };
    let (again, done, found) = repaired(&slow, &columns, cut);
    assert_eq!((again, done), (15, 512 + 16 * 400), "the first segment has the stream's own start");
    assert!(bits(&run(stream(&slow, isa, 1, usize::MAX), &columns, 1, &[]).0) == bits(&found));
    // Long enough for all but where the rows before a segment are gaps.
    let quick = exponential(5);
    let mut gaps = closes.clone();
    gaps[512 + 3 * 600 - 300..512 + 3 * 600].fill(f64::NAN);
    let columns = [&gaps[..]];
    let cut = Cut { first: 512, warm_up: 256, rows: 600, laps: 2 };
    let (again, done, found) = repaired(&quick, &columns, cut);
    assert_eq!((again, done), (1, 512 + 32 * 600));
    assert!(bits(&run(stream(&quick, isa, 1, usize::MAX), &columns, 1, &[]).0) == bits(&found));
}

#[test]
fn a_cut_fits_its_rows_and_keeps_windows_in_step() {
    let Some(isa) = wide() else { return };
    let loops = Loops::new(Some(isa)).unwrap();
    let one = NonZero::<usize>::MIN;
    let windows = program(|graph, x| [6, 20].map(|rows| graph.add(Op::Mean { rows }, x)).to_vec(), 1);
    for seen in [0, 1, 59, 60, 1_000_003_u64] {
        for rows in [16 * 300, 65_536, 100_003, 5_000_000] {
            for threads in [1, 2, 3] {
                let threads = NonZero::new(threads).unwrap();
                let Some(cut) = Cut::new(&windows, loops, (seen, rows), threads, 32) else { continue };
                assert!(cut.segment(cut.laps * WIDTH).0 <= rows && cut.first >= cut.warm_up);
                assert_eq!((seen + cut.first as u64 - cut.warm_up as u64) % 60, 0);
                assert!(cut.rows.is_multiple_of(60) && cut.rows >= 2 * cut.warm_up);
                assert_eq!(cut.laps % threads, 0);
            }
        }
    }
    assert!(Cut::new(&windows, loops, (0, 65_536), one, 32).is_some());
    // Too few rows, no common multiple, no end of memory, too long a memory.
    assert_eq!(Cut::new(&windows, loops, (0, 511), one, 32), None);
    let odd = program(|graph, x| [101, 103, 107].map(|rows| graph.add(Op::Sum { rows }, x)).to_vec(), 1);
    assert_eq!(Cut::new(&odd, loops, (0, 65_536), one, 32), None);
    let balance = program(|graph, x| vec![graph.add(Op::Balance, x)], 2);
    assert_eq!(Cut::new(&balance, loops, (0, 65_536), one, 32), None);
    let slow = program(|graph, x| vec![graph.add(Op::Rsi { rows: 5000 }, x)], 1);
    assert_eq!(Cut::new(&slow, loops, (0, 65_536), one, 32), None);
}
