//! What may stand at an output, and what is left of one that was not finished.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use diapason_loader::format::libhdf5::{COLUMNS_MAX, Column, Kind, NAME_BYTES_MAX, Writer};
use diapason_loader::table::Table;
use diapason_loader::{csv, market};
use nix::sys::signal::{Signal, raise};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

const BARS: &str = "timestamp,open,high,low,close,volume\n2022-01-01 00:00,1,2,1,2,5\n";

/// What writing to `output` says, by import and by generation, when neither works.
fn refused(input: &Path, output: &Path) -> String {
    let imported = csv::import(input, output, &csv::Options::default(), &mut |_| {}).unwrap_err();
    let options = market::Options { rows: 100, ..market::Options::default() };
    let generated = market::generate(output, &options, &mut |_| {}).unwrap_err();
    assert!(!imported.is_environment() && !generated.is_environment());
    assert_eq!(imported.to_string(), generated.to_string());
    generated.to_string()
}

#[test]
fn only_a_regular_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("in.csv"), BARS).unwrap();
    mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    symlink(path("pipe"), path("link")).unwrap();
    symlink("nowhere", path("dead")).unwrap();
    let says = |name: &str, what: &str| {
        let found = refused(&path("in.csv"), &path(name));
        assert_eq!(found, format!("cannot write {}: it is {what}", path(name).display()));
    };
    says("pipe", "a pipe, not a file; name another output");
    says("socket", "a socket, not a file; name another output");
    says("link", "a pipe, not a file; name another output");
    says("", "a folder, not a file; name another output");
    says("new/", "the name of a folder, not a file; name another output");
    assert!(refused(&path("in.csv"), Path::new("")).contains("it is an empty name"));
    says("dead", "a link to nowhere, which is not there; remove the link or name another output");
    // A node of a device needs rights that not every machine gives.
    if mknod(&path("null"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)).is_ok() {
        says("null", "a character device, not a file; name another output");
        assert!(path("null").metadata().unwrap().file_type().is_char_device());
    }
    assert!(path("pipe").metadata().unwrap().file_type().is_fifo());
}

#[test]
fn what_a_link_leads_to_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("far")).unwrap();
    std::fs::write(path("in.csv"), BARS).unwrap();
    std::fs::write(path("far/out.h5"), "older").unwrap();
    symlink("far/out.h5", path("out.h5")).unwrap();
    csv::import(&path("in.csv"), &path("out.h5"), &csv::Options::default(), &mut |_| {}).unwrap();
    assert!(path("out.h5").symlink_metadata().unwrap().is_symlink());
    assert_eq!(Table::open(path("far/out.h5")).unwrap().rows(), 1);
    assert_eq!(std::fs::read_dir(path("far")).unwrap().count(), 1);
}

const FOLDER: &str = "DIAPASON_TEST_KILLED";

/// What the child does: it ends itself when a part of the rows is written.
fn end_in_the_middle(folder: &Path) {
    let signal =
        if std::env::var_os("SIGNAL").unwrap() == "kill" { Signal::SIGKILL } else { Signal::SIGTERM };
    let options = market::Options { rows: 400_000, chunk_rows: 4096, ..market::Options::default() };
    let _ = market::generate(&folder.join("out.h5"), &options, &mut |progress| {
        assert!(progress.rows < progress.rows_total);
        raise(signal).unwrap();
    });
}

#[test]
fn a_program_that_is_killed_leaves_nothing() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return end_in_the_middle(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).custom_flags(nix::libc::O_TMPFILE);
    // Where the file system knows named files only, a hidden one may be left.
    if options.open(folder.path()).is_err() {
        return;
    }
    std::fs::write(folder.path().join("out.h5"), "older").unwrap();
    for signal in ["kill", "term"] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "a_program_that_is_killed_leaves_nothing"]);
        let child = child.env(FOLDER, folder.path()).env("SIGNAL", signal).output().unwrap();
        assert!(child.status.signal().is_some(), "{}", String::from_utf8_lossy(&child.stdout));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "{signal}");
        assert_eq!(std::fs::read(folder.path().join("out.h5")).unwrap(), b"older");
    }
}

#[test]
fn outputs_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let options = market::Options { rows: 20_000, chunk_rows: 512, ..market::Options::default() };
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (output, options) = (folder.path().join(format!("{}.h5", number / 2)), &options);
            scope.spawn(move || market::generate(&output, options, &mut |_| {}).unwrap());
        }
    });
    let read = |number: u32| std::fs::read(folder.path().join(format!("{number}.h5"))).unwrap();
    assert!((1..4).all(|number| read(number) == read(0)));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
    assert_eq!(folder.path().join("0.h5").metadata().unwrap().mode() & 0o111, 0);
}

#[test]
fn columns_at_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.h5"));
    let import = |columns: usize| {
        let names: String = (1..columns).map(|column| format!(",c{column}")).collect();
        std::fs::write(&input, format!("time{names}\n1640995200{}\n", ",1".repeat(columns - 1))).unwrap();
        csv::import(&input, &output, &csv::Options::default(), &mut |_| {})
    };
    let refused = import(COLUMNS_MAX + 1).unwrap_err();
    assert!(!refused.is_environment());
    let says = "1025 columns are too many, at most 1024 go into one file; leave some out or split them";
    assert_eq!(refused.to_string(), format!("cannot write {}: {says}", output.display()));
    assert!(!output.exists());
    import(COLUMNS_MAX).unwrap();
    let table = Table::open(&output).unwrap();
    assert_eq!((table.columns().len(), table.columns()[1023].name.as_str()), (1024, "c1023"));
    let mut value = [0.0];
    table.read_f64("c1023", 0..1, &mut value).unwrap();
    assert_eq!(value, [1.0]);
}

#[test]
fn names_that_a_file_can_hold() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.h5");
    let write = |name: &str| {
        let column = Column { name: name.into(), kind: Kind::F64, unit: "1".into(), role: "other".into() };
        let mut writer = Writer::create(&output, &[column], 10, 1)?;
        writer.push_f64(0, &[1.0])?;
        writer.finish(&[])
    };
    for name in ["", ".", "/", "a/b", "./a", "a\0b", &"x".repeat(NAME_BYTES_MAX + 1)] {
        let refused = write(name).unwrap_err().to_string();
        assert!(refused.contains("a column cannot be called"), "{name}: {refused}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
    for name in ["..", " ", "\u{e9}", "a.b", &"x".repeat(NAME_BYTES_MAX)] {
        write(name).unwrap();
        assert_eq!(Table::open(&output).unwrap().columns()[0].name, name);
        std::fs::remove_file(&output).unwrap();
    }
    // All of them at once, and long: the names of a table must fit too.
    let columns = (0..COLUMNS_MAX).map(|number| Column {
        name: format!("{number:0>NAME_BYTES_MAX$}"),
        kind: Kind::F64,
        unit: "1".into(),
        role: "other".into(),
    });
    let mut writer = Writer::create(&output, &columns.collect::<Vec<_>>(), 1, 1).unwrap();
    (0..COLUMNS_MAX).for_each(|column| writer.push_f64(column, &[1.0]).unwrap());
    writer.finish(&[]).unwrap();
    assert_eq!(Table::open(&output).unwrap().columns().len(), COLUMNS_MAX);
}
