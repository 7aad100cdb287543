//! The list of cases, in the order in which they run.

mod devices;
mod knobs;
mod package;
mod profiles;

use crate::case::Case;

/// Every case.
pub static ALL: &[Case] = &[
    package::INSTALL,
    profiles::ROUND_TRIP,
    knobs::CATALOGUE,
    devices::DISK,
    devices::CARD,
    devices::STORM,
    package::PURGE,
];
