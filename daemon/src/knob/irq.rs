//! Which CPUs serve which interrupt: /proc/irq.
//!
//! The kernel lets a person move most interrupts. It spreads the queues of some devices over the CPUs by itself
//! (managed vectors: NVMe, virtio-blk and other storage) and answers `EIO` to whoever tries. It may also serve an
//! interrupt on fewer CPUs than were asked for, which `remark` tells.

use super::attribute::{Attribute, possible};
use super::form::FormError;
use super::identity::Identity;
use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::cpu_set::CpuSet;
use crate::host::interrupt;
use crate::root::{Root, RootError};

const SOURCE: &str = "kernel Documentation/core-api/irq/irq-affinity.rst";
/// Interrupts that no kernel moves.
const SKIPS: &[&str] = &["timer", "arch_timer", "cascade"];

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Attribute::file(
        Spec::new("irq.default_smp_affinity", Form::Cpus)
            .why("the CPUs that serve interrupts of devices that come up from now on")
            .risk(Risk::Low, "what is up already stays where it is; a driver may choose for itself")
            .from(SOURCE),
        "/proc/irq/default_smp_affinity",
    )
    .mask(),
    &Affinity {
        spec: Spec::new("irq.affinity", Form::Cpus)
            .why("the CPUs that serve one interrupt, named as the driver names it: eth0-TxRx-0, nvme0q1")
            .risk(Risk::Medium, "managed interrupts refuse it, so mark the entry optional; a device that is opened again may reset it, and irqbalance moves what it is not kept from")
            .from(SOURCE)
            .per_device(Identity::Interrupt, SKIPS),
    },
];

struct Affinity {
    spec: Spec,
}

fn path(number: u32, leaf: &str) -> String {
    format!("/proc/irq/{number}/{leaf}")
}

fn list(root: &Root, path: &str) -> Result<Option<CpuSet>, KnobError> {
    let text = root.read(path)?;
    Ok(text.map(|text| CpuSet::parse_list(&text)).transpose().map_err(FormError::from)?)
}

impl Knob for Affinity {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(crate::host::interrupt_names(root)?)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let Some(interrupt) = interrupt(root, target)? else { return Ok(None) };
        match list(root, &path(interrupt.number, "smp_affinity_list")) {
            Ok(cpus) => Ok(cpus.map(|cpus| cpus.to_string())),
            // It was given back while it was read.
            Err(KnobError::Root(error)) if error.errno() == Some(nix::errno::Errno::EIO) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        // Two names for one interrupt would be two originals of one setting.
        if let Some((actions, _)) = target.split_once('@')
            && let Some(first) = interrupt(root, actions)?
            && interrupt(root, target)?.as_ref() == Some(&first)
        {
            let (name, usual) = (target.to_owned(), format!("irq.{actions}.affinity"));
            return Err(KnobError::Alias { name, usual });
        }
        let value = possible(root, &self.spec.form.canonical(asked)?)?;
        running(root, &value)?;
        Ok(value)
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let Some(interrupt) = interrupt(root, target)? else {
            let path = format!("/proc/irq/{target}");
            return Err(RootError::Refused { verb: "find", path, errno: nix::errno::Errno::ENOENT }.into());
        };
        let written = root.write(&path(interrupt.number, "smp_affinity_list"), value);
        written.map_err(|error| match error.errno() {
            Some(nix::errno::Errno::EIO) => {
                KnobError::Managed { name: target.to_owned(), number: interrupt.number }
            }
            _ => error.into(),
        })
    }

    fn remark(&self, root: &Root, target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        let (Some(current), Some(interrupt)) = (current, interrupt(root, target)?) else { return Ok(None) };
        let effective = list(root, &path(interrupt.number, "effective_affinity_list"))?;
        let effective = effective.filter(|cpus| !cpus.is_empty()).map(|cpus| cpus.to_string());
        Ok(effective.filter(|cpus| cpus != current).map(|cpus| format!("served on {cpus}")))
    }
}

/// Refuses CPUs of which none runs: the kernel would.
pub(super) fn running(root: &Root, value: &str) -> Result<(), KnobError> {
    let cpus = CpuSet::parse_list(value).map_err(FormError::from)?;
    let Some(online) = list(root, "/sys/devices/system/cpu/online")? else { return Ok(()) };
    if cpus.intersection(&online).is_empty() {
        let expected = "CPUs of which at least one runs";
        return Err(FormError::Special { given: value.to_owned(), expected }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_is_moved_by_its_name() {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = tree.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("sys/devices/system/cpu/possible", "0-7\n");
        put("sys/devices/system/cpu/online", "0-3\n");
        put("sys/kernel/irq/25/actions", "eth0-TxRx-0\n");
        put("sys/kernel/irq/25/chip_name", "PCI-MSI\n");
        put("sys/kernel/irq/25/hwirq", "524289\n");
        put("proc/irq/25/smp_affinity_list", "0-7\n");
        put("proc/irq/25/effective_affinity_list", "3\n");
        let (root, knob) = (Root::new(tree.path()), KNOBS[1]);
        let target = "eth0-TxRx-0";
        assert_eq!(knob.targets(&root).unwrap(), [target]);
        assert_eq!(knob.read(&root, target).unwrap().as_deref(), Some("0-7"));
        assert_eq!(knob.settle(&root, target, "2,1").unwrap(), "1-2");
        assert!(knob.settle(&root, target, "5-6").unwrap_err().to_string().contains("at least one runs"));
        assert!(knob.settle(&root, target, "8").unwrap_err().to_string().contains("this machine has 0-7"));
        knob.write(&root, target, "1-2").unwrap();
        assert_eq!(knob.read(&root, target).unwrap().as_deref(), Some("1-2"));
        assert_eq!(knob.remark(&root, target, Some("1-2")).unwrap().as_deref(), Some("served on 3"));
        assert_eq!(
            knob.spec().identity.read(&root, target).unwrap().as_deref(),
            Some("25/PCI-MSI/524289/eth0-TxRx-0")
        );
        assert_eq!(knob.read(&root, "none").unwrap(), None);
        let alias = knob.settle(&root, "eth0-TxRx-0@PCI-MSI-524289", "1").unwrap_err();
        assert!(alias.to_string().ends_with("is called irq.eth0-TxRx-0.affinity; name it so"), "{alias}");
    }
}
