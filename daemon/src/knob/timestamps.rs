//! Times of receipt for all packets, asked for once and for good: a socket that the daemon holds open.
//!
//! What a network card itself does with time stamps is set by the programs that use them (ptp4l(8), chronyd(8)).

use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError, NOT_HELD};
use crate::root::Root;

const NAME: &str = "net.rx_timestamps";
const HELD: &str = "held";

pub(super) static KNOBS: &[&dyn Knob] = &[&Timestamps {
    spec: Spec::new(NAME, Form::Choice(&[HELD, NOT_HELD]))
        .why("held: the kernel notes when each packet came, so that no program that begins or ends to ask for it interrupts every CPU")
        .risk(Risk::Low, "each packet costs a look at the clock")
        .from("kernel Documentation/networking/timestamping.rst; net/core/dev.c, netstamp_needed_key")
        .as_hold(),
}];

struct Timestamps {
    spec: Spec,
}

impl Knob for Timestamps {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        let held = root.has_timestamps(NAME)?;
        Ok(held.map(|held| if held { HELD } else { NOT_HELD }.to_owned()))
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        Ok(self.spec.form.canonical(asked)?)
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        if value == NOT_HELD {
            return Ok(root.release_timestamps(NAME)?);
        }
        Ok(root.hold_timestamps(NAME)?)
    }
}
