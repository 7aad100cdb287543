//! One number of a group of settings, and what drivers make of it.

use super::super::form::FormError;
use super::super::{Knob, KnobError, Spec};
use crate::root::{Group, Root};

/// What a driver may make of a number and still have done what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
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
pub(super) struct Setting {
    pub spec: Spec,
    pub group: Group,
    pub name: &'static str,
    pub rounding: Rounding,
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
        super::super::nic::interfaces(root)
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

#[cfg(test)]
mod tests {
    use super::super::KNOBS;
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
