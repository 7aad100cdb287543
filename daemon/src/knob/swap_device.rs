//! The swap that the machine came with: partitions and files of the administrator.
//!
//! A profile may only take it away (`none`). What was there, `PATH PRIORITY` joined by commas, is the original
//! that a rollback brings back. Our own file and compressed memory are knobs of their own and not counted here.

use super::form::FormError;
use super::spec::{Class, Risk, Spec};
use super::swap::{priority, priority_word, take_away};
use super::{Form, Knob, KnobError};
use crate::host;
use crate::root::Root;

const EXPECTED: &str = "`none`";

pub(super) static KNOBS: &[&dyn Knob] = &[&SwapDevices {
    spec: Spec::new("swap.devices", Form::Special(EXPECTED))
        .why("the swap files and partitions of the machine; without them no page of a program waits for a disk")
        .risk(Risk::High, "when memory runs out the kernel kills a program at once")
        .from("swapoff(2)")
        // A priority that the kernel chose comes back as its next choice, which may differ in number.
        .class(Class::Disruptive),
}];

struct SwapDevices {
    spec: Spec,
}

fn now(root: &Root) -> Result<Vec<(String, String)>, KnobError> {
    let swaps = host::swaps(root)?.into_iter();
    let theirs =
        swaps.filter(|swap| !swap.path.starts_with("/dev/zram") && swap.path != "/var/lib/diapason/swap");
    Ok(theirs.map(|swap| (swap.path, priority_word(swap.priority))).collect())
}

impl Knob for SwapDevices {
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
        let mut swaps: Vec<String> =
            now(root)?.iter().map(|(path, priority)| format!("{path} {priority}")).collect();
        swaps.sort();
        Ok(Some(if swaps.is_empty() { "none".to_owned() } else { swaps.join(", ") }))
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        match asked.trim() {
            "none" => Ok("none".to_owned()),
            _ => Err(FormError::Special { given: asked.to_owned(), expected: EXPECTED }.into()),
        }
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        let bad =
            || FormError::Special { given: value.to_owned(), expected: "`PATH PRIORITY` joined by commas" };
        let list = if value == "none" { "" } else { value };
        let wanted: Vec<(&str, &str)> = list
            .split(", ")
            .filter(|entry| !entry.is_empty())
            .map(|entry| entry.rsplit_once(' ').ok_or_else(bad))
            .collect::<Result<_, _>>()?;
        let now = now(root)?;
        for (path, word) in &wanted {
            if !now.iter().any(|(active, _)| active == path) {
                root.swap_on(path, priority(word).ok_or_else(bad)?)?;
            }
        }
        for (path, _) in now.iter().filter(|(active, _)| !wanted.iter().any(|(path, _)| path == active)) {
            take_away(root, path)?;
        }
        Ok(())
    }
}
