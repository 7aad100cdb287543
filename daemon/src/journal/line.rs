//! Records as lines: `CRC32 SEQUENCE JSON`, one write for a batch. Pure.
//!
//! The checksum covers the sequence number and the text. The number makes a line that went missing as visible as
//! one that was changed.

use super::record::Record;

/// What a log's bytes say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub records: Vec<Record>,
    /// Lines that cannot be read, and lines that are missing.
    pub damaged: usize,
    /// Bytes up to the end of the last whole line.
    pub whole_bytes: u64,
    /// Whether something follows it.
    pub torn: bool,
    /// The number of the next record.
    pub next: u64,
}

/// The lines of `records`, numbered from `next`.
pub(super) fn encode(records: &[Record], next: u64) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    for (number, record) in (next..).zip(records) {
        let body = format!("{number} {}", serde_json::to_string(record)?);
        bytes.extend_from_slice(format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes())).as_bytes());
    }
    Ok(bytes)
}

/// The records in `bytes`, whatever they are.
pub(super) fn decode(bytes: &[u8]) -> Content {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut content = Content { whole_bytes: whole as u64, torn: whole < bytes.len(), ..Content::default() };
    for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
        let Some((number, record)) = decode_line(&line[..line.len() - 1]) else {
            content.damaged += 1;
            content.next += 1;
            continue;
        };
        // A bad line was counted as one number; if it was two lines that lost their break, the gap shows here.
        let missing = number.saturating_sub(content.next);
        content.damaged += usize::try_from(missing).unwrap_or(usize::MAX / 2);
        content.next = number + 1;
        content.records.push(record);
    }
    content
}

fn decode_line(line: &[u8]) -> Option<(u64, Record)> {
    let text = std::str::from_utf8(line).ok()?;
    let (sum, body) = text.split_at_checked(8)?;
    let body = body.strip_prefix(' ')?;
    let lower = sum.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !lower || u32::from_str_radix(sum, 16).ok()? != crc32fast::hash(body.as_bytes()) {
        return None;
    }
    let (number, json) = body.split_once(' ')?;
    Some((number.parse().ok().filter(|number| *number < u64::MAX)?, serde_json::from_str(json).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let text = "[ -~\\n\u{e9}]{0,12}";
        let record = prop_oneof![
            (any::<u64>(), text).prop_map(|(tx, boot)| Record::Open { version: 1, boot, last_tx: tx }),
            (any::<u64>(), text, text).prop_map(|(tx, knob, value)| Record::Original {
                tx,
                knob,
                identity: None,
                value
            }),
            (any::<u64>(), text, text, proptest::option::of(text))
                .prop_map(|(tx, knob, from, to)| Record::Intent { tx, step: tx, knob, from, to }),
            any::<u64>().prop_map(|tx| Record::Abort { tx }),
        ];
        proptest::collection::vec(record, 1..8)
    }

    proptest! {
        #[test]
        fn cut_anywhere_it_is_a_prefix(records in records()) {
            let bytes = encode(&records, 0).unwrap();
            for cut in 0..=bytes.len() {
                let content = decode(&bytes[..cut]);
                prop_assert_eq!(content.damaged, 0);
                prop_assert_eq!(&content.records[..], &records[..content.records.len()]);
                prop_assert_eq!(content.torn, content.whole_bytes < cut as u64);
                prop_assert_eq!(content.next, content.records.len() as u64);
            }
            prop_assert_eq!(decode(&bytes).records, records);
        }

        #[test]
        fn a_flipped_bit_loses_at_most_two_records_and_never_invents_one(records in records(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = encode(&records, 0).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            let content = decode(&bytes);
            prop_assert!(content.records.iter().all(|record| records.contains(record)));
            prop_assert!(content.records.len() + 2 >= records.len());
            prop_assert!(content.damaged > 0 || content.torn, "the flip is not noticed");
        }

        #[test]
        fn junk_is_no_record(junk in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&junk).records, []);
        }
    }
}
