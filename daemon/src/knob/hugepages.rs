//! Transparent huge pages: /sys/kernel/mm/transparent_hugepage.

use super::attribute::Attribute;
use super::spec::Risk;
use super::{Form, Knob, Spec};

const SOURCE: &str = "kernel Documentation/admin-guide/mm/transhuge.rst";

const fn row(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(SOURCE)
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        row("hugepages.enabled", Form::Choice(&["always", "madvise", "never"]))
            .why("whether programs get pages of 2 MiB: always, when they ask, never; making them stalls the program")
            .risk(Risk::Medium, "always wastes memory in sparse programs; never costs address misses in large arrays")
            // khugepaged raises the free reserve when it starts.
            .disturbs(&["vm.min_free_kbytes"]),
        "/sys/kernel/mm/transparent_hugepage/enabled",
    )
    .marked(),
    &Attribute::file(
        row("hugepages.defrag", Form::Choice(&["always", "defer", "defer+madvise", "madvise", "never"]))
            .why("whether a program waits while memory is compacted for its huge page")
            .risk(Risk::Low, "never yields fewer huge pages"),
        "/sys/kernel/mm/transparent_hugepage/defrag",
    )
    .marked(),
    &Attribute::file(
        row("hugepages.shmem_enabled", Form::Choice(&["always", "within_size", "advise", "never", "deny", "force"]))
            .why("whether shared memory and tmpfs get huge pages")
            .risk(Risk::Medium, "always and force waste memory in small files")
            .disturbs(&["vm.min_free_kbytes"]),
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
    )
    .marked(),
    &Attribute::file(
        row("hugepages.use_zero_page", Form::flag())
            .why("whether reads of untouched memory share one huge page of zeros")
            .risk(Risk::Low, "off uses more memory for sparse arrays"),
        "/sys/kernel/mm/transparent_hugepage/use_zero_page",
    ),
    &Attribute::file(
        row("hugepages.khugepaged_defrag", Form::flag())
            .why("whether the background thread compacts memory")
            .risk(Risk::Low, "off yields fewer huge pages"),
        "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag",
    ),
    &Attribute::file(
        row("hugepages.khugepaged_max_ptes_none", Form::integer(0, 511))
            .why("how many untouched pages may be filled with zeros to make a huge one, of 511")
            .risk(Risk::Low, "a large number wastes memory"),
        "/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none",
    ),
    &Attribute::file(
        row("hugepages.khugepaged_pages_to_scan", Form::integer(1, 1_048_576))
            .why("pages the background thread looks at in one round")
            .risk(Risk::Low, "more processor time in gusts"),
        "/sys/kernel/mm/transparent_hugepage/khugepaged/pages_to_scan",
    ),
    &Attribute::file(
        row("hugepages.khugepaged_scan_sleep_millisecs", Form::integer(0, i32::MAX as i64))
            .why("how long the background thread rests between rounds, in milliseconds")
            .risk(Risk::Low, "a long rest yields fewer huge pages"),
        "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
    ),
    &Attribute::file(
        row("hugepages.ksm_run", Form::integer(0, 2))
            .why("whether equal pages of different programs are shared, by scanning memory; 2 takes the sharing back")
            .risk(Risk::Low, "0 and 2 use more memory on hosts of virtual machines; 0 leaves what is shared as it is")
            .from("kernel Documentation/admin-guide/mm/ksm.rst"),
        "/sys/kernel/mm/ksm/run",
    ),
];
