//! Memory beyond the common parameters of /proc/sys/vm: reserves, merging of equal pages, compressed cache, huge pages
//! of several sizes.

use super::attribute::Attribute;
use super::identity::Identity;
use super::spec::Class::BestEffort;
use super::spec::Risk::{High, Low, Medium};
use super::{Form, Knob, Spec};

const VM: &str = "kernel Documentation/admin-guide/sysctl/vm.rst";
const KSM: &str = "kernel Documentation/admin-guide/mm/ksm.rst";
const ZSWAP: &str = "kernel Documentation/admin-guide/mm/zswap.rst";
const HUGE: &str = "kernel Documentation/admin-guide/mm/transhuge.rst";
const MAX: i64 = i32::MAX as i64;
/// How a module shows a switch.
const YES: Form = Form::Choice(&["Y", "N"]);

const fn vm(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(VM)
}

const fn ksm(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(KSM)
}

const fn zswap(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(ZSWAP)
}

const fn sizes(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(HUGE).per_device(Identity::Machine, &[])
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    // Pages of a size before the reserve that the kernel fits to them.
    &Attribute::file(
        sizes("mthp.enabled", Form::Choice(&["always", "inherit", "madvise", "never"]))
            .why("whether programs get pages of this size, `mthp.hugepages-64kB.enabled`; inherit follows hugepages.enabled")
            .risk(Medium, "always wastes memory in sparse programs")
            .disturbs(&["vm.min_free_kbytes"]),
        "/sys/kernel/mm/transparent_hugepage/*/enabled",
    )
    .marked(),
    &Attribute::file(
        sizes(
            "mthp.shmem_enabled",
            Form::Choice(&["always", "inherit", "within_size", "advise", "never"]),
        )
        .why("whether shared memory gets pages of this size")
        .risk(Medium, "always wastes memory in small files")
        .disturbs(&["vm.min_free_kbytes"]),
        "/sys/kernel/mm/transparent_hugepage/*/shmem_enabled",
    )
    .marked(),
    &Attribute::file(
        Spec::new("hugepages.khugepaged_alloc_sleep_millisecs", Form::integer(0, MAX))
            .why("how long the background thread rests after it found no room, in milliseconds")
            .risk(Low, "a long rest yields fewer huge pages")
            .from(HUGE),
        "/sys/kernel/mm/transparent_hugepage/khugepaged/alloc_sleep_millisecs",
    ),
    &Attribute::file(
        Spec::new("hugepages.khugepaged_max_ptes_swap", Form::integer(0, 511))
            .why("how many swapped pages may be read back to make a huge one, of 511")
            .risk(Low, "a large number reads from swap what nobody asked for")
            .from(HUGE),
        "/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_swap",
    ),
    &Attribute::file(
        Spec::new("hugepages.khugepaged_max_ptes_shared", Form::integer(0, 511))
            .why("how many pages shared between processes may be copied to make a huge one, of 511")
            .risk(Low, "a large number copies what was shared")
            .from(HUGE),
        "/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_shared",
    ),
    &Attribute::file(
        Spec::new("hugepages.shrink_underused", Form::flag())
            .why("whether huge pages that are mostly zeros are split when memory is short")
            .risk(Low, "0 keeps the waste, 1 costs a scan under pressure")
            .from(HUGE),
        "/sys/kernel/mm/transparent_hugepage/shrink_underused",
    ),
    &Attribute::sysctl(
        vm("vm.overcommit_kbytes", Form::integer(0, i64::MAX))
            .why("memory that counts when overcommit_memory is 2, in KiB; another than 0 replaces overcommit_ratio")
            .risk(Medium, "only meaningful with overcommit_memory 2")
            .disturbs(&["vm.overcommit_ratio"]),
    ),
    &Attribute::sysctl(
        vm("vm.admin_reserve_kbytes", Form::integer(0, MAX))
            .why("memory kept for the administrator's programs when overcommit_memory is 2, in KiB")
            .risk(Medium, "0 may leave nobody able to log in"),
    ),
    &Attribute::sysctl(
        vm("vm.user_reserve_kbytes", Form::integer(0, MAX))
            .why("memory kept for other programs of the same user when overcommit_memory is 2, in KiB")
            .risk(Low, "0 lets one program take all"),
    ),
    &Attribute::sysctl(
        vm("vm.extfrag_threshold", Form::integer(0, 1_000))
            .why("from which fragmentation memory is put together rather than reclaimed")
            .risk(Low, "a small number puts memory together more often"),
    ),
    &Attribute::sysctl(
        vm("vm.page_lock_unfairness", Form::integer(0, 1_000))
            .why("how often a page lock may be taken before those who wait longer")
            .risk(Low, "0 is fair and slow under contention"),
    ),
    &Attribute::sysctl(
        vm("vm.percpu_pagelist_high_fraction", Form::integer(0, 1_000_000))
            .why("what part of a zone each CPU may keep in lists of its own: larger lists meet the zone's lock more rarely")
            .risk(Low, "memory that others cannot take at once; the kernel refuses 1 to 7, and 0 is its own choice"),
    ),
    &Attribute::sysctl(
        vm("vm.min_unmapped_ratio", Form::integer(0, 100))
            .why("below which share of file pages a node is not reclaimed, in per cent; with zone_reclaim_mode")
            .risk(Low, "only meaningful with zone_reclaim_mode"),
    ),
    &Attribute::sysctl(
        vm("vm.min_slab_ratio", Form::integer(0, 100))
            .why("above which share of kernel objects a node is reclaimed, in per cent; with zone_reclaim_mode")
            .risk(Low, "only meaningful with zone_reclaim_mode"),
    ),
    &Attribute::sysctl(
        vm("vm.oom_kill_allocating_task", Form::flag())
            .why("whether the program that asked is killed when memory runs out, instead of a search for the largest")
            .risk(Medium, "1 may kill a small and important program"),
    ),
    &Attribute::sysctl(
        vm("vm.oom_dump_tasks", Form::flag())
            .why("whether all tasks are logged when memory runs out; on a large machine that takes long")
            .risk(Low, "0 leaves less to find the cause by"),
    ),
    &Attribute::sysctl(
        vm("vm.panic_on_oom", Form::integer(0, 2))
            .why("whether the machine stops when memory runs out, for a cluster that has others")
            .risk(High, "another than 0 takes the whole machine down"),
    ),
    &Attribute::sysctl(
        vm("vm.dirtytime_expire_seconds", Form::integer(0, 31_536_000))
            .why("the age at which changed time stamps of files are written, with lazytime, in seconds")
            .risk(Low, "more of them are lost in a power cut"),
    ),
    &Attribute::sysctl(
        vm("vm.hugetlb_optimize_vmemmap", Form::flag())
            .why("whether the kernel gives back its own records of reserved huge pages: 7 of 8 pages of them")
            .risk(Low, "1 makes taking and returning huge pages slower"),
    ),
    &Attribute::sysctl(
        vm("vm.nr_overcommit_hugepages", Form::integer(0, 16_777_216))
            .why("huge pages of the default size that may be made beyond the reserve when they are asked for")
            .risk(Low, "making them then may fail or stall"),
    ),
    &Attribute::file(
        ksm("hugepages.ksm_pages_to_scan", Form::integer(0, MAX))
            .why("how many pages the search for equal ones looks at before it rests")
            .risk(Low, "more processor time in gusts"),
        "/sys/kernel/mm/ksm/pages_to_scan",
    ),
    &Attribute::file(
        ksm("hugepages.ksm_sleep_millisecs", Form::integer(0, MAX))
            .why("how long the search for equal pages rests, in milliseconds")
            .risk(Low, "0 never rests"),
        "/sys/kernel/mm/ksm/sleep_millisecs",
    ),
    &Attribute::file(
        ksm("hugepages.ksm_merge_across_nodes", Form::flag())
            .why("whether equal pages of different NUMA nodes become one")
            .risk(Low, "1 makes one node read another's memory; it changes only while no page is shared (run 2 first)"),
        "/sys/kernel/mm/ksm/merge_across_nodes",
    ),
    &Attribute::file(
        zswap("zswap.compressor", Form::Choice(&["842", "deflate", "lz4", "lz4hc", "lzo", "lzo-rle", "zstd"]))
            .why("how pages on their way to swap are compressed")
            .risk(Low, "naming one that is not loaded loads its module, which stays")
            .class(BestEffort),
        "/sys/module/zswap/parameters/compressor",
    ),
    &Attribute::file(
        zswap("zswap.max_pool_percent", Form::integer(0, 100))
            .why("how much memory compressed pages may take, in per cent")
            .risk(Medium, "too much leaves programs less than they would have without"),
        "/sys/module/zswap/parameters/max_pool_percent",
    ),
    &Attribute::file(
        zswap("zswap.accept_threshold_percent", Form::integer(0, 100))
            .why("how empty the full pool has to become before it takes pages again, in per cent")
            .risk(Low, "100 flutters at the limit"),
        "/sys/module/zswap/parameters/accept_threshold_percent",
    ),
    &Attribute::file(
        zswap("zswap.shrinker_enabled", YES)
            .why("whether compressed pages that nobody reads are written out before the pool is full")
            .risk(Low, "writes to the disk under memory pressure"),
        "/sys/module/zswap/parameters/shrinker_enabled",
    ),
    &Attribute::file(
        zswap("zswap.enabled", YES)
            .why("whether pages on their way to swap are kept in memory, compressed")
            .risk(Medium, "compression takes the processor from others; what is compressed stays so until it is read")
            .class(BestEffort),
        "/sys/module/zswap/parameters/enabled",
    ),
];
