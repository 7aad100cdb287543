//! The exams of the features: outside judges, one meaning, no look-ahead, numerics, and bad plans.
//!
//! The modules carry `cfg(test)` so that clippy sees their helpers as test code.

#[cfg(test)]
mod across;
#[cfg(test)]
mod bars;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod labels;
#[cfg(test)]
mod late;
#[cfg(test)]
mod numerics;
#[cfg(test)]
mod numpy;
#[cfg(test)]
mod one_truth;
#[cfg(test)]
mod panel;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod revision;
#[cfg(test)]
mod series;
#[cfg(test)]
mod ta_lib;
#[cfg(test)]
mod torture;
