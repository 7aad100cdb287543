//! `diapason data tail` beside h5py that appends in another process.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use diapason_tests::{need, oracle, require};

const ROWS: u64 = 3000;

#[test]
fn shows_every_row_once_and_ends_with_the_writer() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("growing.h5");
    for is_json in [false, true] {
        let mut writer = Command::new(oracle::python())
            .arg(need::repository().join("loader/tests/oracles/write_growing.py"))
            .arg(&path)
            .args(["zstd", &ROWS.to_string(), "3"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(writer.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "open\n");
        let mut tail = Command::new(env!("CARGO_BIN_EXE_diapason"))
            .args(is_json.then_some("--json"))
            .args(["data", "tail", "-n", "100000", "--every", "1"])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(b"\n\n\n").unwrap();
        let mut shown = String::new();
        tail.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
        assert!(tail.wait().unwrap().success());
        assert!(writer.wait().unwrap().success());
        let mut lines = shown.lines();
        let names = if is_json {
            r#"["row","timestamp","price","m[0]","m[1]","m[2]"]"#
        } else {
            "row,timestamp,price,m[0],m[1],m[2]"
        };
        assert_eq!(lines.next(), Some(names));
        let value = |row: u64| (row * 2_654_435_761 % (1 << 32)) as f64 / 8.0;
        for row in 0..ROWS {
            let line = lines.next().unwrap();
            let cells: Vec<f64> =
                line.trim_matches(['[', ']']).split(',').map(|cell| cell.parse().unwrap()).collect();
            let wanted =
                [row as f64, row as f64 * 1000.0, value(row), value(row), value(row + 1), value(row + 2)];
            assert_eq!(cells, wanted);
        }
        assert_eq!(lines.next(), None);
    }
}
