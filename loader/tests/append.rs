//! Rows put behind those of a file: the outcome is that of one import of everything, or the file as it was.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use diapason_loader::table::{Attribute, Table};
use diapason_loader::{csv, import, repack};
use nix::fcntl::{Flock, FlockArg};

/// Bars of a minute from row `first` on.
fn bars(first: u64, rows: u64) -> String {
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    for row in first..first + rows {
        let price = 100 + row % 97;
        let _ = writeln!(
            text,
            "{},{price}.25,{price}.75,{price},{price}.5,{}",
            1_600_000_000 + row * 60,
            row % 13
        );
    }
    text
}

fn imported(folder: &Path, text: &str, output: &str, append: bool) -> Result<csv::Report, csv::Error> {
    let input = folder.join("in.csv");
    std::fs::write(&input, text).unwrap();
    let options = csv::Options { append, chunk_rows: 1000, ..csv::Options::default() };
    csv::import(&input, &folder.join(output), &options, &mut |_| {})
}

#[test]
fn in_pieces_as_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = imported(folder, &bars(0, 5500), "whole.h5", false).unwrap();
    imported(folder, &bars(0, 2600), "pieces.h5", false).unwrap();
    imported(folder, &bars(2600, 1), "pieces.h5", true).unwrap();
    let last = imported(folder, &bars(2601, 2899), "pieces.h5", true).unwrap();
    assert_eq!((last.rows, last.rows_before), (5500, 2601));
    assert_eq!((last.first_ns, last.last_ns), (whole.first_ns, whole.last_ns));
    assert_eq!(last.content_hash, whole.content_hash);
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(bytes("pieces.h5") == bytes("whole.h5"), "the bytes too");
    // From one file of ours to another.
    imported(folder, &bars(5500, 100), "further.h5", false).unwrap();
    let further = Table::open(folder.join("further.h5")).unwrap();
    let options = repack::Options { append: true, chunk_rows: 1000, ..repack::Options::default() };
    let report = repack::repack(&[&further], &folder.join("pieces.h5"), &options, &mut |_| {}).unwrap();
    assert_eq!(report.rows, 5600);
    assert_eq!(
        report.content_hash,
        imported(folder, &bars(0, 5600), "whole.h5", false).unwrap().content_hash
    );
}

#[test]
fn a_refused_append_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    imported(folder, &bars(10, 50), "out.h5", false).unwrap();
    let before = std::fs::read(folder.join("out.h5")).unwrap();
    let refused = |text: &str, says: &str| {
        let refused = imported(folder, text, "out.h5", true).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
        assert!(std::fs::read(folder.join("out.h5")).unwrap() == before);
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2, "{says}");
        refused
    };
    refused(&bars(59, 5), "is the time of the row above too");
    refused(&bars(0, 5), "2020-09-13T13:25:40Z, the last time of ");
    refused(&bars(60, 0), "has a header and no rows");
    refused(
        "timestamp,bid,ask\n1700000000,1,2\n",
        "it has the columns timestamp (i64), open (f64), high (f64), low (f64)",
    );
    refused(&format!("{}1700000000,x,1,1,1,1\n", bars(60, 2000)), "is not a number");
    let held =
        Flock::lock(std::fs::File::open(folder.join("out.h5")).unwrap(), FlockArg::LockExclusiveNonblock)
            .unwrap();
    assert!(refused(&bars(60, 5), "somebody else does so now").is_environment());
    drop(held);
    imported(folder, &bars(60, 5), "out.h5", true).unwrap();
    let missing = imported(folder, &bars(60, 5), "nowhere.h5", true).unwrap_err().to_string();
    assert!(missing.contains("nowhere.h5: No such file"), "{missing}");
}

/// An array of NumPy with a time and a text.
fn records(rows: &[(i64, &str)]) -> Vec<u8> {
    let header = format!(
        "{{'descr': [('time', '<M8[s]'), ('s', 'S3')], 'fortran_order': False, 'shape': ({},), }}\n",
        rows.len()
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    for (time, text) in rows {
        bytes.extend(time.to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend(vec![0; 3 - text.len()]);
    }
    bytes
}

#[test]
fn symbols_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.npy"), folder.path().join("out.h5"));
    let take = |rows: &[(i64, &str)], append| {
        std::fs::write(&input, records(rows)).unwrap();
        import::import(
            &input,
            &output,
            &import::Options { append, ..import::Options::default() },
            &mut |_| {},
        )
    };
    take(&[(1, "B"), (2, "A"), (2, "B")], false).unwrap();
    let report = take(&[(2, "A"), (5, "C"), (6, "B")], true).unwrap();
    assert_eq!((report.rows, report.rows_before, report.last_ns), (6, 3, Some(6_000_000_000)));
    let table = Table::open(&output).unwrap();
    let mut numbers = [0; 6];
    table.read_i64("s", 0..6, &mut numbers).unwrap();
    assert_eq!(numbers, [0, 1, 0, 1, 2, 0]);
    let texts = ["B", "A", "C"].map(|text| Attribute::Text(text.to_owned())).to_vec();
    assert_eq!(table.columns()[1].attributes.get("symbols"), Some(&Attribute::List(texts)));
    let refused = take(&[(5, "A")], true).unwrap_err().to_string();
    assert!(refused.contains("the time 1970-01-01T00:00:05Z of row 0"), "{refused}");
}

const FOLDER: &str = "DIAPASON_TEST_APPEND";
const ROWS: u64 = 30_000;

/// What the child does until it is killed: an import, and then an append behind another file.
fn work(folder: &Path) {
    let options = csv::Options { chunk_rows: 500, ..csv::Options::default() };
    let further = csv::Options { append: true, ..options.clone() };
    csv::import(&folder.join("a.csv"), &folder.join("new.h5"), &options, &mut |_| {}).unwrap();
    csv::import(&folder.join("b.csv"), &folder.join("old.h5"), &further, &mut |_| {}).unwrap();
}

#[test]
fn killed_at_any_time_a_file_is_whole_or_as_it_was() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(Path::new(&folder));
    }
    let rounds: u64 = std::env::var("KILLS").map_or(25, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = |name: &str| folder.join(name);
    std::fs::write(path("a.csv"), bars(0, ROWS)).unwrap();
    std::fs::write(path("b.csv"), bars(ROWS, ROWS)).unwrap();
    let options = csv::Options { chunk_rows: 500, ..csv::Options::default() };
    let old = csv::import(&path("a.csv"), &path("kept.h5"), &options, &mut |_| {}).unwrap();
    std::fs::write(path("both.csv"), bars(0, 2 * ROWS)).unwrap();
    let both = csv::import(&path("both.csv"), &path("both.h5"), &options, &mut |_| {}).unwrap();
    let hash = |path: &Path| match Table::open(path).unwrap().attributes().get("content_hash") {
        Some(Attribute::Text(hash)) => hash.clone(),
        other => panic!("{other:?}"),
    };
    let run = || {
        std::fs::copy(path("kept.h5"), path("old.h5")).unwrap();
        let _ = std::fs::remove_file(path("new.h5"));
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "killed_at_any_time_a_file_is_whole_or_as_it_was"]).env(FOLDER, folder);
        child.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let begun = Instant::now();
    assert!(run().wait().unwrap().success());
    let (whole, mut state, mut seen) = (begun.elapsed(), 3u64, [0; 4]);
    for _ in 0..rounds {
        let mut child = run();
        // Knuth's multiplier; the high bits choose the moment.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(
            whole.mul_f64(1.2 * (state >> 40) as f64 / (1 << 24) as f64).max(Duration::from_millis(1)),
        );
        child.kill().unwrap();
        let was_killed = child.wait().unwrap().signal() == Some(9);
        let is_new = path("new.h5").exists();
        if is_new {
            assert_eq!(hash(&path("new.h5")), old.content_hash);
        }
        let is_both = hash(&path("old.h5")) == both.content_hash;
        assert!(is_both || hash(&path("old.h5")) == old.content_hash);
        assert!(is_new || !is_both, "in this order");
        let verified = diapason_loader::verify::verify(&Table::open(path("old.h5")).unwrap(), &mut |_| {});
        assert!(verified.is_good);
        seen[usize::from(is_new) + usize::from(is_both)] += 1;
        seen[3] += usize::from(was_killed);
        // What may be left behind has a name that says so; where files without a name can be made it is nothing.
        let left = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            (name.starts_with('.')).then_some(name)
        };
        let left: Vec<String> = std::fs::read_dir(folder).unwrap().filter_map(left).collect();
        assert!(left.iter().all(|name| name.ends_with(".partial")), "{left:?}");
        left.iter().for_each(|name| std::fs::remove_file(path(name)).unwrap());
    }
    println!(
        "{rounds} rounds, {} killed: {} before the import, {} before the append, {} after",
        seen[3], seen[0], seen[1], seen[2]
    );
}

#[test]
fn a_file_that_grows_while_it_is_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.h5"));
    std::fs::write(&input, bars(0, 20_000)).unwrap();
    let mut grown = false;
    let refused = csv::import(&input, &output, &csv::Options::default(), &mut |_| {
        if !std::mem::replace(&mut grown, true) {
            let mut file = std::fs::OpenOptions::new().append(true).open(&input).unwrap();
            std::io::Write::write_all(&mut file, bars(20_000, 1).lines().nth(1).unwrap().as_bytes()).unwrap();
        }
    });
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("was changed while it was read"), "{refused}");
    assert!(!output.exists());
}
