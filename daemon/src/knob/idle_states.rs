//! Which idle states a CPU may enter: /sys/devices/system/cpu/cpuN/cpuidle.
//!
//! What a person wants is a bound on the time to wake, `latency_us 10`: on each CPU that is the set of states which
//! take longer. What has to be saved and restored is that set, so it is the canonical form: `disabled 2,3`.

use super::form::FormError;
use super::identity::Identity;
use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::{Root, RootError};

const BASE: &str = "/sys/devices/system/cpu";
const EXPECTED: &str =
    "`latency_us N` for the longest time to wake, or `disabled LIST` of states like 2,3, or `disabled none`";
/// More states than any processor has.
const STATE_MAX: u32 = 63;

pub(super) static KNOBS: &[&dyn Knob] = &[&IdleStates {
    spec: Spec::new("cpu.idle_states", Form::Special(EXPECTED))
        .why("keeps a CPU out of idle states that take long to wake from")
        .risk(Risk::Medium, "more heat, and less turbo for the neighbours; the shallowest state always stays")
        .from("kernel Documentation/admin-guide/pm/cpuidle.rst")
        .per_device(Identity::Machine, &[]),
}];

struct IdleStates {
    spec: Spec,
}

fn folder(cpu: &str) -> String {
    format!("{BASE}/{cpu}/cpuidle")
}

/// The numbers of the states of a CPU, the shallowest first.
fn states(root: &Root, cpu: &str) -> Result<Vec<u32>, RootError> {
    let number = |name: String| name.strip_prefix("state")?.parse().ok().filter(|state| *state <= STATE_MAX);
    Ok(root.list(&folder(cpu))?.into_iter().filter_map(number).collect())
}

fn number(root: &Root, cpu: &str, state: u32, leaf: &str) -> Result<Option<u64>, RootError> {
    let text = root.read(&format!("{}/state{state}/{leaf}", folder(cpu)))?;
    Ok(text.and_then(|text| text.trim().parse().ok()))
}

fn canonical(disabled: &[u32]) -> String {
    let numbers: Vec<_> = disabled.iter().map(u32::to_string).collect();
    format!("disabled {}", if numbers.is_empty() { "none".to_owned() } else { numbers.join(",") })
}

fn bad(given: &str) -> FormError {
    FormError::Special { given: given.to_owned(), expected: EXPECTED }
}

/// The states of `disabled 2,3`, ascending, each once.
fn listed(text: &str) -> Result<Vec<u32>, FormError> {
    let list = text.strip_prefix("disabled ").ok_or_else(|| bad(text))?.trim();
    if list == "none" {
        return Ok(Vec::new());
    }
    let number = |word: &str| word.trim().parse().ok().filter(|state| *state <= STATE_MAX);
    let mut states: Vec<u32> =
        list.split(',').map(|word| number(word).ok_or_else(|| bad(text))).collect::<Result<_, _>>()?;
    states.sort_unstable();
    states.dedup();
    Ok(states)
}

impl Knob for IdleStates {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let mut targets = Vec::new();
        for name in root.list(BASE)? {
            let is_cpu = name.strip_prefix("cpu").is_some_and(|digits| digits.parse::<u32>().is_ok());
            if is_cpu && root.exists(&format!("{}/state0/disable", folder(&name)))? {
                targets.push(name);
            }
        }
        Ok(targets)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let (mut disabled, mut any) = (Vec::new(), false);
        for state in states(root, target)? {
            let Some(flag) = number(root, target, state, "disable")? else { continue };
            any = true;
            if flag != 0 {
                disabled.push(state);
            }
        }
        Ok(any.then(|| canonical(&disabled)))
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let asked = asked.trim();
        let here = states(root, target)?;
        if let Some(bound) = asked.strip_prefix("latency_us ") {
            let bound: u64 = bound.trim().parse().map_err(|_| bad(asked))?;
            if here.is_empty() {
                return Ok(format!("latency_us {bound}"));
            }
            let mut disabled = Vec::new();
            for state in here.iter().skip(1) {
                if number(root, target, *state, "latency")?.is_some_and(|latency_us| latency_us > bound) {
                    disabled.push(*state);
                }
            }
            return Ok(canonical(&disabled));
        }
        let disabled = listed(asked)?;
        if let Some(unknown) = disabled.iter().find(|state| !here.is_empty() && !here.contains(state)) {
            let offered = here.iter().map(u32::to_string).collect();
            return Err(FormError::Choice { given: unknown.to_string(), offered, suggestion: None }.into());
        }
        Ok(canonical(&disabled))
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let disabled = listed(value)?;
        for state in states(root, target)? {
            let wanted = u64::from(disabled.contains(&state));
            if number(root, target, state, "disable")?.is_some_and(|flag| (flag != 0) != (wanted != 0)) {
                root.write(&format!("{}/state{state}/disable", folder(target)), &wanted.to_string())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_becomes_a_set_of_states() {
        let tree = tempfile::tempdir().unwrap();
        for (state, latency_us, disable) in [(0, 0, 0), (1, 2, 0), (2, 50, 1), (3, 300, 0)] {
            let path = tree.path().join(format!("sys/devices/system/cpu/cpu1/cpuidle/state{state}"));
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("latency"), format!("{latency_us}\n")).unwrap();
            std::fs::write(path.join("disable"), format!("{disable}\n")).unwrap();
        }
        std::fs::create_dir_all(tree.path().join("sys/devices/system/cpu/cpuidle")).unwrap();
        let (root, knob) = (Root::new(tree.path()), KNOBS[0]);
        assert_eq!(knob.targets(&root).unwrap(), ["cpu1"]);
        assert_eq!(knob.read(&root, "cpu1").unwrap().as_deref(), Some("disabled 2"));
        assert_eq!(knob.read(&root, "cpu0").unwrap(), None);
        let settle = |asked| knob.settle(&root, "cpu1", asked);
        assert_eq!(settle("latency_us 10").unwrap(), "disabled 2,3");
        assert_eq!(settle("latency_us 50").unwrap(), "disabled 3");
        assert_eq!(settle("latency_us 0").unwrap(), "disabled 1,2,3");
        assert_eq!(settle("disabled 3, 1").unwrap(), "disabled 1,3");
        assert!(settle("disabled 4").is_err() && settle("latency_us x").is_err() && settle("2").is_err());
        assert_eq!(knob.settle(&Root::nowhere(), "", "latency_us 010").unwrap(), "latency_us 10");
        for value in ["disabled 1,3", "disabled none", "disabled 2"] {
            knob.write(&root, "cpu1", value).unwrap();
            assert_eq!(knob.read(&root, "cpu1").unwrap().as_deref(), Some(value));
        }
    }
}
