//! What ethtool(8) sets of a network interface: queues, rings, interrupt gathering, flow control, offloads.
//!
//! The names are ethtool's (`nic.eth0.coalesce.rx-usecs`), those of offloads the kernel's
//! (`nic.eth0.feature.rx-lro`). The order is that in which drivers want them: queues first, as a change of their
//! number makes rings anew; whether interrupts adapt before how they are gathered.
//!
//! Drivers round: a ring to a multiple of its step, a time to the ticks of the device. What the driver made of a
//! value counts as that value, within the bounds of [`Rounding`], and is what a rollback compares with.
//!
//! A table and nothing else, hence its length.

mod offload;
mod setting;

use super::identity::Identity;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob};
use crate::root::Group;
use offload::Offload;
use setting::{Rounding, Setting};

const SOURCE: &str = "ethtool(8); kernel Documentation/networking/ethtool-netlink.rst";
const SKIPS: &[&str] = super::nic::SKIPS;
const U32: i64 = u32::MAX as i64;
const FEATURE: &str = "`on` or `off`";

const fn spec(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(SOURCE).per_device(Identity::Interface, SKIPS)
}

const fn channels(setting: &'static str, name: &'static str, why: &'static str) -> Setting {
    let spec = spec(name, Form::IntegerOr { min: 0, max: U32, word: "max" })
        .why(why)
        .risk(
            Risk::Medium,
            "the link is down for up to seconds, and the driver makes its table that spreads packets anew",
        )
        .disturbs(&["nic.rps_cpus", "nic.rps_flow_cnt", "nic.xps_cpus"])
        .class(Class::Disruptive);
    Setting { spec, group: Group::Channels, name: setting, rounding: Rounding::None }
}

const fn ring(setting: &'static str, name: &'static str, why: &'static str) -> Setting {
    let spec = spec(name, Form::IntegerOr { min: 1, max: U32, word: "max" })
        .why(why)
        .risk(
            Risk::Medium,
            "the link is down for up to seconds; a long ring leaves the cache, a short one drops",
        )
        .class(Class::Disruptive);
    Setting { spec, group: Group::Ring, name: setting, rounding: Rounding::Up }
}

const fn gather(setting: &'static str, name: &'static str, why: &'static str, rounding: Rounding) -> Setting {
    let spec = spec(name, Form::integer(0, U32)).why(why).risk(
        Risk::Medium,
        "0 or 1 interrupts for every packet: more work for the processor, a lower peak rate",
    );
    Setting { spec, group: Group::Coalesce, name: setting, rounding }
}

const fn wait(setting: &'static str, name: &'static str, why: &'static str) -> Setting {
    gather(setting, name, why, Rounding::Ticks)
}

/// Packets are counted as they are told.
const fn share(setting: &'static str, name: &'static str, why: &'static str) -> Setting {
    gather(setting, name, why, Rounding::None)
}

const fn flag(group: Group, setting: &'static str, spec: Spec) -> Setting {
    Setting { spec, group, name: setting, rounding: Rounding::None }
}

const fn offload(
    feature: &'static str,
    name: &'static str,
    why: &'static str,
    caution: &'static str,
) -> Offload {
    let spec = spec(name, Form::Special(FEATURE)).why(why).risk(Risk::Low, caution);
    Offload { spec, name: feature }
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &channels(
        "combined",
        "nic.channels.combined",
        "queues that both receive and send; as many as there are processors to serve them, or `max`",
    ),
    &channels("rx", "nic.channels.rx", "queues that only receive"),
    &channels("tx", "nic.channels.tx", "queues that only send"),
    &ring(
        "rx",
        "nic.ring.rx",
        "descriptors of a receive ring: packets that may wait for the processor, or `max`",
    ),
    &ring("tx", "nic.ring.tx", "descriptors of a send ring: packets that may wait for the wire, or `max`"),
    &flag(
        Group::Coalesce,
        "adaptive-rx",
        spec("nic.coalesce.adaptive-rx", Form::flag())
            .why("whether the driver fits the gathering of receive interrupts to the traffic")
            .risk(Risk::Low, "1 makes the latency depend on the traffic before; 0 leaves rx-usecs in force")
            .disturbs(&["nic.coalesce.rx-usecs", "nic.coalesce.rx-frames"]),
    ),
    &flag(
        Group::Coalesce,
        "adaptive-tx",
        spec("nic.coalesce.adaptive-tx", Form::flag())
            .why("whether the driver fits the gathering of send interrupts to the traffic")
            .risk(Risk::Low, "1 makes the latency depend on the traffic before; 0 leaves tx-usecs in force")
            .disturbs(&["nic.coalesce.tx-usecs", "nic.coalesce.tx-frames"]),
    ),
    &wait(
        "rx-usecs",
        "nic.coalesce.rx-usecs",
        "how long a received packet may wait for its interrupt, in microseconds",
    ),
    &share("rx-frames", "nic.coalesce.rx-frames", "how many received packets share an interrupt"),
    &wait(
        "rx-usecs-irq",
        "nic.coalesce.rx-usecs-irq",
        "the same time while an interrupt is being served, in microseconds",
    ),
    &share(
        "rx-frames-irq",
        "nic.coalesce.rx-frames-irq",
        "the same number of packets while an interrupt is being served",
    ),
    &wait(
        "tx-usecs",
        "nic.coalesce.tx-usecs",
        "how long the end of a sent packet may go unreported, in microseconds",
    ),
    &share("tx-frames", "nic.coalesce.tx-frames", "how many sent packets share an interrupt"),
    &wait(
        "tx-usecs-irq",
        "nic.coalesce.tx-usecs-irq",
        "the same time while an interrupt is being served, in microseconds",
    ),
    &share(
        "tx-frames-irq",
        "nic.coalesce.tx-frames-irq",
        "the same number of packets while an interrupt is being served",
    ),
    &flag(
        Group::Coalesce,
        "cqe-mode-rx",
        spec("nic.coalesce.cqe-mode-rx", Form::flag())
            .why("whether the receive timer starts again with each completion rather than with the first")
            .risk(Risk::Low, "1 may hold a steady trickle of packets for longer"),
    ),
    &flag(
        Group::Coalesce,
        "cqe-mode-tx",
        spec("nic.coalesce.cqe-mode-tx", Form::flag())
            .why("whether the send timer starts again with each completion rather than with the first")
            .risk(Risk::Low, "1 may hold a steady trickle of packets for longer"),
    ),
    &flag(
        Group::Pause,
        "autoneg",
        spec("nic.pause.autoneg", Form::flag())
            .why("whether both ends of the cable agree on flow control")
            .risk(Risk::Medium, "the link is negotiated again")
            .class(Class::Disruptive)
            .disturbs(&["nic.pause.rx", "nic.pause.tx"]),
    ),
    &flag(
        Group::Pause,
        "rx",
        spec("nic.pause.rx", Form::flag())
            .why("whether the other end may hold our sending: it avoids loss, and stalls everything behind")
            .risk(Risk::Medium, "the link may be negotiated again; lossless Ethernet (RoCE) needs it")
            .class(Class::Disruptive),
    ),
    &flag(
        Group::Pause,
        "tx",
        spec("nic.pause.tx", Form::flag())
            .why("whether a full receive ring holds the other end's sending")
            .risk(Risk::Medium, "the link may be negotiated again; lossless Ethernet (RoCE) needs it")
            .class(Class::Disruptive),
    ),
    // A feature goes off with one that it needs: checksums and scatter-gather before what rests on them.
    &Offload {
        spec: spec("nic.feature.rx-checksum", Form::Special(FEATURE))
            .why("whether the interface checks the sums of received packets")
            .risk(
                Risk::Medium,
                "off costs the processor a pass over each packet and takes rx-lro and rx-gro-hw with it",
            )
            .disturbs(&["nic.feature.rx-lro", "nic.feature.rx-gro-hw"]),
        name: "rx-checksum",
    },
    &Offload {
        spec: spec("nic.feature.tx-scatter-gather", Form::Special(FEATURE))
            .why("whether a packet may be sent from several pieces of memory")
            .risk(Risk::Medium, "off copies each packet and takes every segmentation with it")
            .disturbs(&[
                "nic.feature.tx-tcp-segmentation",
                "nic.feature.tx-tcp6-segmentation",
                "nic.feature.tx-generic-segmentation",
                "nic.feature.tx-udp-segmentation",
            ]),
        name: "tx-scatter-gather",
    },
    &offload(
        "rx-lro",
        "nic.feature.rx-lro",
        "whether the interface joins received TCP packets (LRO): fewer to handle, later",
        "joined packets cannot be forwarded as they came",
    ),
    &Offload {
        spec: spec("nic.feature.rx-gro", Form::Special(FEATURE))
            .why("whether the kernel joins received packets of one connection (GRO): fewer to handle, later")
            .risk(Risk::Low, "off costs throughput and takes rx-gro-hw with it")
            .disturbs(&["nic.feature.rx-gro-hw", "nic.feature.rx-gro-list"]),
        name: "rx-gro",
    },
    &offload(
        "rx-gro-hw",
        "nic.feature.rx-gro-hw",
        "whether the interface joins received packets in a way that can be taken apart again",
        "joining makes the first packet wait for the next",
    ),
    &offload(
        "rx-gro-list",
        "nic.feature.rx-gro-list",
        "whether received UDP packets are handed on as a list, for forwarding",
        "sockets on this machine get them one by one all the same",
    ),
    &offload(
        "rx-udp-gro-forwarding",
        "nic.feature.rx-udp-gro-forwarding",
        "whether received UDP packets are joined while they are forwarded",
        "packets leave in bursts",
    ),
    &offload(
        "tx-tcp-segmentation",
        "nic.feature.tx-tcp-segmentation",
        "whether the interface cuts TCP data into packets (TSO)",
        "off costs the processor much at high rates; on sends bursts",
    ),
    &offload(
        "tx-tcp6-segmentation",
        "nic.feature.tx-tcp6-segmentation",
        "whether the interface cuts TCP data into packets of IPv6",
        "off costs the processor much at high rates; on sends bursts",
    ),
    &offload(
        "tx-generic-segmentation",
        "nic.feature.tx-generic-segmentation",
        "whether the kernel cuts data into packets as late as it can (GSO)",
        "off costs the processor at high rates",
    ),
    &offload(
        "tx-udp-segmentation",
        "nic.feature.tx-udp-segmentation",
        "whether the interface cuts UDP data into packets where a program asks for it",
        "off costs the processor at high rates",
    ),
    &offload(
        "tx-nocache-copy",
        "nic.feature.tx-nocache-copy",
        "whether data to be sent is copied past the cache",
        "on leaves the cache to others and costs where the data is read again",
    ),
    &offload(
        "rx-hashing",
        "nic.feature.rx-hashing",
        "whether the interface hashes the addresses of received packets, for RPS and RFS",
        "off makes the kernel compute the hash",
    ),
    &offload(
        "rx-ntuple-filter",
        "nic.feature.rx-ntuple-filter",
        "whether connections can be steered to queues by rules, by hand or by accelerated RFS",
        "switching it off drops the rules, which switching on does not bring back",
    ),
    &offload(
        "rx-vlan-hw-parse",
        "nic.feature.rx-vlan-hw-parse",
        "whether the interface takes VLAN tags off received packets",
        "off leaves it to the processor",
    ),
    &offload(
        "hw-tc-offload",
        "nic.feature.hw-tc-offload",
        "whether the interface runs rules of traffic control itself",
        "it cannot be switched off while rules are loaded",
    ),
];
