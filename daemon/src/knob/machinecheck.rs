//! Reports of hardware errors: /sys/devices/system/machinecheck.
//!
//! The file is there once a CPU and the setting once a machine: a write through one of them counts for all.

use super::attribute::Attribute;
use super::spec::Risk;
use super::{Form, Knob, Spec};

pub(super) static KNOBS: &[&dyn Knob] = &[&Attribute::file(
    Spec::new("machinecheck.ignore_ce", Form::flag())
        .why("leaves out the search for corrected memory errors, which interrupts every CPU")
        .risk(Risk::High, "1 hides memory that begins to fail")
        .from("kernel Documentation/arch/x86/x86_64/machinecheck.rst"),
    "/sys/devices/system/machinecheck/machinecheck0/ignore_ce",
)];
