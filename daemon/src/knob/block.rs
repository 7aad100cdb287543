//! Request queues of disks: /sys/block/DEVICE/queue.

use super::attribute::Attribute;
use super::spec::{Class, Identity, Risk};
use super::{Form, Knob, Spec};

const SOURCE: &str = "kernel Documentation/ABI/stable/sysfs-block";
/// Not disks: a profile means them only by name.
const SKIPS: &[&str] = &["loop*", "ram*", "zram*", "sr*", "fd*", "dm-*", "md*"];

const fn row(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(SOURCE).per_device(Identity::Disk, SKIPS)
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        row("block.scheduler", Form::Word)
            .why("who orders requests: none leaves it to a fast device, mq-deadline bounds the wait of a slow one")
            .risk(Risk::Low, "the queue is drained for the change; the kernel resets nr_requests and throttling with it")
            .disturbs(&["block.nr_requests", "block.wbt_lat_usec"]),
        "/sys/block/*/queue/scheduler",
    )
    .marked(),
    &Attribute::file(
        row("block.nr_requests", Form::integer(4, 1_048_576))
            .why("requests the queue holds before writers wait")
            .risk(Risk::Low, "more of them make each wait longer; a device without scheduler takes no more than its own depth"),
        "/sys/block/*/queue/nr_requests",
    ),
    &Attribute::file(
        // Read-ahead is kept in pages: on kernels with pages of 4 KiB, multiples of 4 come back as written.
        row("block.read_ahead_kb", Form::Integer { min: 0, max: 1_048_576, step: 4 })
            .why("how much is read in advance of a sequential reader, in KiB")
            .risk(Risk::Low, "random readers drag in pages that nobody wants; direct input ignores it"),
        "/sys/block/*/queue/read_ahead_kb",
    ),
    &Attribute::file(
        row("block.rq_affinity", Form::integer(0, 2))
            .why("where a request completes: 1 in the submitter's group, 2 on the very CPU that submitted it")
            .risk(Risk::Low, "2 may cost an interrupt between processors"),
        "/sys/block/*/queue/rq_affinity",
    ),
    &Attribute::file(
        row("block.nomerges", Form::integer(0, 2))
            .why("how hard adjacent requests are joined: 0 fully, 1 simply, 2 not at all")
            .risk(Risk::Low, "a slow disk profits from joining"),
        "/sys/block/*/queue/nomerges",
    ),
    &Attribute::file(
        row("block.add_random", Form::flag())
            .why("whether completions feed the random number pool")
            .risk(Risk::Low, "less entropy on a machine without a hardware generator"),
        "/sys/block/*/queue/add_random",
    ),
    &Attribute::file(
        row("block.iostats", Form::flag())
            .why("whether requests are counted and timed")
            .risk(Risk::Low, "iostat and /proc/diskstats show nothing when off"),
        "/sys/block/*/queue/iostats",
    ),
    &Attribute::file(
        row("block.wbt_lat_usec", Form::integer(0, 10_000_000))
            .why("the read latency that throttles background writing, in microseconds; 0 is no throttling")
            .risk(Risk::Low, "a flood of writes delays reads when off")
            // Writing even the same value tells the kernel that a person chose it, which no write takes back.
            .class(Class::BestEffort),
        "/sys/block/*/queue/wbt_lat_usec",
    ),
];
