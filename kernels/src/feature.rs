//! Features of market data: one specification, the same bits in batch and in a stream.
//!
//! `text -> syntax -> lower (catalogue) -> graph -> program -> stream`: a list of features becomes a graph in
//! which equal parts are held once, and the graph a program that advances over rows.
//!
//! A value is finite or NaN, and NaN means "not known": while a feature warms up, where the data has a gap, and
//! where a formula is undefined (a division by zero, the logarithm of zero). What NaN does to later rows is part
//! of each feature's entry in the [`CATALOGUE`]. An infinite input counts as NaN.

pub mod value;

pub(crate) mod op;

pub(crate) mod graph;

pub mod entry;

mod parts;

mod average;
mod momentum;

mod bar;
mod dispersion;

mod book;
mod channel;
mod clock;
mod direction;
mod distribution;
mod estimator;
mod flow;
mod oscillator;
mod quote;
mod regression;
mod trade;
mod transform;
mod volume;

mod scale;

pub mod catalogue;

pub mod across;

pub mod error;

mod syntax;

mod lower;

mod loops;

pub(crate) mod program;

mod turned;

mod destination;

mod segments;

pub mod normaliser;

pub mod stream;

pub mod snapshot;

pub mod revision;

pub mod panel;

pub mod plan;

pub mod label;

pub mod bars;

pub use across::Across;
pub use catalogue::CATALOGUE;
pub use entry::Entry;
pub use error::PlanError;
pub use normaliser::{Fit, Moments, Normaliser};
pub use panel::{Panel, PanelError};
pub use plan::{CrossPanel, CrossPlan, DataError, Explanation, Plan, Rows};
pub use revision::{Revisable, RevisionError};
pub use snapshot::SnapshotError;
pub use stream::{ShapeError, Stream};
pub use value::Number;
