//! The list of cases, in the order in which they run.

mod devices;
mod faults;
mod hold;
mod knobs;
mod memory;
mod package;
mod power;
mod processors;
mod profiles;
mod rival;
mod struck;

use crate::case::Case;

/// Every case.
pub static ALL: &[Case] = &[
    package::INSTALL,
    profiles::ROUND_TRIP,
    knobs::CATALOGUE,
    faults::KILL_ACTIVE,
    faults::KILL_DURING,
    faults::WATCHDOG,
    struck::WATCHDOG,
    faults::WRONG_VALUES,
    faults::TWO_DAEMONS,
    faults::READ_ONLY,
    faults::FULL,
    faults::RIGHTS,
    memory::SWAP,
    memory::SIDE_EFFECTS,
    memory::HUGE,
    hold::HOLD,
    devices::DISK,
    devices::CARD,
    struck::DEVICES,
    devices::STORM,
    processors::PROCESSORS,
    package::PURGE,
    power::CUT,
    rival::COMPARE,
];
