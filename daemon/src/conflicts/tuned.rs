//! TuneD's active profile, as far as it names knobs: `/etc/tuned/active_profile` and the `tuned.conf` it points at.
//!
//! TuneD applies it when its service starts, and nothing orders that against diapasond. Values that it computes when
//! it runs (`${...}`) are shown as they are written. Source: tuned.conf(5), tuned-main.conf(5).

use super::claim::{Claim, Files, Stage};
use crate::pattern::covers;
use crate::root::{Root, RootError};

/// Where profiles are, the strongest first: with a folder of their own since 2.23.
const FOLDERS: &[&str] = &["/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned"];

/// A chain of includes longer than this is a circle.
const DEPTH_MAX: usize = 8;

/// Options that stand for a knob by another name: section, option, knob.
const OPTIONS: &[(&str, &str, &str)] = &[
    ("vm", "transparent_hugepages", "hugepages.enabled"),
    ("vm", "transparent_hugepage", "hugepages.enabled"),
    ("vm", "transparent_hugepage.defrag", "hugepages.defrag"),
    ("vm", "dirty_ratio", "vm.dirty"),
    ("vm", "dirty_bytes", "vm.dirty"),
    ("vm", "dirty_background_ratio", "vm.dirty_background"),
    ("vm", "dirty_background_bytes", "vm.dirty_background"),
    ("cpu", "governor", "cpu.*.governor"),
    ("cpu", "energy_perf_bias", "cpu.*.energy_perf_bias"),
    ("cpu", "energy_performance_preference", "cpu.*.energy_performance_preference"),
    ("cpu", "min_perf_pct", "cpu.min_perf_pct"),
    ("cpu", "max_perf_pct", "cpu.max_perf_pct"),
    ("cpu", "no_turbo", "cpu.no_turbo"),
    ("cpu", "boost", "cpu.boost"),
    ("cpu", "pm_qos_resume_latency_us", "cpu.*.pm_qos_resume_latency_us"),
    ("cpu", "force_latency", "cpu.dma_latency"),
    ("disk", "elevator", "block.*.scheduler"),
    ("disk", "readahead", "block.*.read_ahead_kb"),
    ("net", "txqueuelen", "nic.*.tx_queue_len"),
];

/// An option of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    section: String,
    option: String,
    value: String,
    place: String,
}

/// The names of the active profiles; empty where there is none.
pub(super) fn active(root: &Root) -> Result<Vec<String>, RootError> {
    let text = root.read("/etc/tuned/active_profile")?.unwrap_or_default();
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// What the active profile says about knobs; `names` are the full names of the knobs of this machine.
pub(super) fn claims(root: &Root, knobs: &Files, names: &[String]) -> Result<Vec<Claim>, RootError> {
    let mut settings = Vec::new();
    for name in active(root)? {
        add(root, &name, &mut settings, 0)?;
    }
    let mut claims: Vec<Claim> = Vec::new();
    for setting in &settings {
        let named: Vec<String> = match setting.section.as_str() {
            "sysctl" => {
                let path = format!("/proc/sys/{}", super::sysctl_d::normal(&setting.option));
                knobs.named(&path).map(|(_, knob)| knob.to_owned()).collect()
            }
            "sysfs" => knobs.named(&setting.option).map(|(_, knob)| knob.to_owned()).collect(),
            section => {
                let known = OPTIONS.iter().find(|row| row.0 == section && row.1 == setting.option);
                let pattern = known.map_or("", |row| row.2);
                names.iter().filter(|name| covers(pattern, name)).cloned().collect()
            }
        };
        for knob in named {
            for earlier in claims.iter_mut().filter(|earlier| earlier.knob == knob) {
                earlier.replaced = true;
            }
            // Which of a pair it is, is in the option's name.
            let value = super::worded(&knob, &setting.option, &setting.value);
            claims.push(Claim {
                knob,
                stage: Stage::Service,
                place: format!("tuned, {}", setting.place),
                value,
                replaced: false,
                condition: setting
                    .value
                    .contains("${")
                    .then(|| "which TuneD computes when it runs".to_owned()),
            });
        }
    }
    Ok(claims)
}

/// The settings of a profile, those of what it includes first.
fn add(root: &Root, name: &str, settings: &mut Vec<Setting>, depth: usize) -> Result<(), RootError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if depth > DEPTH_MAX || name.starts_with('.') || !name.bytes().all(plain) {
        return Ok(());
    }
    for folder in FOLDERS {
        let path = format!("{folder}/{name}/tuned.conf");
        let Some(text) = root.read(&path)? else { continue };
        let (include, mut own) = parse(&path, &text);
        for base in include {
            add(root, base.trim_start_matches('-'), settings, depth + 1)?;
        }
        settings.append(&mut own);
        return Ok(());
    }
    Ok(())
}

/// The includes and the settings of one file.
fn parse(path: &str, text: &str) -> (Vec<String>, Vec<Setting>) {
    let (mut include, mut settings, mut section) = (Vec::new(), Vec::new(), String::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
            continue;
        }
        let Some((option, value)) = line.split_once('=') else { continue };
        // `>` and `<` only raise or lower.
        let value = value.trim().trim_matches('"').trim_start_matches(['>', '<', '=']);
        if section == "main" && option.trim() == "include" {
            let names = value.split([',', ';', ' ']).filter(|name| !name.is_empty());
            include.extend(names.map(str::to_owned));
        } else {
            settings.push(Setting {
                section: section.clone(),
                option: option.trim().to_owned(),
                value: value.to_owned(),
                place: format!("{path}:{}", number + 1),
            });
        }
    }
    (include, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_with_what_it_includes() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("etc/tuned/active_profile", "mine\n");
        put(
            "etc/tuned/mine/tuned.conf",
            "[main]\ninclude=base, -gone\n[sysctl]\nvm.swappiness=>10\n[cpu]\ngovernor=performance|schedutil\n",
        );
        put(
            "usr/lib/tuned/base/tuned.conf",
            "[main]\nsummary=x\n[sysctl]\nvm.swappiness = 60 # why\n[vm]\ndirty_ratio=40\n",
        );
        let knobs =
            Files::new(vec![("/proc/sys/vm/swappiness".into(), "vm.swappiness".into(), String::new())]);
        let names = ["vm.swappiness", "cpu.policy0.governor", "vm.dirty"].map(str::to_owned);
        let told: Vec<_> = claims(&Root::new(folder.path()), &knobs, &names)
            .unwrap()
            .into_iter()
            .map(|claim| (claim.knob, claim.value, claim.replaced))
            .collect();
        let expected = [
            ("vm.swappiness", "60", true),
            ("vm.dirty", "ratio 40", false),
            ("vm.swappiness", "10", false),
            ("cpu.policy0.governor", "performance|schedutil", false),
        ];
        assert_eq!(
            told,
            expected.map(|(knob, value, replaced)| (knob.to_owned(), value.to_owned(), replaced))
        );
    }
}
