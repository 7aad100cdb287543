//! Reserved huge pages: of the default size by sysctl, of each size on each NUMA node by sysfs.
//!
//! The kernel takes any number and makes as many pages as it finds room for, so what was asked and what is there may
//! differ without an error. Here they may not: a reserve that falls short is refused, with the number that was
//! possible, and given back.

use super::form::FormError;
use super::identity::Identity;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const PAGES: Form = Form::integer(0, 16_777_216);
const SOURCE: &str = "kernel Documentation/admin-guide/mm/hugetlbpage.rst";
const NODES: &str = "/sys/devices/system/node";

const fn node(name: &'static str) -> Spec {
    Spec::new(name, PAGES)
        .risk(
            Risk::Medium,
            "takes the memory away from everything else at once; late after the boot a fragmented node yields fewer",
        )
        .from(SOURCE)
        .class(Class::BestEffort)
        .disturbs(&["vm.nr_hugepages"])
        .per_device(Identity::Machine, &[])
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Reserve {
        spec: Spec::new("vm.nr_hugepages", PAGES)
            .why("reserved huge pages of the default size on all nodes: fewer address misses, never swapped")
            .risk(Risk::Medium, "reserves memory at once; the kernel shares them out over the nodes as it likes")
            .from(SOURCE)
            .class(Class::BestEffort)
            .disturbs(&["hugetlb.2048kB"]),
        size: None,
    },
    &Reserve {
        spec: node("hugetlb.2048kB")
            .why("reserved huge pages of 2 MiB on one node: fewer address misses, never swapped, near the processor"),
        size: Some("hugepages-2048kB"),
    },
    &Reserve {
        spec: node("hugetlb.1048576kB")
            .why("reserved huge pages of 1 GiB on one node; reliable only early after the boot"),
        size: Some("hugepages-1048576kB"),
    },
];

struct Reserve {
    spec: Spec,
    /// The folder of a size; `None` for the default size on all nodes.
    size: Option<&'static str>,
}

impl Reserve {
    fn path(&self, target: &str) -> String {
        self.size.map_or_else(
            || "/proc/sys/vm/nr_hugepages".to_owned(),
            |size| format!("{NODES}/{target}/hugepages/{size}/nr_hugepages"),
        )
    }
}

impl Knob for Reserve {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        if self.size.is_none() {
            return Ok(vec![String::new()]);
        }
        let mut nodes = Vec::new();
        for node in root.list(NODES)?.into_iter().filter(|name| name.starts_with("node")) {
            if root.exists(&self.path(&node))? {
                nodes.push(node);
            }
        }
        Ok(nodes)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        Ok(root.read(&self.path(target))?.map(|text| text.trim().to_owned()))
    }

    fn files(&self, target: &str) -> Vec<String> {
        vec![self.path(target)]
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        Ok(self.spec.form.canonical(asked)?)
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let bad = || FormError::NotInteger { given: value.to_owned() };
        let (path, wanted) = (self.path(target), number(value).ok_or_else(bad)?);
        root.write(&path, value)?;
        let made = root.read(&path)?.as_deref().and_then(number).unwrap_or(0);
        if made == wanted {
            return Ok(());
        }
        Err(KnobError::Partial { path, wanted, made })
    }
}
