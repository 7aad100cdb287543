//! Splits bytes into records and records into fields (RFC 4180), one block in memory at a time.
//!
//! A record without a quote, which is nearly every one, is cut at the delimiters where it lies. A record with a
//! quote is copied without its quotes first; such a record may go on over several lines.

use std::io::{self, Chain, Cursor, Read};
use std::ops::Range;

use memchr::{memchr, memchr_iter};

/// Bytes read at a time.
const BLOCK_BYTES: usize = 256 << 10;
/// The longest record that is taken: thousands of columns. A longer one is a file without line ends, which would
/// fill the memory, or a quote that was never closed, which would be searched again with each line.
pub(super) const RECORD_BYTES_MAX: usize = 64 << 10;

/// Why there is no next record.
#[derive(Debug)]
pub(super) enum Error {
    Io(io::Error),
    /// A quoted field that does not end, or text behind its end.
    Quote {
        line: u64,
        problem: &'static str,
    },
    /// A record longer than [`RECORD_BYTES_MAX`].
    TooLong {
        line: u64,
    },
}

/// One record; its fields are trimmed of blanks.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// The line it begins at, from 1.
    pub line: u64,
    bytes: &'a [u8],
    fields: &'a [Range<usize>],
}

impl<'a> Record<'a> {
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Field `index`; empty when there is none.
    pub fn field(&self, index: usize) -> &'a [u8] {
        self.fields.get(index).map_or(&[], |field| self.bytes[field.clone()].trim_ascii())
    }

    pub fn fields(&self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(|index| self.field(index))
    }
}

/// The records of an input.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    delimiter: u8,
    block: Vec<u8>,
    /// What is not yet taken of the block.
    rest: Range<usize>,
    is_at_end: bool,
    line: u64,
    bytes_taken: u64,
    fields: Vec<Range<usize>>,
    unquoted: Vec<u8>,
}

impl<R: Read> Records<R> {
    pub fn new(input: R, delimiter: u8) -> Self {
        Self {
            input,
            delimiter,
            block: Vec::new(),
            rest: 0..0,
            is_at_end: false,
            line: 1,
            bytes_taken: 0,
            fields: Vec::new(),
            unquoted: Vec::new(),
        }
    }

    /// The same records, the first of which is on this line.
    pub const fn starting_at(mut self, line: u64) -> Self {
        self.line = line;
        self
    }

    /// Bytes of the input that lie before the next record.
    pub const fn bytes_taken(&self) -> u64 {
        self.bytes_taken
    }

    /// The next record that is not an empty line.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        loop {
            let Some(end) = self.line_end(0)? else { return Ok(None) };
            let text = without_return(&self.block[self.rest.start..self.rest.start + end.text]);
            if text.trim_ascii().is_empty() {
                self.take(end.whole, 1);
                continue;
            }
            if memchr(b'"', text).is_some() {
                return self.quoted(end).map(Some);
            }
            let start = self.rest.start;
            let bytes = start..start + text.len();
            self.fields.clear();
            let mut from = 0;
            for at in memchr_iter(self.delimiter, text) {
                self.fields.push(from..at);
                from = at + 1;
            }
            self.fields.push(from..text.len());
            let line = self.line;
            self.take(end.whole, 1);
            return Ok(Some(Record { line, bytes: &self.block[bytes], fields: &self.fields }));
        }
    }

    /// The line of the next record, and the input from there on.
    pub fn into_rest(mut self) -> (u64, Chain<Cursor<Vec<u8>>, R>) {
        self.block.truncate(self.rest.end);
        self.block.drain(..self.rest.start);
        (self.line, Cursor::new(self.block).chain(self.input))
    }

    fn take(&mut self, bytes: usize, lines: u64) {
        self.rest.start += bytes;
        self.bytes_taken += bytes as u64;
        self.line += lines;
    }

    /// Where the line that holds byte `from` of the rest ends; `None` when nothing is left.
    fn line_end(&mut self, from: usize) -> Result<Option<LineEnd>, Error> {
        let mut searched = from;
        loop {
            let rest = &self.block[self.rest.clone()];
            if let Some(at) = rest.get(searched..).and_then(|rest| memchr(b'\n', rest)) {
                let end = LineEnd { text: searched + at, whole: searched + at + 1 };
                // Said here too, so that it does not depend on where the blocks end.
                return if end.text > RECORD_BYTES_MAX { self.too_long() } else { Ok(Some(end)) };
            }
            searched = rest.len();
            if searched > RECORD_BYTES_MAX {
                return self.too_long();
            }
            if self.is_at_end {
                let some = LineEnd { text: searched, whole: searched };
                return Ok((searched > from).then_some(some));
            }
            self.refill().map_err(Error::Io)?;
        }
    }

    const fn too_long<T>(&self) -> Result<T, Error> {
        Err(Error::TooLong { line: self.line })
    }

    /// Moves the rest to the front and reads another block behind it.
    fn refill(&mut self) -> io::Result<()> {
        self.block.copy_within(self.rest.clone(), 0);
        self.rest = 0..self.rest.len();
        self.block.resize(self.rest.end + BLOCK_BYTES, 0);
        loop {
            match self.input.read(&mut self.block[self.rest.end..]) {
                Ok(count) => {
                    self.rest.end += count;
                    self.is_at_end = count == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A record with quotes: copies its fields without them.
    fn quoted(&mut self, first: LineEnd) -> Result<Record<'_>, Error> {
        let (line, mut end, mut lines) = (self.line, first, 1);
        loop {
            let is_last = self.is_at_end && self.rest.start + end.whole == self.rest.end;
            let text = without_return(&self.block[self.rest.start..self.rest.start + end.text]);
            match unquote(text, self.delimiter, &mut self.unquoted, &mut self.fields) {
                Unquoted::Whole => break,
                Unquoted::Open if is_last => {
                    return Err(Error::Quote { line, problem: "a quoted field does not end" });
                }
                Unquoted::TextBehind => {
                    return Err(Error::Quote { line, problem: "text follows the end of a quoted field" });
                }
                Unquoted::Open => loop {
                    let Some(further) = self.line_end(end.whole)? else {
                        return Err(Error::Quote { line, problem: "a quoted field does not end" });
                    };
                    if further.whole > RECORD_BYTES_MAX {
                        return Err(Error::TooLong { line });
                    }
                    let added = self.rest.start + end.whole..self.rest.start + further.whole;
                    (end, lines) = (further, lines + 1);
                    if memchr(b'"', &self.block[added]).is_some() {
                        break;
                    }
                },
            }
        }
        self.take(end.whole, lines);
        Ok(Record { line, bytes: &self.unquoted, fields: &self.fields })
    }
}

/// Bytes of a line without and with its line feed.
#[derive(Clone, Copy, Debug)]
struct LineEnd {
    text: usize,
    whole: usize,
}

fn without_return(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r").unwrap_or(text)
}

enum Unquoted {
    Whole,
    Open,
    TextBehind,
}

/// Splits `text` with quotes, copying what the fields hold into `unquoted`.
fn unquote(text: &[u8], delimiter: u8, unquoted: &mut Vec<u8>, fields: &mut Vec<Range<usize>>) -> Unquoted {
    unquoted.clear();
    fields.clear();
    let mut at = 0;
    loop {
        let start = unquoted.len();
        let blanks = text[at..].iter().take_while(|byte| **byte == b' ').count();
        if text.get(at + blanks) == Some(&b'"') {
            at += blanks + 1;
            loop {
                let Some(found) = text.get(at..).and_then(|rest| memchr(b'"', rest)) else {
                    return Unquoted::Open;
                };
                unquoted.extend_from_slice(&text[at..at + found]);
                at += found + 1;
                if text.get(at) != Some(&b'"') {
                    break;
                }
                unquoted.push(b'"');
                at += 1;
            }
            at += text[at..].iter().take_while(|byte| **byte == b' ').count();
            if text.get(at).is_some_and(|byte| *byte != delimiter) {
                return Unquoted::TextBehind;
            }
        } else {
            let found = memchr(delimiter, &text[at..]).unwrap_or(text.len() - at);
            unquoted.extend_from_slice(&text[at..at + found]);
            at += found;
        }
        fields.push(start..unquoted.len());
        if at >= text.len() {
            return Unquoted::Whole;
        }
        at += 1;
        if at == text.len() {
            fields.push(unquoted.len()..unquoted.len());
            return Unquoted::Whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(input: impl Read, delimiter: u8) -> Result<Vec<(u64, Vec<String>)>, Error> {
        let mut records = Records::new(input, delimiter);
        let mut found = Vec::new();
        while let Some(record) = records.next()? {
            let fields = record.fields().map(|field| String::from_utf8_lossy(field).into_owned());
            found.push((record.line, fields.collect()));
        }
        Ok(found)
    }

    fn texts(input: &str) -> Vec<(u64, Vec<String>)> {
        all(input.as_bytes(), b',').unwrap()
    }

    /// An input that gives one byte a read.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1).min(bytes.len());
            bytes[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn lines_fields_and_quotes() {
        let row = |line, fields: &[&str]| (line, fields.iter().map(|field| (*field).to_owned()).collect());
        assert_eq!(texts("a,b\r\n\n 1 ,2\r\n"), [row(1, &["a", "b"]), row(3, &["1", "2"])]);
        assert_eq!(texts("a,,\n,"), [row(1, &["a", "", ""]), row(2, &["", ""])]);
        assert_eq!(texts("\"a,b\", \"c\"\"d\" ,e\n"), [row(1, &["a,b", "c\"d", "e"])]);
        assert_eq!(texts("\"x\ny\",1\nz,\"\"\n"), [row(1, &["x\ny", "1"]), row(3, &["z", ""])]);
        assert_eq!(texts("\"a\","), [row(1, &["a", ""])]);
        assert_eq!(texts(""), []);
        assert_eq!(texts("\n\r\n  \n"), []);
    }

    #[test]
    fn broken_quotes_name_their_line() {
        for (text, at) in [("a\n\"b\nc", 2), ("a\n\n\"b\"c,d\n", 3), ("\"", 1)] {
            let refused = all(text.as_bytes(), b',').unwrap_err();
            assert!(matches!(refused, Error::Quote { line, .. } if line == at), "{text:?}: {refused:?}");
        }
    }

    #[test]
    fn a_file_without_line_ends_is_refused_in_bounded_memory() {
        let refused = all(io::repeat(b'7'), b',').unwrap_err();
        assert!(matches!(refused, Error::TooLong { line: 1 }));
        let open = io::Read::chain(&b"\""[..], io::repeat(b'\n'));
        assert!(matches!(all(open, b',').unwrap_err(), Error::TooLong { line: 1 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn written_records_come_back(rows in proptest::collection::vec(proptest::collection::vec("[a-z\",;\n\r0-9]{0,6}[a-z]", 1..5), 1..20)) {
            let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let text: String = rows.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(",") + "\r\n").collect();
            let back: Vec<Vec<String>> = all(Slow(text.as_bytes()), b',').unwrap().into_iter().map(|(_, row)| row).collect();
            // Line ends inside a field keep what stands before them; only the record's own return is taken off.
            let trimmed: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|field| field.trim_ascii().to_owned()).collect()).collect();
            prop_assert_eq!(back, trimmed);
        }

        #[test]
        fn noise_never_panics_and_pieces_do_not_matter(text in "[\",a\n\r ]{0,60}") {
            let (whole, slow) = (all(text.as_bytes(), b','), all(Slow(text.as_bytes()), b','));
            prop_assert_eq!(format!("{whole:?}"), format!("{slow:?}"));
        }
    }
}
