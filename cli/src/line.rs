//! The data line, composed: file -> columns -> features -> windows -> batches.
//!
//! The loader and the kernels do not know each other; this is where they meet. Nothing here holds more than a few
//! blocks of rows, whatever the length of the file: one pass over the file leaves the state of the feature stream
//! at the head of every block (`scan`), and from there any block can be computed again, with the same bits, in any
//! order (`block`). That is why a shuffled epoch needs neither a copy of the features on disk nor all rows in memory.
//!
//! What was computed is kept, so that a later run finds it (`keep`).
//!
//! `recipe, clock, symbol, plan_text, intake -> feed -> keep, piece -> scan -> block -> batch`

pub mod batch;
pub mod block;
pub mod clock;
pub mod feed;
pub mod intake;
pub mod keep;
mod piece;
pub mod plan_text;
pub mod recipe;
pub mod scan;
mod symbol;

pub use batch::Batch;
pub use keep::{Cache, Cached};
pub use plan_text::PlanText;
pub use recipe::Recipe;
