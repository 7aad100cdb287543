//! `docs/knobs.md` and `docs/conditions.md`: every knob, and every fact that a condition may name.

use std::fmt::Write as _;

use super::page;
use crate::explain::Description;
use crate::profile::condition::{FACTS, Kind};

/// What the families are about, in the order of the page.
const FAMILIES: &[(&str, &str)] = &[
    ("kernel", "Scheduler, timers, watchdogs: /proc/sys/kernel"),
    ("scheduler", "Scheduler: /sys/kernel/debug/sched"),
    ("rcu", "Read-copy-update"),
    ("cpuset", "CPUs of their own: control groups"),
    ("workqueue", "Background work of the kernel"),
    ("irq", "Interrupts"),
    ("irqbalance", "irqbalance"),
    ("cpu", "Frequency, energy and idle states"),
    ("uncore", "Cache and mesh"),
    ("machinecheck", "Corrected memory errors"),
    ("clocksource", "Clock"),
    ("haltpoll", "Polling in guests"),
    ("kvm", "Polling on hosts of guests"),
    ("vm", "Memory: /proc/sys/vm"),
    ("hugepages", "Huge pages"),
    ("hugetlb", "Reserved huge pages"),
    ("mthp", "Huge pages of other sizes"),
    ("zswap", "Compressed cache of swap"),
    ("swap", "Swap"),
    ("fs", "Files"),
    ("block", "Disks"),
    ("nvme", "NVMe"),
    ("sata", "SATA"),
    ("mount", "Mounted file systems"),
    ("nic", "Network interfaces"),
    ("net", "Network: /proc/sys/net"),
    ("gpu", "GPUs (NVIDIA)"),
    ("pcie", "PCI Express"),
    ("unit", "Services"),
    ("systemd", "The service manager"),
    ("module", "Modules of the kernel"),
    ("boot", "Arguments of the kernel"),
];

fn family(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// A text in a cell: no bar of its own, no pattern that Markdown reads.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*").replace('_', "\\_").replace('\n', " ")
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

fn row(knob: &Description) -> String {
    let mut does = cell(&knob.reason);
    if let Some(kernels) = &knob.kernels {
        let _ = write!(does, "; kernels {kernels}");
    }
    if knob.per_device {
        does.push_str("; one a device");
    }
    if !knob.disturbs.is_empty() {
        let others: Vec<String> = knob.disturbs.iter().map(|other| format!("`{other}`")).collect();
        let _ = write!(does, "; the kernel changes {} along with it", others.join(", "));
    }
    format!(
        "| `{}` | {} | {} | {}: {} | {}{} | {} |\n",
        knob.name,
        cell(&knob.values),
        does,
        word(&knob.risk),
        cell(&knob.caution),
        word(&knob.class),
        if knob.hold { ", held open" } else { "" },
        cell(&knob.source)
    )
}

#[test]
fn every_knob_is_on_the_page() {
    let knobs = Description::all();
    let mut text = format!(
        "# Knobs\n\nEvery knob that a profile may set, {} in all, from the catalogue itself (`daemon/src/published/catalogue.rs` \
         writes this page and fails when it no longer tells the truth). `diapason tune explain KNOB` says what one is on \
         your machine, who sets it to what, and what undoing it promises.\n\nUndo: *exact-inverse* restores the very state; \
         *best-effort* restores the value, but a side effect may stay; *disruptive* may stall CPUs, links or memory for a moment, both ways; \
         *needs-reboot* takes effect when the system or the service starts again; *irreversible* is refused in profiles.\n",
        knobs.len()
    );
    let mut families: Vec<&str> = knobs.iter().map(|knob| family(&knob.name)).collect();
    let place = |name: &&str| FAMILIES.iter().position(|(known, _)| known == name).unwrap_or(FAMILIES.len());
    families.sort_by_key(|name| (place(name), *name));
    families.dedup();
    for name in families {
        let title = FAMILIES.iter().find(|(known, _)| *known == name).map_or(name, |(_, title)| *title);
        let _ = write!(
            text,
            "\n## {title}\n\n| knob | values | what it does | risk | undo | source |\n|---|---|---|---|---|---|\n"
        );
        knobs.iter().filter(|knob| family(&knob.name) == name).for_each(|knob| text.push_str(&row(knob)));
    }
    page("knobs.md", &text);
}

#[test]
fn every_fact_is_on_the_page() {
    let mut text = String::from(
        "# Conditions\n\nWhat a `[when.NAME]` of a profile may ask of a machine. All that one condition asks must hold; `when = \"NAME\"` on an \
         entry, a variable or a `[[fits]]` means it, `\"!NAME\"` its contrary, and a list means all of them. \
         `diapason tune recommend --long` shows what each fact is on your machine.\n\n| fact | asks for | meaning |\n|---|---|---|\n",
    );
    for fact in FACTS {
        let example = match fact.kind {
            Kind::Words => "words by shell pattern, `any`, `none`, or a list of which one must do",
            Kind::Count => "a number or a range: `2`, `\">=2\"`, `\">=2, <8\"`",
            Kind::Bytes => "a range of bytes: `\">=64GiB\"`",
            Kind::Version => {
                "a range of versions, compared by as many numbers as are given: `\">=5.14, <6.6\"`"
            }
            Kind::Flag => "`true` or `false`",
        };
        let _ = writeln!(text, "| `{}` | {example} | {} |", fact.name, cell(fact.meaning));
    }
    page("conditions.md", &text);
}
