//! What kind of text a file is, from its first block.

use super::dialect::Dialect;
use super::record::{Error, Records};

/// The delimiters that are looked for.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Rows that are looked at: enough to tell a delimiter from a comma in a date.
const ROWS: usize = 100;

/// What a file is when it is no text, and what to do about it.
pub(super) fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const KINDS: &[(&[u8], &str, &str)] = &[
        (b"BZh", "bzip2", "decompress it first: bunzip2"),
        (b"\xfd7zXZ\0", "xz", "decompress it first: unxz"),
        (b"PK\x03\x04", "a zip archive or a spreadsheet", "extract it, or save it as CSV"),
        (b"\x89HDF\r\n\x1a\n", "HDF5", "it can be used as it is"),
        (b"PAR1", "Parquet", "export it as CSV"),
        (b"\xff\xfe", "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"),
        (b"\xfe\xff", "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"),
    ];
    let found =
        KINDS.iter().find(|(magic, ..)| head.starts_with(magic)).map(|&(_, kind, remedy)| (kind, remedy));
    let binary = || head.contains(&0).then_some(("binary data", "give a text file"));
    found.or_else(binary)
}

/// A row that is looked at.
#[derive(Debug)]
pub(super) struct Row {
    /// The line it begins at, from 1.
    pub line: u64,
    pub fields: Vec<Vec<u8>>,
}

/// The first rows of `head`, and why there are no more if that is an error; `is_whole` says that the file ends with it,
/// so its last row is no piece of one.
pub(super) fn rows(head: &[u8], is_whole: bool, delimiter: u8) -> (Vec<Row>, Option<Error>) {
    let mut records = Records::new(head, delimiter);
    let mut rows = Vec::new();
    while rows.len() < ROWS {
        match records.next() {
            Ok(Some(record)) => {
                let fields = record.fields().map(<[u8]>::to_vec).collect();
                rows.push(Row { line: record.line, fields });
            }
            Ok(None) => break,
            Err(error) => return (rows, Some(error)),
        }
        let is_cut = !is_whole && records.bytes_taken() == head.len() as u64 && !head.ends_with(b"\n");
        if is_cut {
            rows.pop();
            break;
        }
    }
    (rows, None)
}

/// The delimiter under which the first rows have the most fields, all the same number where possible.
pub(super) fn delimiter(head: &[u8], is_whole: bool, dialect: Dialect) -> u8 {
    let score = |&delimiter: &u8| {
        let (rows, _) = rows(head, is_whole, delimiter);
        let fields = rows.first().map_or(0, |row| row.fields.len());
        let alike = fields > 1 && rows.iter().all(|row| row.fields.len() == fields);
        (alike, fields)
    };
    // `max_by_key` takes the last of equals, and the comma is to win those.
    let is_free = |delimiter: &u8| *delimiter != b',' || !dialect.decimal_comma;
    DELIMITERS.into_iter().filter(is_free).rev().max_by_key(score).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters() {
        for (text, expected) in [
            ("a,b,c\n1,2,3\n", b','),
            ("a;b\n1,5;2\n", b';'),
            ("time\topen\n2020-01-01 00:00:00,000\t1\n", b'\t'),
            ("a|b\n\"1,2,3\"|4\n", b'|'),
            ("alone\n1\n", b','),
            ("", b','),
            ("a,b,c\n1,2\n", b','),
        ] {
            assert_eq!(delimiter(text.as_bytes(), true, Dialect::default()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cut_row_is_left_out() {
        let count = |head, is_whole| rows(head, is_whole, b',').0.len();
        assert_eq!(count(b"a,b\n1,2\n3", false), 2);
        assert_eq!(count(b"a,b\n1,2\n3", true), 3);
        assert_eq!(count(b"a,b\n1,2\n", false), 2);
        assert_eq!(count(b"a,b\n\n ", false), 1);
    }

    #[test]
    fn kinds() {
        assert_eq!(foreign(b"BZh9").unwrap().0, "bzip2");
        assert_eq!(foreign(b"time\0").unwrap().0, "binary data");
        assert_eq!(foreign(b"time,open"), None);
    }
}
