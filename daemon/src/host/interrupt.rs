//! Interrupts by the names that drivers give them: /sys/kernel/irq.
//!
//! A number says nothing and may change with each boot; the name of an action (`eth0-TxRx-3`, `nvme0q1`) says which
//! queue of which device it is. Where several interrupts share one name, the one with the lowest number has it, so
//! that a device that comes later takes no name away; the others are known by their chip and the number they have
//! there as well: `xhci_hcd@IR-PCI-MSIX-0000:80:14.0-0`.

use std::path::PathBuf;
use std::sync::Mutex;

use super::fact;
use crate::root::{Root, RootError};

const BASE: &str = "/sys/kernel/irq";

/// One interrupt that a driver has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// The kernel's number.
    pub number: u32,
    /// The names of its actions, joined by commas; `/` is written `!`, so that it can be part of a knob's name.
    pub actions: String,
    /// The chip that raises it.
    pub chip: String,
    /// The number on the chip.
    pub hardware: String,
}

impl Interrupt {
    /// What tells it from a later one of the same number or the same name.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{}/{}/{}/{}", self.number, self.chip, self.hardware, self.actions)
    }

    fn place(&self) -> String {
        format!("{}@{}-{}", self.actions, self.chip, self.hardware)
    }
}

/// The last listing: where to look first for a name. It is a hint and no more: what it says is read again from the
/// kernel before it is used, so that one of five hundred interrupts is found with three reads and not with 1500.
static HINT: Mutex<Option<(PathBuf, Vec<Interrupt>)>> = Mutex::new(None);

/// Every interrupt that has an action, by number.
///
/// # Errors
/// When the kernel refuses to list or read them.
pub fn interrupts(root: &Root) -> Result<Vec<Interrupt>, RootError> {
    let mut interrupts = Vec::new();
    for name in root.list(BASE)? {
        if let Ok(number) = name.parse()
            && let Some(interrupt) = read(root, number)?
        {
            interrupts.push(interrupt);
        }
    }
    Ok(interrupts)
}

/// The names of all of them, each once: the action alone for the first of its name.
///
/// # Errors
/// As [`interrupts`].
pub fn interrupt_names(root: &Root) -> Result<Vec<String>, RootError> {
    let all = interrupts(root)?;
    let mut names = Vec::new();
    for interrupt in &all {
        let is_first = !names.contains(&interrupt.actions);
        let name = if is_first { interrupt.actions.clone() } else { interrupt.place() };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    keep(root, all);
    Ok(names)
}

/// The interrupt of a name. The first of its name is found with its place as well, as that is how it is known when
/// one before it goes away.
///
/// # Errors
/// As [`interrupts`].
pub fn interrupt(root: &Root, name: &str) -> Result<Option<Interrupt>, RootError> {
    let called = |interrupt: &&Interrupt| interrupt.actions == name || interrupt.place() == name;
    let hint = HINT.lock().ok().and_then(|hint| {
        let (prefix, all) = hint.as_ref()?;
        (prefix == root.prefix()).then(|| all.iter().find(called).cloned())?
    });
    if let Some(known) = hint
        && read(root, known.number)?.as_ref() == Some(&known)
    {
        return Ok(Some(known));
    }
    let all = interrupts(root)?;
    let found = all.iter().find(called).cloned();
    keep(root, all);
    Ok(found)
}

fn keep(root: &Root, all: Vec<Interrupt>) {
    if let Ok(mut hint) = HINT.lock() {
        *hint = Some((root.prefix().to_owned(), all));
    }
}

fn read(root: &Root, number: u32) -> Result<Option<Interrupt>, RootError> {
    let leaf = |leaf: &str| fact(root, &format!("{BASE}/{number}/{leaf}"));
    let Some(actions) = leaf("actions")? else { return Ok(None) };
    Ok(Some(Interrupt {
        number,
        actions: actions.replace('/', "!"),
        chip: leaf("chip_name")?.unwrap_or_default().replace('/', "!"),
        hardware: leaf("hwirq")?.unwrap_or_default(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(tree: &tempfile::TempDir, number: u32, actions: &str, chip: &str, hardware: u32) {
        let folder = tree.path().join(format!("sys/kernel/irq/{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        for (leaf, text) in [("actions", actions), ("chip_name", chip), ("hwirq", &hardware.to_string())] {
            std::fs::write(folder.join(leaf), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn names_are_the_drivers_own() {
        let tree = tempfile::tempdir().unwrap();
        put(&tree, 0, "timer", "IR-IO-APIC", 2);
        put(&tree, 24, "xhci_hcd", "IR-PCI-MSIX-0000:00:14.0", 0);
        put(&tree, 25, "eth0-TxRx-0", "IR-PCI-MSIX-0000:3b:00.0", 1);
        put(&tree, 26, "", "dummy", 0);
        put(&tree, 27, "a/b,c", "dummy", 1);
        let root = Root::new(tree.path());
        assert_eq!(interrupt_names(&root).unwrap(), ["timer", "xhci_hcd", "eth0-TxRx-0", "a!b,c"]);
        let number = |name: &str| interrupt(&root, name).unwrap().map(|interrupt| interrupt.number);
        assert_eq!((number("eth0-TxRx-0"), number("xhci_hcd"), number("none")), (Some(25), Some(24), None));
        // A second controller takes nothing from the first: the old name still finds it.
        put(&tree, 40, "xhci_hcd", "IR-PCI-MSIX-0000:80:14.0", 0);
        let names = interrupt_names(&root).unwrap();
        let later = "xhci_hcd@IR-PCI-MSIX-0000:80:14.0-0";
        assert_eq!(names, ["timer", "xhci_hcd", "eth0-TxRx-0", "a!b,c", later]);
        assert_eq!(number("xhci_hcd"), Some(24));
        assert_eq!(number("xhci_hcd@IR-PCI-MSIX-0000:80:14.0-0"), Some(40));
        // The hint is not believed: the queue has another number now.
        put(&tree, 25, "other", "IR-PCI-MSIX-0000:3b:00.0", 1);
        put(&tree, 50, "eth0-TxRx-0", "IR-PCI-MSIX-0000:3b:00.0", 1);
        assert_eq!(number("eth0-TxRx-0"), Some(50));
    }
}
