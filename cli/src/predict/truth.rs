//! Predictions and their truth, which comes a horizon later.

use std::collections::VecDeque;

use crate::line::Recipe;
use crate::score::Score;

/// Two scores: on rows that the training may have seen, and on those after it.
pub struct Scores {
    trained_before_ns: i64,
    /// On rows that the training may have seen.
    pub earlier: Score,
    /// On rows after it.
    pub later: Score,
}

impl Scores {
    /// Nothing predicted yet.
    #[must_use]
    pub fn new(recipe: &Recipe) -> Self {
        let score = Score::overlapping(recipe.horizon);
        Self { trained_before_ns: recipe.trained_before_ns, earlier: score, later: score }
    }

    /// Counts a prediction of that time whose truth is known.
    pub fn push(&mut self, time: i64, predicted: f64, truth: f64) {
        let score = if time < self.trained_before_ns { &mut self.earlier } else { &mut self.later };
        score.push(predicted, truth);
    }
}

/// Predictions that wait for their truth: at most one horizon of them.
pub struct Truth {
    /// What is known so far.
    pub scores: Scores,
    waiting: VecDeque<Waiting>,
    horizon: u64,
    row: u64,
    price: f64,
    time: i64,
}

struct Waiting {
    due: u64,
    time: i64,
    price: f64,
    predicted: f64,
}

impl Truth {
    /// Nothing predicted yet.
    #[must_use]
    pub fn new(recipe: &Recipe) -> Self {
        let (scores, waiting) = (Scores::new(recipe), VecDeque::new());
        Self { scores, waiting, horizon: recipe.horizon, row: 0, price: f64::NAN, time: 0 }
    }

    /// Takes the next row, and scores what was predicted for it.
    pub fn row(&mut self, time: i64, price: f64, after_gap: bool) {
        if after_gap {
            self.waiting.clear();
        }
        (self.row, self.price, self.time) = (self.row + 1, price, time);
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.due <= self.row) {
            self.scores.push(waiting.time, waiting.predicted, (price / waiting.price).ln());
        }
    }

    /// Waits for the truth of what was predicted at the last row.
    pub fn predicted(&mut self, predicted: f64) {
        let due = self.row + self.horizon;
        self.waiting.push_back(Waiting { due, time: self.time, price: self.price, predicted });
    }
}
