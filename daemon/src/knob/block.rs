//! Request queues of disks: /sys/block/DEVICE/queue.

use super::attribute::Attribute;
use super::identity::Identity;
use super::spec::{Class, Risk};
use super::{Form, Knob, Spec};

const SOURCE: &str = "kernel Documentation/ABI/stable/sysfs-block";
/// Not disks: a profile means them only by name.
pub(super) const SKIPS: &[&str] = &["loop*", "ram*", "zram*", "sr*", "fd*", "dm-*", "md*"];

/// What a change of the scheduler changes: depth and throttling of the queue, and what the old and the new scheduler
/// can be told (`iosched`).
const DISTURBED: &[&str] = &[
    "block.nr_requests",
    "block.wbt_lat_usec",
    "block.iosched.read_expire",
    "block.iosched.write_expire",
    "block.iosched.writes_starved",
    "block.iosched.front_merges",
    "block.iosched.fifo_batch",
    "block.iosched.prio_aging_expire",
    "block.iosched.read_lat_nsec",
    "block.iosched.write_lat_nsec",
    "block.iosched.low_latency",
    "block.iosched.slice_idle",
    "block.iosched.strict_guarantees",
    "block.iosched.timeout_sync",
];

const fn row(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(SOURCE).per_device(Identity::Disk, SKIPS)
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        row("block.scheduler", Form::Word)
            .why("who orders requests: none leaves it to a fast device, mq-deadline bounds the wait of a slow one")
            .risk(Risk::Low, "the queue is drained for the change; the kernel resets nr_requests and throttling with it")
            .disturbs(DISTURBED),
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
    &Attribute::file(
        row("block.max_sectors_kb", Form::integer(1, 1_048_576))
            .why("the largest request that is sent to the device, in KiB")
            .risk(Risk::Low, "large requests make small ones wait")
            // The kernel keeps beside the value that a person chose it, which no write of a value takes back.
            .class(Class::BestEffort),
        "/sys/block/*/queue/max_sectors_kb",
    )
    .at_most_in("/sys/block/*/queue/max_hw_sectors_kb"),
    &Attribute::file(
        row("block.discard_max_bytes", Form::integer(0, i64::MAX))
            .why("the largest discard that is sent at once; smaller ones stall a flash disk for less long")
            .risk(Risk::Low, "0 switches discarding off; the kernel takes only multiples of discard_granularity")
            .class(Class::BestEffort),
        "/sys/block/*/queue/discard_max_bytes",
    )
    .at_most_in("/sys/block/*/queue/discard_max_hw_bytes"),
    &Attribute::file(
        row("block.iostats_passthrough", Form::flag())
            .why("whether requests that programs send past the file system are counted too")
            .risk(Risk::Low, "counting takes time"),
        "/sys/block/*/queue/iostats_passthrough",
    ),
    &Attribute::file(
        row("block.io_poll", Form::flag())
            .why("whether a program may wait for a request by polling; since Linux 5.16 the driver decides (nvme.poll_queues)")
            .risk(Risk::Low, "newer kernels take the write and change nothing, which is reported"),
        "/sys/block/*/queue/io_poll",
    ),
    &Attribute::file(
        row("block.io_poll_delay", Form::integer(-1, 1_000_000))
            .why("how long a polling program sleeps first, in microseconds: -1 not at all, 0 half of the usual time")
            .risk(Risk::Low, "newer kernels (6.4) take the write and change nothing, which is reported"),
        "/sys/block/*/queue/io_poll_delay",
    ),
    &Attribute::file(
        row("block.queue_depth", Form::integer(1, 65_535))
            .why("requests that a SCSI or SATA disk holds itself")
            .risk(Risk::Low, "1 makes the disk work in order; more let a disk that seeks delay single requests")
            .from("kernel Documentation/ABI/stable/sysfs-block"),
        "/sys/block/*/device/queue_depth",
    ),
    &Attribute::file(
        row("block.power_control", Form::Choice(&["auto", "on"]))
            .why("whether the disk may be suspended while it is idle; on keeps it awake")
            .risk(Risk::Low, "on costs power")
            .from("kernel Documentation/ABI/testing/sysfs-devices-power"),
        "/sys/block/*/device/power/control",
    ),
];
