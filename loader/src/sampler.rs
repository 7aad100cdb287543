//! Which windows, in which order: pure arithmetic over row numbers.
//!
//! A window is `length` rows from a start row; its target lies `horizon` rows after its last row. Both must lie in
//! one run of rows without a gap, and in one part of the split, so nothing of the validation rows is ever seen in
//! training.
//!
//! ```text
//! Split (rows in time) -> Windows (starts in one part, cut at gaps, weighted) -> Epoch (blocks of rows, shuffled) -> Mixes -> Cursor
//! ```

mod order;
pub mod split;

pub mod weights;

pub mod windows;

pub mod epoch;

pub mod mix;

pub use epoch::{Block, Cursor, Epoch, Order};
pub use mix::{Mix, Mixes, Shard};
pub use split::Split;
pub use windows::{Gaps, Shape, Windows};
