//! Where the kernel's own background work runs: /sys/devices/virtual/workqueue.
//!
//! `cpumask` shows what is in force: what was asked for, less the CPUs of isolated partitions. Since Linux 6.7
//! `cpumask_requested` shows what was asked for, and that is what has to be restored.

use super::attribute::{Attribute, possible};
use super::form::FormError;
use super::identity::Identity;
use super::irq::running;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::cpu_set::CpuSet;
use crate::root::Root;

const SOURCE: &str = "kernel Documentation/core-api/workqueue.rst";
const IN_FORCE: &str = "/sys/devices/virtual/workqueue/cpumask";
const REQUESTED: &str = "/sys/devices/virtual/workqueue/cpumask_requested";

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Unbound {
        spec: Spec::new("workqueue.unbound_cpumask", Form::Cpus)
            .why("the CPUs for background work of the kernel that belongs to no CPU")
            .risk(Risk::Low, "few CPUs make write-back and other background work slower; a write also counts on the CPUs of a partition that somebody else isolated, until that partition changes")
            .from(SOURCE)
            .class(Class::BestEffort),
    },
    &Attribute::file(
        Spec::new("workqueue.cpumask", Form::Cpus)
            .why("the CPUs for one queue of background work, writeback above all")
            .risk(Risk::Low, "few CPUs make that work slower")
            .from(SOURCE)
            .per_device(Identity::Machine, &[]),
        "/sys/devices/virtual/workqueue/*/cpumask",
    )
    .mask(),
    &Attribute::file(
        Spec::new(
            "workqueue.default_affinity_scope",
            Form::Choice(&["cpu", "smt", "cache", "numa", "system"]),
        )
        .why("how near to whoever asked for it background work stays")
        .risk(Risk::Low, "near is warm and may wait, far is cold and starts at once")
        .from(SOURCE)
        .since(6, 5),
        "/sys/module/workqueue/parameters/default_affinity_scope",
    ),
];

struct Unbound {
    spec: Spec,
}

fn mask(root: &Root, path: &str) -> Result<Option<CpuSet>, KnobError> {
    let text = root.read(path)?;
    Ok(text.map(|text| CpuSet::parse_mask(&text)).transpose().map_err(FormError::from)?)
}

impl Knob for Unbound {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        let requested = mask(root, REQUESTED)?;
        let cpus = if requested.is_some() { requested } else { mask(root, IN_FORCE)? };
        Ok(cpus.map(|cpus| cpus.to_string()))
    }

    fn settle(&self, root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        let value = possible(root, &self.spec.form.canonical(asked)?)?;
        running(root, &value)?;
        Ok(value)
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        let sample = root.read(IN_FORCE)?.unwrap_or_default();
        let cpus = CpuSet::parse_list(value).map_err(FormError::from)?;
        Ok(root.write(IN_FORCE, &cpus.mask_like(&sample))?)
    }

    fn remark(&self, root: &Root, _target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        let in_force = mask(root, IN_FORCE)?.map(|cpus| cpus.to_string());
        Ok(current
            .and(in_force)
            .filter(|cpus| Some(cpus.as_str()) != current)
            .map(|cpus| format!("in force on {cpus}, as the other CPUs are in an isolated partition")))
    }
}
