//! Receive polling and queues of network interfaces: /sys/class/net.

use super::attribute::Attribute;
use super::identity::Identity;
use super::spec::{Class, Risk};
use super::{Form, Knob, KnobError, Spec};
use crate::root::Root;

const CONF: &str = "kernel Documentation/networking/ip-sysctl.rst, conf/INTERFACE";
const SOURCE: &str = "kernel Documentation/networking/napi.rst";
/// Interfaces without hardware: a profile means them only by name.
pub(super) const SKIPS: &[&str] = &["lo", "veth*", "docker*", "br-*", "virbr*", "tap*", "tun*"];

/// The interfaces of the machine; /sys/class/net also holds plain files (`bonding_masters`).
pub(super) fn interfaces(root: &Root) -> Result<Vec<String>, KnobError> {
    let mut interfaces = Vec::new();
    for name in root.list("/sys/class/net")? {
        if root.exists(&format!("/sys/class/net/{name}/ifindex"))? {
            interfaces.push(name);
        }
    }
    Ok(interfaces)
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        Spec::new("nic.napi_defer_hard_irqs", Form::integer(0, i32::MAX as i64))
            .why("empty polls before the interface interrupts again; with gro_flush_timeout it batches interrupts")
            .risk(Risk::Medium, "packets wait up to gro_flush_timeout when the program does not poll")
            .from(SOURCE)
            .per_device(Identity::Interface, SKIPS),
        "/sys/class/net/*/napi_defer_hard_irqs",
    ),
    &Attribute::file(
        Spec::new("nic.gro_flush_timeout", Form::integer(0, 1_000_000_000))
            .why("how long deferred interrupts wait, in nanoseconds")
            .risk(Risk::Medium, "packets wait that long when the program does not poll")
            .from(SOURCE)
            .per_device(Identity::Interface, SKIPS),
        "/sys/class/net/*/gro_flush_timeout",
    ),
    &Attribute::file(
        Spec::new("nic.tx_queue_len", Form::integer(1, 1_000_000))
            .why("packets that wait to be sent before they are dropped")
            .risk(Risk::Low, "a longer queue delays instead of dropping")
            .from("kernel Documentation/ABI/testing/sysfs-class-net")
            .per_device(Identity::Interface, SKIPS),
        "/sys/class/net/*/tx_queue_len",
    ),
    &Attribute::file(
        Spec::new("nic.threaded", Form::integer(0, 2))
            .why("whether receiving runs in a thread of its own, which can be placed and given a priority; 2 makes it poll")
            .risk(Risk::Medium, "each batch waits for the scheduler; a thread that polls takes a processor")
            .from(SOURCE)
            .per_device(Identity::Interface, SKIPS),
        "/sys/class/net/*/threaded",
    ),
    &Attribute::file(
        Spec::new("nic.mtu", Form::integer(68, 65_536))
            .why("the largest packet, in bytes; large ones carry more per interrupt")
            .risk(Risk::High, "the whole path must agree; drivers take the link down for the change")
            .from("kernel Documentation/ABI/testing/sysfs-class-net")
            .class(Class::Disruptive)
            .per_device(Identity::Interface, SKIPS),
        "/sys/class/net/*/mtu",
    ),
    &Attribute::file(
        Spec::new("nic.rp_filter", Form::integer(0, 2))
            .why("whether packets are dropped whose answer would leave by another interface: 0 not, 1 strictly, 2 only those of nowhere")
            .risk(Risk::Medium, "1 drops multicast and traffic by two ways; the larger of this and of net.ipv4.conf.all.rp_filter counts")
            .from(CONF)
            .per_device(Identity::Interface, SKIPS),
        "/proc/sys/net/ipv4/conf/*/rp_filter",
    ),
    &Attribute::file(
        Spec::new("nic.arp_ignore", Form::integer(0, 8))
            .why("which questions for addresses are answered here: 0 all of this machine's, 1 those of this interface")
            .risk(Risk::Medium, "8 answers nothing; the larger of this and of net.ipv4.conf.all.arp_ignore counts")
            .from(CONF)
            .per_device(Identity::Interface, SKIPS),
        "/proc/sys/net/ipv4/conf/*/arp_ignore",
    ),
    &Attribute::file(
        Spec::new("nic.arp_announce", Form::integer(0, 2))
            .why("which address of its own the machine names when it asks here: 0 any, 1 and 2 the one that fits the network")
            .risk(Risk::Low, "the larger of this and of net.ipv4.conf.all.arp_announce counts")
            .from(CONF)
            .per_device(Identity::Interface, SKIPS),
        "/proc/sys/net/ipv4/conf/*/arp_announce",
    ),
    &Attribute::file(
        Spec::new("nic.power_control", Form::Choice(&["auto", "on"]))
            .why("whether the interface may be suspended while it is idle; on keeps it awake")
            .risk(Risk::Low, "on costs power")
            .from("kernel Documentation/ABI/testing/sysfs-devices-power")
            .per_device(Identity::Interface, SKIPS),
        "/sys/class/net/*/device/power/control",
    ),
];
