//! The bound on the wake-up latency of every CPU: /dev/cpu_dma_latency.
//!
//! Whoever holds the device open may ask the kernel to use no idle state that takes longer to leave; the smallest
//! request of all holders counts and ends when its holder closes the file. In the daemon the value of the knob is
//! its own request, in any other process what the kernel heeds from all of them together.

use super::form::FormError;
use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError, NOT_HELD};
use crate::root::{Held, Root};

const NAME: &str = "cpu.dma_latency";
const PATH: &str = "/dev/cpu_dma_latency";
const CLASS: &str = "/sys/class/misc/cpu_dma_latency";
/// No bound: `PM_QOS_CPU_LATENCY_DEFAULT_VALUE` of `linux/pm_qos.h`, 2,000 seconds in microseconds.
const NEUTRAL: i32 = 2_000_000_000;

pub(super) static KNOBS: &[&dyn Knob] = &[&DmaLatency {
    spec: Spec::new(NAME, Form::IntegerOr { min: 0, max: NEUTRAL as i64 - 1, word: NOT_HELD })
        .why("the longest that any CPU may take to leave an idle state, in microseconds; none is no bound")
        .risk(Risk::Low, "idle CPUs draw power; 0 keeps them spinning, which heats a socket and costs turbo")
        .from("kernel Documentation/power/pm_qos_interface.rst")
        .as_hold(),
}];

struct DmaLatency {
    spec: Spec,
}

fn text(value: i32) -> String {
    if value >= NEUTRAL { NOT_HELD.to_owned() } else { value.to_string() }
}

impl Knob for DmaLatency {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        // The daemon under systemd has a /dev of its own, without the device.
        let is_there = root.exists(PATH)? || (root.is_holding() && root.exists(CLASS)?);
        if !is_there {
            return Ok(None);
        }
        Ok(Some(match root.held(NAME, PATH)? {
            Held::Value(value) => text(value),
            // No value that anybody could have asked for, so that nothing counts as being there already.
            Held::Unsettled => "unsettled".to_owned(),
            Held::Nothing if root.is_machine() => NOT_HELD.to_owned(),
            Held::Nothing | Held::Elsewhere => {
                let shown = root.read_head(PATH, 16)?.unwrap_or_default();
                let word = std::str::from_utf8(&shown).ok().and_then(|shown| shown.trim().parse().ok());
                let bytes = <[u8; 4]>::try_from(&shown[..]).ok().filter(|_| root.is_machine());
                text(bytes.map(i32::from_ne_bytes).or(word).unwrap_or(NEUTRAL))
            }
        }))
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        Ok(self.spec.form.canonical(asked)?)
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        if value == NOT_HELD {
            return Ok(root.release(NAME, PATH, NEUTRAL)?);
        }
        let value = value.parse().map_err(|_| FormError::NotInteger { given: value.to_owned() })?;
        Ok(root.hold(NAME, PATH, value)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_changed_and_let_go() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dev")).unwrap();
        std::fs::write(folder.path().join("dev/cpu_dma_latency"), "2000000000\n").unwrap();
        let knob = KNOBS[0];
        for root in [Root::new(folder.path()), Root::new(folder.path()).holding([])] {
            assert_eq!(knob.read(&root, "").unwrap().as_deref(), Some("none"));
            for value in ["10", "0", "none"] {
                knob.write(&root, "", value).unwrap();
                assert_eq!(knob.read(&root, "").unwrap().as_deref(), Some(value));
            }
        }
        let root = Root::new(folder.path());
        assert_eq!(knob.settle(&root, "", " 010 ").unwrap(), "10");
        assert!(knob.settle(&root, "", "2000000000").is_err());
        assert!(knob.settle(&root, "", "deep").is_err());
        assert_eq!(knob.read(&Root::nowhere(), "").unwrap(), None);
    }

    #[test]
    fn the_real_device_takes_the_bytes() {
        diapason_tests::require!(Root);
        let root = Root::new("/").holding([]);
        let knob = KNOBS[0];
        if knob.read(&root, "").unwrap().is_none() {
            return;
        }
        // Bounds of half an hour, which no idle state reaches. The first byte of the second is a line break, where a
        // line-buffered writer would cut it.
        assert_eq!(1_999_999_754_i32.to_ne_bytes()[0], b'\n');
        for value in ["1999999999", "1999999754", "1999999998"] {
            knob.write(&root, "", value).unwrap();
            assert_eq!(knob.read(&root, "").unwrap().as_deref(), Some(value));
        }
        knob.write(&root, "", "none").unwrap();
        assert_eq!(knob.read(&root, "").unwrap().as_deref(), Some("none"));
    }
}
