//! The clock that the kernel counts time with: /sys/devices/system/clocksource.

use super::attribute::Attribute;
use super::spec::{Class, Risk};
use super::{Form, Knob, Spec};

pub(super) static KNOBS: &[&dyn Knob] = &[&Attribute::file(
    Spec::new("clocksource.current_clocksource", Form::Word)
        .why("the hardware behind clock_gettime: tsc is read without entering the kernel, hpet and acpi_pm are not")
        .risk(Risk::Medium, "a time stamp counter that drifts between sockets makes time jump")
        .from("kernel Documentation/ABI/testing/sysfs-devices-system-clocksource")
        // A clock chosen by hand is no longer replaced by a better one that comes later.
        .class(Class::BestEffort),
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
)
.offered_in("/sys/devices/system/clocksource/clocksource0/available_clocksource")];
