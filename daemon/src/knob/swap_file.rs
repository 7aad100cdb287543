//! A swap file of our own.
//!
//! Values: `off` (no file), `BYTES PRIORITY` (swapped to), `idle BYTES` (the file is there and not swapped to: what
//! a reboot or a crash leaves). The file outlives a reboot and the swapping does not, so the knob is persistent:
//! its original is on the disk too, and a rollback after a reboot removes the file.

use super::form::{FormError, bytes};
use super::spec::{Class, Risk, Spec};
use super::swap::{active, page_bytes, priority, priority_word, signature, signed_bytes, take_away};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const EXPECTED: &str = "`off` or `SIZE [PRIORITY]`, such as `8GiB` or `50% 10`";
const FILE: &str = "/var/lib/diapason/swap";
/// A multiple of every page size.
const GRAIN_BYTES: u64 = 65_536;
/// Below this the signature's page is a large part of it.
const BYTES_MIN: u64 = 1 << 20;

pub(super) static KNOBS: &[&dyn Knob] = &[&SwapFile {
    spec: Spec::new("swap.file", Form::Special(EXPECTED))
        .why("a swap file, so that idle pages make room instead of the kernel killing a program")
        .risk(Risk::Medium, "swapping stalls programs; copy-on-write file systems (btrfs) refuse the file")
        .from("swapon(8)")
        .class(Class::Disruptive)
        .persistent(),
}];

struct SwapFile {
    spec: Spec,
}

impl Knob for SwapFile {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        if !root.exists("/proc/swaps")? {
            return Ok(None);
        }
        let page = page_bytes(root);
        if root.is_interrupted(FILE)? {
            return Ok(Some("interrupted".to_owned()));
        }
        let Some(head) = root.read_head(FILE, page)? else { return Ok(Some("off".to_owned())) };
        let size = signed_bytes(&head, page)
            .ok_or_else(|| KnobError::Foreign { path: FILE.to_owned(), problem: "is not a swap file" })?;
        Ok(Some(match active(root, FILE)? {
            Some(swap) => format!("{size} {}", priority_word(swap.priority)),
            None => format!("idle {size}"),
        }))
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        let bad = || FormError::Special { given: asked.to_owned(), expected: EXPECTED };
        let words: Vec<&str> = asked.split_whitespace().collect();
        let (size, last) = match words[..] {
            ["off"] => return Ok("off".to_owned()),
            [size] => (size, None),
            [size, last] => (size, priority(last).ok_or_else(bad)?),
            _ => return Err(bad().into()),
        };
        let whole = bytes(size).map(|bytes| bytes / GRAIN_BYTES * GRAIN_BYTES);
        let whole = whole.filter(|bytes| *bytes >= BYTES_MIN).ok_or_else(bad)?;
        Ok(format!("{whole} {}", last.map_or_else(|| "auto".to_owned(), |last| last.to_string())))
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let bad = || FormError::Special { given: value.to_owned(), expected: EXPECTED };
        let page = page_bytes(root);
        // Refuses a file at this path that is not ours before anything is touched.
        self.read(root, target)?;
        take_away(root, FILE)?;
        if root.is_interrupted(FILE)? {
            root.remove(FILE)?;
        }
        let (size, last) = match value.split(' ').collect::<Vec<_>>()[..] {
            ["off"] => return Ok(root.remove(FILE)?),
            ["idle", size] => (size, None),
            [size, last] => (size, Some(priority(last).ok_or_else(bad)?)),
            _ => return Err(bad().into()),
        };
        let size: u64 = size.parse().map_err(|_| bad())?;
        let there = root.read_head(FILE, page)?.and_then(|head| signed_bytes(&head, page));
        if there != Some(size) {
            root.make_folder("/var")?;
            root.make_folder("/var/lib")?;
            root.make_folder("/var/lib/diapason")?;
            root.allocate(FILE, size, &signature(size, page))?;
        }
        last.map_or(Ok(()), |last| Ok(root.swap_on(FILE, last)?))
    }

    fn is_remainder(&self, written: &str, current: &str) -> bool {
        let size = written.split(' ').next().unwrap_or_default();
        current.strip_prefix("idle ") == Some(size)
    }
}
