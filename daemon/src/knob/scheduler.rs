//! The scheduler's own numbers: /sys/kernel/debug/sched, and /proc/sys/kernel before Linux 5.13.
//!
//! Linux 6.6 replaced the fair scheduler by EEVDF, which knows one slice (`base_slice_ns`) where the older one knew
//! three. Nothing is translated between them, as none means the same: a profile names what it wants of each, and
//! what a kernel does not have is absent there.

use super::attribute::Attribute;
use super::spec::Risk::{High, Low, Medium};
use super::{Form, Knob, Spec};

const DEBUG: &str = "kernel Documentation/scheduler/sched-debug.rst";
const EEVDF: &str = "kernel Documentation/scheduler/sched-eevdf.rst";
const KERNEL: &str = "kernel Documentation/admin-guide/sysctl/kernel.rst";
const CLAMP: &str = "kernel Documentation/scheduler/sched-util-clamp.rst";
/// The kernel's own bounds for slices and granularities: 100 microseconds to a second.
const SLICE: Form = Form::integer(100_000, 1_000_000_000);
const U32: i64 = u32::MAX as i64;
const DEBUGFS: &str = "debugfs is for root alone, and a locked-down kernel refuses it";

const fn debug(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(DEBUG).since(5, 13)
}

const fn old(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from("kernel kernel/sysctl.c of Linux 5.10").until(5, 13)
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        debug("scheduler.tunable_scaling", Form::integer(0, 2))
            .why("how slices grow with the number of CPUs: 0 not, 1 logarithmically, 2 linearly")
            .risk(Low, "counts from the next time a CPU goes offline or online"),
        "/sys/kernel/debug/sched/tunable_scaling",
    ),
    &Attribute::file(
        debug("scheduler.base_slice_ns", SLICE)
            .why("how long a task may run before another that waits gets its turn, in nanoseconds")
            .risk(Medium, "a long slice lets others wait, a short one switches often; a CPU that goes offline or online resets it")
            .from(EEVDF)
            .since(6, 6),
        "/sys/kernel/debug/sched/base_slice_ns",
    ),
    &Attribute::file(
        debug("scheduler.latency_ns", SLICE)
            .why("the time in which each task that waits gets a turn, in nanoseconds")
            .risk(Medium, "long is good for throughput and bad for whoever waits")
            .until(6, 6),
        "/sys/kernel/debug/sched/latency_ns",
    ),
    &Attribute::file(
        debug("scheduler.min_granularity_ns", SLICE)
            .why("how long a task runs at least, in nanoseconds")
            .risk(Medium, "long is good for caches and bad for whoever waits")
            .until(6, 6),
        "/sys/kernel/debug/sched/min_granularity_ns",
    ),
    &Attribute::file(
        debug("scheduler.wakeup_granularity_ns", Form::integer(0, 1_000_000_000))
            .why("how much a task that wakes must be ahead to replace the one that runs, in nanoseconds")
            .risk(Medium, "long protects the one that runs, short the one that wakes")
            .until(6, 6),
        "/sys/kernel/debug/sched/wakeup_granularity_ns",
    ),
    &Attribute::file(
        debug("scheduler.migration_cost_ns", Form::integer(0, U32))
            .why("how long a task counts as warm in the cache of its CPU, in nanoseconds")
            .risk(Low, "a large number keeps tasks where they are while other CPUs idle"),
        "/sys/kernel/debug/sched/migration_cost_ns",
    ),
    &Attribute::file(
        debug("scheduler.nr_migrate", Form::integer(1, 1_024))
            .why("how many tasks one round of balancing may move, with interrupts off")
            .risk(Low, "a large number delays interrupts, a small one balances slowly"),
        "/sys/kernel/debug/sched/nr_migrate",
    ),
    &Attribute::file(
        debug("scheduler.preempt", Form::Word)
            .why("where the kernel lets itself be interrupted for another task: none, voluntary, full, lazy")
            .risk(Medium, DEBUGFS)
            .from("kernel Documentation/admin-guide/kernel-parameters.txt, preempt="),
        "/sys/kernel/debug/sched/preempt",
    )
    .parenthesised(),
    &Attribute::sysctl(
        old("kernel.sched_latency_ns", SLICE)
            .why("the time in which each task that waits gets a turn, in nanoseconds")
            .risk(Medium, "long is good for throughput and bad for whoever waits"),
    ),
    &Attribute::sysctl(
        old("kernel.sched_min_granularity_ns", SLICE)
            .why("how long a task runs at least, in nanoseconds")
            .risk(Medium, "long is good for caches and bad for whoever waits"),
    ),
    &Attribute::sysctl(
        old("kernel.sched_wakeup_granularity_ns", Form::integer(0, 1_000_000_000))
            .why("how much a task that wakes must be ahead to replace the one that runs, in nanoseconds")
            .risk(Medium, "long protects the one that runs, short the one that wakes"),
    ),
    &Attribute::sysctl(
        old("kernel.sched_migration_cost_ns", Form::integer(0, U32))
            .why("how long a task counts as warm in the cache of its CPU, in nanoseconds")
            .risk(Low, "a large number keeps tasks where they are while other CPUs idle"),
    ),
    &Attribute::sysctl(
        old("kernel.sched_nr_migrate", Form::integer(1, 1_024))
            .why("how many tasks one round of balancing may move, with interrupts off")
            .risk(Low, "a large number delays interrupts, a small one balances slowly"),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.sched_cfs_bandwidth_slice_us", Form::integer(1, 1_000_000))
            .why("how much of a group's processor time one CPU takes at a time, in microseconds")
            .risk(Low, "small means more traffic between CPUs, large leaves time unused on them")
            .from("kernel Documentation/scheduler/sched-bwc.rst"),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.sched_rr_timeslice_ms", Form::integer(1, 10_000))
            .why("the turn of a real-time task of the policy SCHED_RR, in milliseconds")
            .risk(Low, "long lets others of the same priority wait")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.sched_energy_aware", Form::flag())
            .why("whether tasks are placed where they cost least energy, on processors with unlike cores")
            .risk(Low, "off costs power, on may cost speed")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.sched_util_clamp_min_rt_default", Form::integer(0, 1_024))
            .why("the load that real-time tasks claim of the frequency governor, of 1024")
            .risk(Low, "below 1024 real-time tasks may run at a low frequency")
            .from(CLAMP)
            .since(5, 9),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.split_lock_mitigate", Form::flag())
            .why("whether a program that locks across a cache line is slowed down on purpose")
            .risk(Medium, "off lets such a program stall every other CPU")
            .from(KERNEL)
            .since(6, 2),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.task_delayacct", Form::flag())
            .why("whether the time that tasks wait is measured on each switch")
            .risk(Low, "iotop shows nothing when off")
            .from(KERNEL)
            .since(5, 14),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.bpf_stats_enabled", Form::flag())
            .why("whether the runs of BPF programs are timed")
            .risk(Low, "on costs time on each run")
            .from(KERNEL),
    ),
    &Attribute::sysctl(
        Spec::new("kernel.io_uring_disabled", Form::integer(0, 2))
            .why("who may use io_uring: 0 everybody, 1 root and a group, 2 nobody")
            .risk(High, "0 opens a large interface of the kernel to every program; 2 takes fast input from them")
            .from(KERNEL)
            .since(6, 6),
    ),
];
