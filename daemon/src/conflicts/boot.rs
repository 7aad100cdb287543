//! What is said before any file is read: the kernel command line, and options of modules (modprobe.d(5)).

use super::claim::{Claim, Files, Stage};
use super::layered::File;
use super::sysctl_d::normal;
use crate::knob;

/// A parameter that stands for a knob: the kernel's name, the knob, and its words as pairs; a word that is not
/// among them is the value itself.
type Parameter = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Source: kernel `Documentation/admin-guide/kernel-parameters.txt`.
const PARAMETERS: &[Parameter] = &[
    ("transparent_hugepage", "hugepages.enabled", &[]),
    ("transparent_hugepage_shmem", "hugepages.shmem_enabled", &[]),
    ("numa_balancing", "kernel.numa_balancing", &[("enable", "1"), ("disable", "0")]),
    ("nmi_watchdog", "kernel.nmi_watchdog", &[]),
    ("nowatchdog", "kernel.watchdog", &[("", "0")]),
    ("nosoftlockup", "kernel.soft_watchdog", &[("", "0")]),
    ("softlockup_panic", "kernel.softlockup_panic", &[]),
    ("noautogroup", "kernel.sched_autogroup_enabled", &[("", "0")]),
    ("cpufreq.default_governor", "cpu.governor", &[]),
    ("nosmt", "cpu.smt", &[("", "off"), ("force", "forceoff")]),
    ("clocksource", "clock.clocksource", &[]),
    ("irqaffinity", "irq.default_smp_affinity", &[]),
];

/// What the kernel was told when it was started.
pub(super) fn command_line(line: &str, knobs: &Files) -> Vec<Claim> {
    let claim = |knob: &str, word: &str, value: &str| Claim {
        knob: knob.to_owned(),
        stage: Stage::CommandLine,
        place: word.to_owned(),
        value: value.to_owned(),
        replaced: false,
        condition: None,
    };
    let mut claims = Vec::new();
    // What follows ` -- ` is for the first program.
    for word in line.split_whitespace().take_while(|word| *word != "--") {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if let Some(key) = name.strip_prefix("sysctl.").or_else(|| name.strip_prefix("sysctl/")) {
            let path = format!("/proc/sys/{}", normal(key));
            claims.extend(knobs.named(&path).map(|(_, knob)| claim(knob, word, value)));
        } else if let Some((_, named, words)) = PARAMETERS.iter().find(|(known, ..)| *known == name) {
            if knob::find(named).is_ok() {
                let known = words.iter().find(|(given, _)| *given == value).map(|(_, value)| *value);
                claims.push(claim(named, word, known.unwrap_or(value)));
            }
        } else if let Some((module, parameter)) = name.split_once('.') {
            claims.extend(parameters(module, parameter, knobs).map(|knob| claim(knob, word, value)));
        }
    }
    claims
}

/// What these files say about parameters of modules.
pub(super) fn modules(files: &[File], knobs: &Files) -> Vec<Claim> {
    let mut claims = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let mut words = line.split_whitespace();
            if words.next() != Some("options") {
                continue;
            }
            let Some(module) = words.next() else { continue };
            for (parameter, value) in words.filter_map(|word| word.split_once('=')) {
                claims.extend(parameters(module, parameter, knobs).map(|knob| Claim {
                    knob: knob.to_owned(),
                    stage: Stage::Modprobe,
                    place: format!("{}:{}", file.path, number + 1),
                    value: value.to_owned(),
                    replaced: false,
                    condition: None,
                }));
            }
        }
    }
    claims
}

/// The knobs of a module's parameter; the kernel does not tell `-` from `_` in names of modules.
fn parameters<'a>(module: &str, parameter: &str, knobs: &'a Files) -> impl Iterator<Item = &'a str> {
    let plain = |text: &str| text.replace('-', "_");
    let path = format!("/sys/module/{}/parameters/{}", plain(module), plain(parameter));
    let found: Vec<&'a str> = knobs.named(&path).map(|(_, knob)| knob).collect();
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_kernel_and_modules() {
        let entry = |path: &str, knob: &str| (path.to_owned(), knob.to_owned(), String::new());
        let knobs = Files::new(vec![
            entry("/proc/sys/vm/swappiness", "vm.swappiness"),
            entry("/sys/module/nvme_core/parameters/io_timeout", "module.nvme_core.io_timeout"),
        ]);
        let line = "quiet sysctl.vm.swappiness=5 nvme-core.io_timeout=255 transparent_hugepage=never \
                    numa_balancing=disable -- transparent_hugepage=always";
        let told: Vec<_> =
            command_line(line, &knobs).into_iter().map(|claim| (claim.knob, claim.value)).collect();
        let expected = [
            ("vm.swappiness", "5"),
            ("module.nvme_core.io_timeout", "255"),
            ("hugepages.enabled", "never"),
            ("kernel.numa_balancing", "0"),
        ];
        assert_eq!(told, expected.map(|(knob, value)| (knob.to_owned(), value.to_owned())));
        let file = File {
            path: "/etc/modprobe.d/x.conf".to_owned(),
            text: "# options nvme-core io_timeout=1\nblacklist x\noptions nvme-core a=1 io_timeout=30\n"
                .to_owned(),
        };
        let claims = modules(&[file], &knobs);
        assert_eq!(
            (claims.len(), claims[0].place.as_str(), claims[0].value.as_str()),
            (1, "/etc/modprobe.d/x.conf:3", "30")
        );
    }
}
