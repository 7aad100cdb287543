//! CPUs that irqbalance keeps its hands off: a drop-in of its service.
//!
//! The service reads /etc/default/irqbalance or /etc/sysconfig/irqbalance, which are its owner's and stay as they
//! are: a drop-in of our own is undone by taking it away. What such a file sets itself wins over a drop-in, so that
//! the knob refuses where it does rather than write what has no effect.

use super::drop_in::{read, state, write};
use super::form::FormError;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const PATH: &str = "/etc/systemd/system/irqbalance.service.d/50-diapason-banned.conf";
const UNITS: &[&str] = &[
    "/etc/systemd/system/irqbalance.service",
    "/usr/lib/systemd/system/irqbalance.service",
    "/lib/systemd/system/irqbalance.service",
];
/// Files with settings of its owner, by distribution.
const SETTINGS: &[&str] = &["/etc/default/irqbalance", "/etc/sysconfig/irqbalance"];
const VARIABLES: &[&str] = &["IRQBALANCE_BANNED_CPULIST", "IRQBALANCE_BANNED_CPUS"];

pub(super) static KNOBS: &[&dyn Knob] = &[&Banned {
    spec: Spec::new("irqbalance.banned_cpulist", Form::Cpus)
        .why("the CPUs that irqbalance moves no interrupt to")
        .risk(Risk::Low, "in force after `systemctl daemon-reload` and `systemctl restart irqbalance`, which moves interrupts about for a moment")
        .from("irqbalance(1), IRQBALANCE_BANNED_CPULIST, since irqbalance 1.8")
        .class(Class::NeedsReboot)
        .persistent(),
}];

struct Banned {
    spec: Spec,
}

impl Knob for Banned {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        let mut installed = false;
        for unit in UNITS {
            installed |= root.exists(unit)?;
        }
        // What is ours stays ours after the package has gone.
        if !installed && !root.exists(PATH)? {
            return Ok(None);
        }
        read(root, PATH)
    }

    fn settle(&self, root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        let cpus = super::attribute::possible(root, &self.spec.form.canonical(asked)?)?;
        for path in SETTINGS {
            let text = root.read(path)?.unwrap_or_default();
            let set = |line: &str| {
                VARIABLES.iter().any(|name| {
                    line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
                })
            };
            if text.lines().any(set) {
                let problem = "bans CPUs by itself, which wins over a drop-in; comment the line out";
                return Err(KnobError::Overruled { path: (*path).to_owned(), problem });
            }
        }
        Ok(state("Service", &[format!("Environment=\"IRQBALANCE_BANNED_CPULIST={cpus}\"")]))
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        if value.is_empty() {
            return Err(FormError::Special { given: String::new(), expected: "the state of a file" }.into());
        }
        write(root, PATH, value)
    }

    fn remark(
        &self,
        _root: &Root,
        _target: &str,
        current: Option<&str>,
    ) -> Result<Option<String>, KnobError> {
        Ok(current.is_none().then(|| "irqbalance is not installed".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_the_owner_is_not_overruled() {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = tree.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let (root, knob) = (Root::new(tree.path()), KNOBS[0]);
        assert_eq!(knob.read(&root, "").unwrap(), None);
        put("lib/systemd/system/irqbalance.service", "[Service]\n");
        put("etc/systemd/system/.keep", "");
        put("etc/default/irqbalance", "#IRQBALANCE_BANNED_CPULIST=\n");
        assert_eq!(knob.read(&root, "").unwrap().as_deref(), Some("no folder"));
        let value = knob.settle(&root, "", "2-3,4").unwrap();
        assert!(value.ends_with("[Service]\nEnvironment=\"IRQBALANCE_BANNED_CPULIST=2-4\"\n"), "{value}");
        put("etc/default/irqbalance", "IRQBALANCE_BANNED_CPULIST=1\n");
        let said = knob.settle(&root, "", "2").unwrap_err().to_string();
        assert!(said.starts_with("/etc/default/irqbalance bans CPUs by itself"), "{said}");
    }
}
