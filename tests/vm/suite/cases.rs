//! The list of cases, in the order in which they run.

mod devices;
mod faults;
mod hold;
mod knobs;
mod memory;
mod package;
mod power;
mod profiles;
mod rival;

use crate::case::Case;

/// Every case.
pub static ALL: &[Case] = &[
    package::INSTALL,
    profiles::ROUND_TRIP,
    knobs::CATALOGUE,
    faults::KILL_ACTIVE,
    faults::KILL_DURING,
    faults::WATCHDOG,
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
    devices::STORM,
    package::PURGE,
    power::CUT,
    rival::COMPARE,
];
