//! What ethtool(8) sets of a network interface: queues, rings, interrupt gathering, flow control, offloads.
//!
//! The names are ethtool's (`nic.eth0.coalesce.rx-usecs`), those of offloads the kernel's
//! (`nic.eth0.feature.rx-lro`). The order is that in which drivers want them: queues first, as a change of their
//! number makes rings anew; whether interrupts adapt before how they are gathered.
//!
//! Drivers round: a ring to a multiple of its step, a time to the ticks of the device. What the driver made of a
//! value counts as that value, within the bounds of [`Rounding`], and is what a rollback compares with.

use super::form::FormError;
use super::identity::Identity;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::{Group, Root};

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

/// What a driver may make of a number and still have done what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    /// Nothing else.
    None,
    /// Up to a multiple of 64 at most, to a power of two, or to a minimum of 128 at most (rings).
    Up,
    /// To the ticks of the device, which are of one or two microseconds, or an eighth of a long time; only 0 is none.
    Ticks,
}

impl Rounding {
    fn covers(self, wanted: u32, actual: u32) -> bool {
        match self {
            _ if wanted == actual => true,
            Self::None => false,
            Self::Up if actual < wanted => false,
            Self::Up => {
                let step = actual - wanted < 64 && actual.is_multiple_of(8);
                step || wanted.checked_next_power_of_two() == Some(actual) || actual <= 128
            }
            Self::Ticks => wanted != 0 && actual != 0 && actual.abs_diff(wanted) <= (wanted / 8).max(1),
        }
    }
}

/// One number of a group.
struct Setting {
    spec: Spec,
    group: Group,
    name: &'static str,
    rounding: Rounding,
}

impl Setting {
    fn unsupported(&self, target: &str) -> KnobError {
        KnobError::Unsupported { device: target.to_owned(), setting: self.spec.name }
    }
}

impl Knob for Setting {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        super::nic::interfaces(root)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let settings = root.ethtool(target, self.group)?;
        Ok(settings.and_then(|settings| settings.get(self.name).map(u32::to_string)))
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let value = self.spec.form.canonical(asked)?;
        let Some(settings) = root.ethtool(target, self.group)? else {
            // Without the device only the form can be judged.
            let known = !target.is_empty() && root.exists(&format!("/sys/class/net/{target}"))?;
            return if known { Err(self.unsupported(target)) } else { Ok(value) };
        };
        let now = *settings.get(self.name).ok_or_else(|| self.unsupported(target))?;
        let bound = settings.get(&format!("{}-max", self.name)).copied();
        let max = bound.unwrap_or(u32::MAX);
        let Ok(wanted) = value.parse::<u32>() else {
            return Ok(bound.ok_or_else(|| self.unsupported(target))?.to_string());
        };
        if wanted > max {
            let (given, max) = (i64::from(wanted), i64::from(max));
            return Err(FormError::Range { given, min: 0, max }.into());
        }
        // What the driver made of this value before is this value.
        Ok(if self.rounding.covers(wanted, now) { now.to_string() } else { value })
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let number = value.parse().map_err(|_| FormError::NotInteger { given: value.to_owned() })?;
        Ok(root.ethtool_set(target, self.group, self.name, number)?)
    }

    fn is_effect(&self, wanted: &str, actual: &str) -> bool {
        let pair = wanted.parse().ok().zip(actual.parse().ok());
        pair.is_some_and(|(wanted, actual)| self.rounding.covers(wanted, actual))
    }
}

/// One feature.
///
/// Its value says both whether it is on and whether it was asked for where the two differ: a feature that is off only
/// because another one is comes on again with that one, and the original must keep this.
struct Offload {
    spec: Spec,
    name: &'static str,
}

const OFF_REQUESTED: &str = "off, requested on";
const ON_REQUESTED: &str = "on, requested off";

impl Knob for Offload {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        super::nic::interfaces(root)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let features = root.features(target)?;
        let feature = features.and_then(|features| features.get(self.name).copied());
        let value =
            feature.filter(|feature| !feature.fixed).map(|feature| match (feature.active, feature.wanted) {
                (true, true) => "on",
                (false, false) => "off",
                (false, true) => OFF_REQUESTED,
                (true, false) => ON_REQUESTED,
            });
        Ok(value.map(str::to_owned))
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let value = Form::Choice(&["on", "off"]).canonical(asked)?;
        // Without the device only the form can be judged.
        let Some(features) = root.features(target)? else { return Ok(value) };
        if features.get(self.name).is_some_and(|feature| !feature.fixed) {
            return Ok(value);
        }
        Err(KnobError::Unsupported { device: target.to_owned(), setting: self.spec.name })
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let wanted = match value {
            "on" | OFF_REQUESTED => true,
            "off" | ON_REQUESTED => false,
            _ => return Err(FormError::Special { given: value.to_owned(), expected: FEATURE }.into()),
        };
        Ok(root.set_feature(target, self.name, wanted)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drivers_make_of_numbers() {
        for (wanted, actual) in [(1000, 1000), (1001, 1008), (1000, 1024), (16, 80), (513, 1024)] {
            assert!(Rounding::Up.covers(wanted, actual), "{wanted} {actual}");
        }
        for (wanted, actual) in [(512, 4096), (1024, 1000), (512, 640)] {
            assert!(!Rounding::Up.covers(wanted, actual), "{wanted} {actual}");
        }
        assert!(Rounding::Ticks.covers(51, 50) && Rounding::Ticks.covers(200, 208));
        assert!(!Rounding::Ticks.covers(0, 2) && !Rounding::Ticks.covers(50, 8));
        assert!(
            !Rounding::Ticks.covers(2, 0) && !Rounding::Ticks.covers(1, 0),
            "not waiting at all is no rounding"
        );
        assert!(!Rounding::Ticks.covers(4, 2) && Rounding::Ticks.covers(5, 4));
        assert!(!Rounding::None.covers(4, 8));
    }

    #[test]
    fn a_ring_that_the_driver_rounds_is_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("netlink/ethtool/eth0/ring");
        std::fs::create_dir_all(&ring).unwrap();
        for (name, text) in [("rx", "512\n"), ("rx-max", "4096\n"), ("step", "32\n")] {
            std::fs::write(ring.join(name), text).unwrap();
        }
        let root = Root::new(folder.path());
        let knob = KNOBS.iter().find(|knob| knob.spec().name == "nic.ring.rx").unwrap();
        assert_eq!(knob.settle(&root, "eth0", "max").unwrap(), "4096");
        let wanted = knob.settle(&root, "eth0", "2000").unwrap();
        knob.write(&root, "eth0", &wanted).unwrap();
        let actual = knob.read(&root, "eth0").unwrap().unwrap();
        assert_eq!((wanted.as_str(), actual.as_str()), ("2000", "2016"));
        assert!(knob.is_effect(&wanted, &actual));
        assert_eq!(knob.settle(&root, "eth0", "2000").unwrap(), "2016");
        let said = knob.settle(&root, "eth0", "5000").unwrap_err().to_string();
        assert_eq!(said, "5000 is out of range; give 0 to 4096");
        assert_eq!(knob.settle(&root, "eth1", "512").unwrap(), "512", "it may be plugged in later");
        std::fs::create_dir_all(folder.path().join("sys/class/net/eth1")).unwrap();
        let said = knob.settle(&root, "eth1", "512").unwrap_err().to_string();
        assert_eq!(said, "the driver of eth1 offers no nic.ring.rx; there is nothing to set");
    }
}
