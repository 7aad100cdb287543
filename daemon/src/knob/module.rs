//! Parameters of kernel modules: of one that is loaded, now, and of all, from when they are loaded next.
//!
//! `module.nvme_core.io_timeout.parameter` is the file of a loaded module. What the file takes depends on the module;
//! what it holds tells the kind: `Y` or `N`, a number, or a word. `module.options` is a drop-in of modprobe.d(5) and
//! holds for modules that are loaded later: after a reboot, and for those of the initial file system after it has been
//! made again.

use super::drop_in::{self, WRITTEN};
use super::form::FormError;
use super::identity::Identity;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const NOW: &str = "the value as the module shows it: Y or N, a whole number, or a word";
const LATER: &str = "a list of MODULE.PARAMETER=VALUE, each once, such as `nvme_core.io_timeout=4294967295`";
const FILE: &str = "/etc/modprobe.d/60-diapason.conf";
const FOLDER: &str = "/sys/module";

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Parameter {
        spec: Spec::new("module.parameter", Form::Special(NOW))
            .why("a parameter of a module that is loaded, as long as it stays so")
            .risk(Risk::Medium, "a module may look at it only when a device appears; what each means is the module's own affair")
            .from("the module's own documentation; modinfo(8)")
            .class(Class::BestEffort)
            .per_device(Identity::Machine, &["*"]),
    },
    &Options {
        spec: Spec::new("module.options", Form::Special(LATER))
            .why("parameters that modules get when they are loaded")
            .risk(Risk::Medium, "in force when the module is loaded next; a module of the initial file system needs `update-initramfs -u`")
            .from("modprobe.d(5)")
            .class(Class::NeedsReboot)
            .persistent(),
    },
];

struct Parameter {
    spec: Spec,
}

/// The file of `nvme_core.io_timeout`.
fn path(target: &str) -> Option<String> {
    let (module, parameter) = target.split_once('.')?;
    let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let named = !module.is_empty() && !parameter.is_empty() && plain(module) && plain(parameter);
    named.then(|| format!("{FOLDER}/{}/parameters/{parameter}", module.replace('-', "_")))
}

impl Knob for Parameter {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let mut targets = Vec::new();
        for module in root.list(FOLDER)? {
            for parameter in root.list(&format!("{FOLDER}/{module}/parameters"))? {
                let target = format!("{module}.{parameter}");
                if path(&target).is_some_and(|path| root.is_writable(&path).unwrap_or(false)) {
                    targets.push(target);
                }
            }
        }
        Ok(targets)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let Some(path) = path(target) else { return Ok(None) };
        match root.is_writable(&path)? {
            // An empty text could not be given back: the kernel takes an empty write for none.
            true => Ok(root.read(&path)?.map(|text| Form::of_file(&text)).filter(|text| !text.is_empty())),
            false => Ok(None),
        }
    }

    fn files(&self, target: &str) -> Vec<String> {
        path(target).into_iter().collect()
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let now = path(target).map(|path| root.read(&path)).transpose()?.flatten();
        let Some(now) = now else { return Ok(Form::Word.canonical(asked)?) };
        if !path(target).map_or(Ok(false), |path| root.is_writable(&path))? {
            return Err(KnobError::OnlyWhenLoaded { parameter: target.to_owned() });
        }
        if now.contains('[') {
            let offered = now.split_whitespace().map(|word| word.trim_matches(['[', ']']));
            return Ok(super::form::one_of(asked.trim(), offered)?);
        }
        match now.trim() {
            "Y" | "N" => Ok(match asked.trim() {
                "1" | "y" | "Y" | "on" => "Y".to_owned(),
                "0" | "n" | "N" | "off" => "N".to_owned(),
                other => Form::Choice(&["Y", "N"]).canonical(other)?,
            }),
            // Unsigned numbers of 32 bits and signed ones are shown alike.
            number if number.parse::<i64>().is_ok() => {
                Ok(Form::integer(i64::from(i32::MIN), i64::MAX).canonical(asked)?)
            }
            _ => Ok(Form::Word.canonical(asked)?),
        }
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let bad = || FormError::Special { given: value.to_owned(), expected: NOW };
        let path = path(target).filter(|_| !value.is_empty()).ok_or_else(bad)?;
        Ok(root.write(&path, value)?)
    }
}

struct Options {
    spec: Spec,
}

/// `MODULE.PARAMETER=VALUE` in parts, each parameter once, sorted.
fn options(asked: &str) -> Result<Vec<(&str, &str)>, FormError> {
    let bad = || FormError::Special { given: asked.to_owned(), expected: LATER };
    let mut pairs = Vec::new();
    for word in asked.split_whitespace() {
        let (name, value) = word.split_once('=').ok_or_else(bad)?;
        // What modprobe.d(5) gives a meaning of its own (quotes, backslashes, `#`) stays out.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.,:/+@%^~".contains(&byte);
        if path(name).is_none() || value.is_empty() || !value.bytes().all(plain) {
            return Err(bad());
        }
        pairs.push((name, value));
    }
    pairs.sort_unstable();
    if pairs.is_empty() || pairs.windows(2).any(|two| two[0].0 == two[1].0) {
        return Err(bad());
    }
    Ok(pairs)
}

impl Knob for Options {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        drop_in::read(root, FILE)
    }

    fn files(&self, _target: &str) -> Vec<String> {
        vec![FILE.to_owned()]
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        let line = |(name, value): &(&str, &str)| {
            let (module, parameter) = name.split_once('.').unwrap_or((name, ""));
            format!("options {module} {parameter}={value}\n")
        };
        Ok(format!("file\n{WRITTEN}{}", options(asked)?.iter().map(line).collect::<String>()))
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        drop_in::write(root, FILE, value)
    }

    fn remark(&self, root: &Root, _target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        let Some(value) = current else { return Ok(None) };
        let mut waiting = Vec::new();
        for line in value.lines().filter_map(|line| line.strip_prefix("options ")) {
            let Some((module, (parameter, value))) =
                line.split_once(' ').and_then(|(module, rest)| Some((module, rest.split_once('=')?)))
            else {
                continue;
            };
            let Some(path) = path(&format!("{module}.{parameter}")) else { continue };
            // A module that is not loaded, or does not show it, will get it when it is loaded.
            let Some(now) = root.read(&path)? else { continue };
            let now = Form::of_file(&now);
            let same = now == value || matches!((now.as_str(), value), ("Y", "1" | "y") | ("N", "0" | "n"));
            if !same {
                waiting.push(format!("{module}.{parameter} is {now}"));
            }
        }
        Ok((!waiting.is_empty()).then(|| {
            let waiting = waiting.join(", ");
            format!("written, and in force when the module is loaded next: {waiting}; run `update-initramfs -u` and reboot")
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_holds_tells_what_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.path().join("sys/module").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        put("kvm/parameters/halt_poll_ns", "200000\n", 0o644);
        put("kvm/parameters/ept", "Y\n", 0o444);
        put("pcie_aspm/parameters/policy", "[default] performance \n", 0o644);
        put("snd_hda_intel/parameters/power_save_controller", "Y\n", 0o644);
        let (root, knob) = (Root::new(folder.path()), KNOBS[0]);
        assert_eq!(knob.targets(&root).unwrap().len(), 3);
        assert_eq!(knob.settle(&root, "kvm.halt_poll_ns", " 0 ").unwrap(), "0");
        assert!(knob.settle(&root, "kvm.halt_poll_ns", "never").is_err());
        assert_eq!(knob.settle(&root, "snd-hda-intel.power_save_controller", "0").unwrap(), "N");
        assert_eq!(knob.settle(&root, "pcie_aspm.policy", "performance").unwrap(), "performance");
        assert!(knob.settle(&root, "pcie_aspm.policy", "perf").is_err());
        let said = knob.settle(&root, "kvm.ept", "N").unwrap_err().to_string();
        assert_eq!(said, "kvm.ept can be set only when the module is loaded; give it to module.options");
        assert_eq!(knob.read(&root, "kvm.ept").unwrap(), None);
        for bad in ["../../etc.x", "kvm", "kvm.", ".x", "a/b.c"] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    #[test]
    fn options_are_lines_and_wait_for_the_module() {
        let folder = tempfile::tempdir().unwrap();
        let parameters = folder.path().join("sys/module/nvme_core/parameters");
        std::fs::create_dir_all(&parameters).unwrap();
        std::fs::write(parameters.join("io_timeout"), "30\n").unwrap();
        std::fs::create_dir_all(folder.path().join("etc")).unwrap();
        let (root, knob) = (Root::new(folder.path()), KNOBS[1]);
        assert_eq!(knob.read(&root, "").unwrap().as_deref(), Some("no folder"));
        let wanted = knob.settle(&root, "", "nvme_core.io_timeout=60 kvm.ept=N").unwrap();
        knob.write(&root, "", &wanted).unwrap();
        let text = root.read(FILE).unwrap().unwrap();
        assert!(text.ends_with("options kvm ept=N\noptions nvme_core io_timeout=60\n"), "{text}");
        let waiting = knob.remark(&root, "", Some(&wanted)).unwrap().unwrap();
        assert!(waiting.contains("nvme_core.io_timeout is 30;"), "{waiting}");
        std::fs::write(parameters.join("io_timeout"), "60\n").unwrap();
        assert_eq!(knob.remark(&root, "", Some(&wanted)).unwrap(), None);
        for bad in ["", "x=1", "a.b", "a.b=\"x y\"", "a.b=1 a.b=2", "a.b=x#y", "a.b=`id`", "install.x=$(id)"]
        {
            assert!(knob.settle(&root, "", bad).is_err(), "{bad}");
        }
    }
}
