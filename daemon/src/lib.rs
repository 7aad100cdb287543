//! Transactional tuning of a Linux host.
//!
//! Flow: `profile + host + what is now -> plan -> journal -> apply -> knob -> root`, and back:
//! `journal -> apply -> knob -> root`.
//!
//! A [`profile`] says what each [`knob`] should be, a [`plan`] what would change on this [`host`], and [`apply`]
//! changes it: the original is in the journal before the knob is written, and what is written is read back.

// Allowed again in one folder, `root/call`.
#![deny(unsafe_code)]

pub mod cpu_set;

pub mod root;

pub mod pattern;

pub mod host;

pub mod knob;

pub mod profile;

pub mod plan;

pub mod conflicts;

pub mod explain;
pub mod recommend;

pub mod watch;

pub mod drift;

pub mod journal;

pub mod apply;

pub mod switch;

pub mod uevent;

pub mod log;

pub mod metrics;

pub mod admin;

pub mod control;

pub mod client;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

#[cfg(test)]
mod published;
