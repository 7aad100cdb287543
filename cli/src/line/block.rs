//! One block of rows, computed: normalised features and prices, ready for windows to be cut from.

use std::ops::Range;

use super::feed::{Feed, FeedError, Rows};
use super::keep::Panel;
use super::piece::Piece;
use super::recipe::Recipe;
use super::scan::Scan;

/// A block of rows; its memory is used again for the next one.
#[derive(Default)]
pub struct Block {
    /// The table row of the first row held.
    pub first: u64,
    /// `[row][feature]`, normalised.
    pub features: Vec<f32>,
    /// The price of each row.
    pub prices: Vec<f64>,
    /// The time of each row, in nanoseconds since 1970-01-01 UTC.
    pub times: Vec<i64>,
    rows: Rows,
    piece: Piece,
}

impl Block {
    /// The features of `length` rows from table row `start`, `[row][feature]`.
    #[must_use]
    pub fn window(&self, start: u64, length: usize, width: usize) -> &[f32] {
        let from = self.place(start) * width;
        &self.features[from..from + length * width]
    }

    /// The log return of the price from table row `from` to row `to`, or `None` where `to` is not held.
    #[must_use]
    pub fn log_return(&self, from: u64, to: u64) -> Option<f64> {
        let (from, to) = (self.place(from), self.place(to));
        Some((self.prices.get(to)? / self.prices.get(from)?).ln())
    }

    /// Where table row `row` is held.
    #[must_use]
    pub fn place(&self, row: u64) -> usize {
        usize::try_from(row.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }
}

/// Computes any block of a scanned file.
pub struct Blocks<'a> {
    feed: &'a Feed,
    scan: &'a Scan,
    recipe: &'a Recipe,
    /// Values that were not finite and became the mean.
    pub missing: u64,
    /// Values computed.
    pub values: u64,
}

impl<'a> Blocks<'a> {
    /// Blocks of `feed` normalised as `recipe` says.
    #[must_use]
    pub fn new(feed: &'a Feed, scan: &'a Scan, recipe: &'a Recipe) -> Self {
        Self { feed, scan, recipe, missing: 0, values: 0 }
    }

    /// Computes `rows` into `block`, from the head of the block of the scan that they start in, or takes them from where
    /// they are kept.
    ///
    /// # Errors
    /// [`FeedError`] when the file is broken there.
    pub fn load(&mut self, rows: Range<u64>, block: &mut Block) -> Result<(), FeedError> {
        let number = rows.start / self.scan.block_rows;
        let first = number * self.scan.block_rows;
        if let Some(panel) = &self.scan.panel {
            self.take(panel, first..rows.end, block);
            return Ok(());
        }
        self.feed.read(first..rows.end, &mut block.rows)?;
        block.first = first;
        block.prices.clone_from(&block.rows.prices);
        block.times.clone_from(&block.rows.times);
        let (width, inputs) = (self.feed.plan.names().len(), self.feed.plan.inputs().len());
        block.features.resize(block.prices.len() * width, 0.0);
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(mut stream) = self.scan.states.get(number).cloned() else { return Ok(()) };
        let (recipe, missing, all) = (self.recipe, &mut self.missing, &mut block.features);
        block.piece.run(&mut stream, (&block.rows.inputs, inputs), width, |row, features| {
            *missing += recipe.normalise(features, &mut all[row * width..(row + 1) * width]);
            Ok::<_, FeedError>(())
        })?;
        self.values += block.features.len() as u64;
        Ok(())
    }

    fn take(&mut self, panel: &Panel, rows: Range<u64>, block: &mut Block) {
        let count = usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX);
        let width = self.feed.plan.names().len();
        block.first = rows.start;
        block.prices.clear();
        block.times.clear();
        block.features.resize(count * width, 0.0);
        for (row, features) in panel.rows(rows.clone()).zip(block.features.chunks_exact_mut(width)) {
            block.prices.push(row.price);
            block.times.push(row.time);
            self.missing += self.recipe.normalise(row.features, features);
        }
        self.values += block.features.len() as u64;
        panel.release(rows);
    }
}
