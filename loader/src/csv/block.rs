//! Cuts an input into blocks of whole lines, so that each may be read by a thread of its own.
//!
//! A line end within quotes is none. Nearly no file of market data has a quote, so the first one ends the cutting: what
//! is not cut yet is then read record by record ([`Records`](super::record::Records)), which knows quotes.

use std::io::{self, Chain, Cursor, Read};

use memchr::{memchr, memchr_iter, memrchr};

use super::record::{Error, RECORD_BYTES_MAX};

/// Bytes of a block: some thousand rows, and a few of them fit into a processor's cache.
const BLOCK_BYTES: usize = 512 << 10;

/// Whole lines.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// The number of the first line, from 1.
    pub line: u64,
    pub bytes: Vec<u8>,
}

/// What comes next.
pub(super) enum Next {
    Block(Block),
    /// Nothing: the input is at its end.
    End,
    /// A quote somewhere in what would be the next block.
    Quote,
}

/// The blocks of an input.
pub(super) struct Blocks<R> {
    input: R,
    line: u64,
    /// What was read and is in no block yet.
    rest: Vec<u8>,
}

impl<R: Read> Blocks<R> {
    /// The blocks of `input`, whose first line has this number.
    pub const fn new(input: R, line: u64) -> Self {
        Self { input, line, rest: Vec::new() }
    }

    /// The next block, in the memory of `block`.
    pub fn next(&mut self, mut block: Block) -> Result<Next, Error> {
        let bytes = &mut block.bytes;
        bytes.clear();
        bytes.append(&mut self.rest);
        let is_last = fill(&mut self.input, bytes).map_err(Error::Io)?;
        if memchr(b'"', bytes).is_some() {
            self.rest.append(bytes);
            return Ok(Next::Quote);
        }
        if bytes.is_empty() {
            return Ok(Next::End);
        }
        block.line = self.line;
        if !is_last {
            let end = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
            self.line += memchr_iter(b'\n', &bytes[..end]).count() as u64;
            if bytes.len() - end > RECORD_BYTES_MAX {
                // The lines before it are read first: one of them may be what is to be told.
                if end == 0 {
                    return Err(Error::TooLong { line: self.line });
                }
            }
            self.rest.extend_from_slice(&bytes[end..]);
            bytes.truncate(end);
        }
        Ok(Next::Block(block))
    }

    /// What is in no block yet, and the number of its first line.
    pub fn into_rest(self) -> (Chain<Cursor<Vec<u8>>, R>, u64) {
        (Cursor::new(self.rest).chain(self.input), self.line)
    }
}

/// Fills `bytes` up to the size of a block; whether the input ended.
fn fill(input: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut done = bytes.len();
    bytes.resize(BLOCK_BYTES.max(done + 1), 0);
    while done < bytes.len() {
        match input.read(&mut bytes[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let is_last = done < bytes.len();
    bytes.truncate(done);
    Ok(is_last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_lines_and_nothing_is_lost() {
        let text: String = (0..100_000).map(|row| format!("{row},{}\n", row * 7 % 1000)).collect();
        for text in [text.as_bytes(), &text.as_bytes()[..text.len() - 1], b"", b"\n", b"a"] {
            let (mut blocks, mut whole, mut line) = (Blocks::new(text, 1), Vec::new(), 1);
            while let Next::Block(block) = blocks.next(Block::default()).unwrap() {
                assert_eq!(block.line, line);
                line += memchr_iter(b'\n', &block.bytes).count() as u64;
                whole.extend(block.bytes);
                assert!(whole.ends_with(b"\n") || whole.len() == text.len());
            }
            assert!(whole == text);
        }
    }

    #[test]
    fn a_quote_ends_the_cutting() {
        let text = [b"1,2\n".repeat(200_000), b"3,\"4\n\"\n".to_vec()].concat();
        let (mut blocks, mut count) = (Blocks::new(&text[..], 1), 0);
        while let Next::Block(block) = blocks.next(Block::default()).unwrap() {
            count += block.bytes.len();
        }
        let (mut rest, line) = blocks.into_rest();
        let mut after = Vec::new();
        rest.read_to_end(&mut after).unwrap();
        assert!(count > 0 && line == count as u64 / 4 + 1 && text[count..] == after);
    }

    #[test]
    fn a_line_without_an_end_is_refused_in_bounded_memory() {
        let refused = Blocks::new(io::repeat(b'7'), 1).next(Block::default());
        assert!(matches!(refused, Err(Error::TooLong { line: 1 })));
    }
}
