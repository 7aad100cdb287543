//! Who serves a queue of a network interface: /sys/class/net/DEVICE/queues.
//!
//! One instance a queue, `nic.eth0.rx-0.rps_cpus`, because every queue has an original of its own. A profile that
//! names `nic.rps_cpus` means every receive queue; `on = ["eth0.*"]` those of one interface. Queues that a change of
//! their number adds are there for the next apply. The two parameters of the whole machine that belong to them are
//! here too, as they have the same forms.

use nix::errno::Errno;

use super::form::FormError;
use super::identity::Identity;
use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::cpu_set::CpuSet;
use crate::root::{Root, RootError};

/// No CPU: the function is off.
const NONE: &str = "none";
const SOURCE: &str = "kernel Documentation/networking/scaling.rst";
const SKIPS: &[&str] = &["lo.*", "veth*", "docker*", "br-*", "virbr*", "tap*", "tun*"];

const fn spec(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(SOURCE).per_device(Identity::Queue, SKIPS)
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Queue {
        spec: Spec::new("net.core.rps_default_mask", Form::CpusOr(NONE))
            .why("which CPUs go on with packets of receive queues that appear later (RPS)")
            .risk(Risk::Low, "queues that are there already keep theirs")
            .from("kernel Documentation/admin-guide/sysctl/net.rst")
            .of(Identity::NetNamespace),
        kind: Kind::Cpus,
        place: Place::Sysctl,
    },
    &Queue {
        spec: Spec::new("net.core.rps_sock_flow_entries", Form::integer(0, 1 << 29))
            .why("connections of the machine that are remembered with the CPU of their reader (RFS)")
            .risk(Risk::Low, "the kernel rounds up to a power of two; memory for each")
            .from(SOURCE),
        kind: Kind::Flows,
        place: Place::Sysctl,
    },
    &Queue {
        spec: spec("nic.rps_cpus", Form::CpusOr(NONE))
            .why("which CPUs go on with packets of this receive queue (RPS); none leaves them where the interrupt was")
            .risk(Risk::Low, "an interrupt between processors for each batch; of use where queues are fewer than CPUs"),
        kind: Kind::Cpus,
        place: Place::Queue("rx-", "rps_cpus"),
    },
    &Queue {
        spec: spec("nic.rps_flow_cnt", Form::integer(0, 1 << 29))
            .why("connections of this queue that are remembered, to bring packets to the CPU of their reader (RFS)")
            .risk(Risk::Low, "the kernel rounds up to a power of two; without net.core.rps_sock_flow_entries it does nothing"),
        kind: Kind::Flows,
        place: Place::Queue("rx-", "rps_flow_cnt"),
    },
    &Queue {
        spec: spec("nic.xps_cpus", Form::CpusOr(NONE))
            .why("which CPUs send through this queue (XPS)")
            .risk(Risk::Low, "a CPU in no mask falls back to a hash; the driver writes its own masks when queues change"),
        kind: Kind::Cpus,
        place: Place::Queue("tx-", "xps_cpus"),
    },
    &Queue {
        spec: spec("nic.xps_rxqs", Form::Special("a list of receive queues such as `0-3`, or `none`"))
            .why("which receive queues' connections send through this queue (XPS)")
            .risk(Risk::Low, "while it is set, the kernel does not look at xps_cpus"),
        kind: Kind::Queues,
        place: Place::Queue("tx-", "xps_rxqs"),
    },
];

struct Queue {
    spec: Spec,
    kind: Kind,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A mask of CPUs in hexadecimal.
    Cpus,
    /// A mask of receive queues.
    Queues,
    /// A number of table entries, a power of two.
    Flows,
}

enum Place {
    /// The beginning of a queue's name, and the file in its folder.
    Queue(&'static str, &'static str),
    /// Below /proc/sys, by the knob's own name.
    Sysctl,
}

impl Queue {
    /// `eth0.100.rx-0` is the queue rx-0 of eth0.100.
    fn path(&self, target: &str) -> Option<String> {
        let Place::Queue(prefix, leaf) = self.place else {
            return Some(format!("/proc/sys/{}", self.spec.name.replace('.', "/")));
        };
        let (device, queue) = target.rsplit_once('.')?;
        let ours = queue.strip_prefix(prefix)?.bytes().all(|byte| byte.is_ascii_digit());
        ours.then(|| format!("/sys/class/net/{device}/queues/{queue}/{leaf}"))
    }

    fn text(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let Some(path) = self.path(target) else { return Ok(None) };
        match root.read(&path) {
            // A queue without the function: an interface with a single one (xps), or a driver that declines.
            Err(RootError::Refused { errno: Errno::EOPNOTSUPP | Errno::EINVAL, .. }) => Ok(None),
            other => Ok(other?),
        }
    }
}

impl Knob for Queue {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let Place::Queue(prefix, leaf) = self.place else { return Ok(vec![String::new()]) };
        let mut targets = Vec::new();
        for device in super::nic::interfaces(root)? {
            let folder = format!("/sys/class/net/{device}/queues");
            for queue in root.list(&folder)?.into_iter().filter(|queue| queue.starts_with(prefix)) {
                if root.exists(&format!("{folder}/{queue}/{leaf}"))? {
                    targets.push(format!("{device}.{queue}"));
                }
            }
        }
        Ok(targets)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let Some(text) = self.text(root, target)? else { return Ok(None) };
        if self.kind == Kind::Flows {
            return Ok(Some(text.trim().to_owned()));
        }
        let set = CpuSet::parse_mask(&text).map_err(FormError::from)?;
        Ok(Some(if set.is_empty() { NONE.to_owned() } else { set.to_string() }))
    }

    fn files(&self, target: &str) -> Vec<String> {
        self.path(target).into_iter().collect()
    }

    fn settle(&self, root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        if self.kind == Kind::Flows {
            let number: u32 = self.spec.form.canonical(asked)?.parse().unwrap_or(0);
            return Ok(if number == 0 { 0 } else { number.next_power_of_two() }.to_string());
        }
        if asked.trim() == NONE {
            return Ok(NONE.to_owned());
        }
        let asked = Form::Cpus.canonical(asked)?;
        let possible = root.read("/sys/devices/system/cpu/possible")?.filter(|_| self.kind == Kind::Cpus);
        if let Some(possible) = possible {
            let possible = CpuSet::parse_list(possible.trim()).map_err(FormError::from)?;
            let beyond = CpuSet::parse_list(&asked).map_err(FormError::from)?.difference(&possible);
            if !beyond.is_empty() {
                return Err(FormError::NoSuchCpus { given: asked, beyond, possible }.into());
            }
        }
        Ok(asked)
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let absent = || KnobError::Unsupported { device: target.to_owned(), setting: self.spec.name };
        let path = self.path(target).ok_or_else(absent)?;
        if self.kind == Kind::Flows {
            return Ok(root.write(&path, value)?);
        }
        let list = if value == NONE { "" } else { value };
        let sample = self.text(root, target)?.unwrap_or_default();
        let mask = CpuSet::parse_list(list).map_err(FormError::from)?.mask_like(&sample);
        Ok(root.write(&path, &mask)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_its_own_original() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join("sys/class/net/eth0.5").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("ifindex", "2\n");
        put("queues/rx-0/rps_cpus", "00000000,00000000\n");
        put("queues/rx-1/rps_cpus", "00000001,0000000f\n");
        put("queues/rx-1/rps_flow_cnt", "0\n");
        let (root, find) = (Root::new(folder.path()), |name: &str| {
            *KNOBS.iter().find(|knob| knob.spec().name == name).unwrap()
        });
        let rps = find("nic.rps_cpus");
        assert_eq!(rps.targets(&root).unwrap(), ["eth0.5.rx-0", "eth0.5.rx-1"]);
        assert_eq!(rps.read(&root, "eth0.5.rx-0").unwrap().as_deref(), Some("none"));
        assert_eq!(rps.read(&root, "eth0.5.rx-1").unwrap().as_deref(), Some("0-3,32"));
        rps.write(&root, "eth0.5.rx-0", "2-3").unwrap();
        let text = std::fs::read_to_string(folder.path().join("sys/class/net/eth0.5/queues/rx-0/rps_cpus"));
        assert_eq!(text.unwrap(), "00000000,0000000c\n");
        rps.write(&root, "eth0.5.rx-0", "none").unwrap();
        assert_eq!(rps.read(&root, "eth0.5.rx-0").unwrap().as_deref(), Some("none"));
        assert_eq!(find("nic.rps_flow_cnt").settle(&root, "eth0.5.rx-1", "1000").unwrap(), "1024");
        assert_eq!(rps.read(&root, "eth0.5.tx-0").unwrap(), None);
        assert!(rps.settle(&root, "eth0.5.rx-0", "0x3").is_err());
    }
}
