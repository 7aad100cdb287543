//! Tables that h5py appends to in another process: every row that is told of is the one that was written.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use diapason_loader::follow::{Error, Follow};
use diapason_loader::table::Options;
use diapason_tests::{need, oracle, require};

struct Writer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Writer {
    fn start(path: &Path, filter: &str, rows: u64, seed: u64) -> Self {
        let mut child = Command::new(oracle::python())
            .arg(need::repository().join("loader/tests/oracles/write_growing.py"))
            .arg(path)
            .args([filter, &rows.to_string(), &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut writer = Self { child, input, output: BufReader::new(output) };
        assert_eq!(writer.line(), "open");
        writer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn go_on(&mut self) {
        let _ = self.input.write_all(b"\n");
    }
}

fn value(row: u64) -> f64 {
    (row * 2_654_435_761 % (1 << 32)) as f64 / 8.0
}

/// Whether `rows` of every column are what was written.
fn compare(follow: &mut Follow, rows: Range<u64>) {
    let count = (rows.end - rows.start) as usize;
    let mut times = vec![0i64; count];
    follow.read("timestamp", rows.clone(), &mut times).unwrap();
    for (row, time) in rows.clone().zip(&times) {
        assert_eq!(*time, row as i64 * 1000, "timestamp of row {row} of {rows:?}");
    }
    let mut values = vec![0f64; count];
    for (lane, name) in [(0, "price"), (0, "m[0]"), (1, "m[1]"), (2, "m[2]")] {
        follow.read(name, rows.clone(), &mut values).unwrap();
        for (row, found) in rows.clone().zip(&values) {
            assert_eq!(*found, value(row + lane), "{name} of row {row} of {rows:?}");
        }
    }
}

#[test]
fn every_prefix_is_what_was_written() {
    require!(Oracles);
    const ROWS: u64 = 30_000;
    let folder = tempfile::tempdir().unwrap();
    for (seed, filter) in ["none", "gzip", "zstd", "none", "zstd"].into_iter().enumerate() {
        let path = folder.path().join("growing.h5");
        let mut writer = Writer::start(&path, filter, ROWS, seed as u64);
        let mut follow = Follow::open(&path, &Options::default()).unwrap();
        assert!(follow.is_being_written());
        // The lines of the writer, which waits after each third for an answer.
        let (mut looks, mut grown) = (0u64, 0);
        let mut answered = 0;
        let mut dice = seed as u64 + 1;
        loop {
            let new = follow.poll().unwrap();
            looks += 1;
            grown += u64::from(!new.is_empty());
            let told = follow.rows();
            compare(&mut follow, new.clone());
            // Rows of before, mostly of the last chunks.
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let back = told.saturating_sub((dice >> 33) % 700);
            compare(&mut follow, back..told);
            if told >= ROWS / 3 * (answered + 1) && answered < 2 {
                // All that was flushed is told of.
                assert!(writer.line().parse::<u64>().unwrap() <= told);
                compare(&mut follow, 0..told);
                writer.go_on();
                answered += 1;
            }
            if !follow.is_being_written() {
                break;
            }
        }
        assert_eq!(follow.poll().unwrap(), ROWS..ROWS);
        assert_eq!(writer.line(), "closed");
        assert!(writer.child.wait().unwrap().success());
        compare(&mut follow, 0..ROWS);
        assert!(grown > 20, "{filter}: {grown} of {looks} looks saw new rows");
    }
}

#[test]
fn a_writer_that_writes_alone_is_refused_and_a_smaller_file_is_noticed() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("growing.h5");
    let mut writer = Writer::start(&path, "alone", 300, 1);
    assert_eq!(writer.line(), "100");
    match Follow::open(&path, &Options::default()) {
        // What of it is on disk yet is the writer's affair.
        Err(Error::NotShared { .. } | Error::Table(_)) => {}
        other => panic!("{other:?}"),
    }
    for _ in 0..3 {
        writer.go_on();
    }
    assert!(writer.child.wait().unwrap().success());
    let mut follow = Follow::open(&path, &Options::default()).unwrap();
    assert_eq!((follow.poll().unwrap(), follow.is_being_written()), (0..300, false));
    assert_eq!(follow.poll().unwrap(), 300..300);
    let mut writer = Writer::start(&path, "none", 30, 1);
    let refused = follow.poll();
    assert!(matches!(refused, Err(Error::Shrunk { before: 300, .. })), "{refused:?}");
    for _ in 0..3 {
        writer.go_on();
    }
    assert!(writer.child.wait().unwrap().success());
    let mut values = [0.0];
    let past = follow.read("price", 300..301, &mut values);
    assert!(matches!(past, Err(Error::Table(_))), "{past:?}");
}
