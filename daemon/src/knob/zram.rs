//! Compressed swap in memory: the device zram0.
//!
//! One knob for what the kernel spreads over four files and a system call, because their order is fixed: the
//! algorithm can change only while the size is zero, and the size only after a reset. Values: `ALGORITHM BYTES
//! PRIORITY`, or `off ALGORITHM`, where the algorithm is what the next user of the device would get. A device that
//! has a size but is not swapped to reads as `... unused`: the state that a crash in the middle leaves.

use super::form::{FormError, bytes, one_of};
use super::spec::{Class, Risk, Spec};
use super::swap::{active, page_bytes, priority, priority_word, signature, signed_bytes, take_away};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const EXPECTED: &str = "`off` or `ALGORITHM SIZE [PRIORITY]`, such as `zstd 4GiB 100` or `lz4 25%`";
const DEVICE: &str = "/dev/zram0";
/// Used before any disk, whose priority is negative unless somebody chose it.
const PRIORITY: u16 = 100;
/// A multiple of every page size, so that the kernel rounds nothing.
const GRAIN_BYTES: u64 = 65_536;

pub(super) static KNOBS: &[&dyn Knob] = &[&Zram {
    spec: Spec::new("swap.zram", Form::Special(EXPECTED))
        .why("swap that compresses pages in memory: far faster than a disk, at the price of processor time")
        .risk(
            Risk::Medium,
            "compression takes the processor from others; taking it away moves every page back at once",
        )
        .from("kernel Documentation/admin-guide/blockdev/zram.rst")
        .class(Class::Disruptive),
}];

struct Zram {
    spec: Spec,
}

fn attribute(leaf: &str) -> String {
    format!("/sys/block/zram0/{leaf}")
}

impl Knob for Zram {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        let Some(size) = root.read(&attribute("disksize"))? else { return Ok(None) };
        let algorithm = Form::of_file(&root.read(&attribute("comp_algorithm"))?.unwrap_or_default());
        if size.trim() == "0" {
            return Ok(Some(format!("off {algorithm}")));
        }
        let last =
            active(root, DEVICE)?.map_or_else(|| "unused".to_owned(), |swap| priority_word(swap.priority));
        Ok(Some(format!("{algorithm} {} {last}", size.trim())))
    }

    fn settle(&self, root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        let bad = || FormError::Special { given: asked.to_owned(), expected: EXPECTED };
        let words: Vec<&str> = asked.split_whitespace().collect();
        let (algorithm, size, last) = match words[..] {
            ["off"] => return off(root),
            [algorithm, size] => (algorithm, size, Some(PRIORITY)),
            [algorithm, size, last] => (algorithm, size, priority(last).ok_or_else(bad)?),
            _ => return Err(bad().into()),
        };
        let whole = bytes(size).map(|bytes| bytes / GRAIN_BYTES * GRAIN_BYTES);
        let whole = whole.filter(|bytes| *bytes > 0).ok_or_else(bad)?;
        if let Some(list) = root.read(&attribute("comp_algorithm"))? {
            one_of(algorithm, list.split_whitespace().map(|word| word.trim_matches(['[', ']'])))?;
        }
        Ok(format!("{algorithm} {whole} {}", last.map_or_else(|| "auto".to_owned(), |last| last.to_string())))
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        let bad = || FormError::Special { given: value.to_owned(), expected: EXPECTED };
        let words: Vec<&str> = value.split(' ').collect();
        let (algorithm, size, last) = match words[..] {
            ["off", algorithm] => (algorithm, "0", "unused"),
            [algorithm, size, last] => (algorithm, size, last),
            _ => return Err(bad().into()),
        };
        let whole: u64 = size.parse().map_err(|_| bad())?;
        stop(root)?;
        if Form::of_file(&root.read(&attribute("comp_algorithm"))?.unwrap_or_default()) != algorithm {
            root.write(&attribute("comp_algorithm"), algorithm)?;
        }
        if whole > 0 {
            root.write(&attribute("disksize"), size)?;
        }
        if last == "unused" {
            return Ok(());
        }
        root.write_head(DEVICE, &signature(whole, page_bytes(root)))?;
        Ok(root.swap_on(DEVICE, priority(last).ok_or_else(bad)?)?)
    }
}

/// Off as it is now, or as a reset leaves it: with the kernel's default, which is lzo-rle unless it was built
/// without it.
fn off(root: &Root) -> Result<String, KnobError> {
    let list = root.read(&attribute("comp_algorithm"))?.unwrap_or_default();
    let mut offered = list.split_whitespace().map(|word| word.trim_matches(['[', ']']));
    let is_off = root.read(&attribute("disksize"))?.is_none_or(|size| size.trim() == "0");
    let usual = if list.contains("lzo-rle") { "lzo-rle" } else { offered.next().unwrap_or_default() };
    Ok(format!("off {}", if is_off { Form::of_file(&list) } else { usual.to_owned() }))
}

/// Brings the device to size zero, whatever it is now, unless it holds something that is not swap.
fn stop(root: &Root) -> Result<(), KnobError> {
    take_away(root, DEVICE)?;
    if root.read(&attribute("disksize"))?.is_none_or(|size| size.trim() == "0") {
        return Ok(());
    }
    let page = page_bytes(root);
    let head = root.read_head(DEVICE, page)?.unwrap_or_default();
    if head.iter().any(|byte| *byte != 0) && signed_bytes(&head, page).is_none() {
        return Err(KnobError::Foreign {
            path: DEVICE.to_owned(),
            problem: "holds something that is not swap",
        });
    }
    // The kernel forgets size, algorithm and content in the same moment.
    Ok(root.write(&attribute("reset"), "1")?)
}
