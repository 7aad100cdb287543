//! What a model must be fed: kept in the model file, so that a model cannot be run on other numbers than it learnt.

use std::fmt;

use diapason_kernels::feature::{Normaliser, Plan};
use serde::{Deserialize, Serialize};

/// The price whose future is predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// One column.
    Column(String),
    /// Half the sum of bid and ask.
    Middle(String, String),
}

impl Price {
    /// The price of a table with these columns: `close`, else `price`, else the middle of `bid` and `ask`.
    #[must_use]
    pub fn of(columns: &[&str]) -> Option<Self> {
        let has = |name: &str| columns.contains(&name);
        if let Some(name) = ["close", "price"].into_iter().find(|name| has(name)) {
            return Some(Self::Column(name.to_owned()));
        }
        (has("bid") && has("ask")).then(|| Self::Middle("bid".to_owned(), "ask".to_owned()))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => f.write_str(name),
            Self::Middle(bid, ask) => write!(f, "({bid} + {ask}) / 2"),
        }
    }
}

/// Everything between a file and the model's input, and between the model's output and a return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The feature plan in its canonical text.
    pub features: String,
    /// The content hash of that plan; a plan with another hash computes other numbers.
    pub features_hash: String,
    /// The price whose future is predicted.
    pub price: Price,
    /// Rows in a window.
    pub window: u64,
    /// Rows from the last row of a window to the row whose price is predicted.
    pub horizon: u64,
    /// Seconds between neighbouring rows above which there is a gap that no window crosses.
    pub gap_seconds: f64,
    /// Mean and deviation of each feature over the training rows.
    pub normaliser: Normaliser,
    /// The root mean square of the log return over the horizon, over the training rows: the unit of the model's output.
    pub target_unit: f64,
    /// The time of the first row that training did not see, in nanoseconds since 1970-01-01 UTC.
    pub trained_before_ns: i64,
    /// Whether features are taken as they are, without normaliser and clip: those of a model that has its own.
    #[serde(skip)]
    pub is_raw: bool,
}

/// How far a normalised feature may be from its mean, in standard deviations. A single bad print would otherwise
/// saturate every gate; eight keeps every move that a market of the training rows could make.
pub const CLIP: f64 = 8.0;

/// Why a recipe does not fit.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file has no price.
    #[error("no price column among {columns}; needed is close, price, or bid and ask")]
    NoPrice {
        /// The columns there are.
        columns: String,
    },
    /// The plan of the model computes other numbers in this version.
    #[error(
        "the model was trained with features {trained} ({trained_hash}), now they are {now} ({now_hash}); \
         train again, or give the plan it was trained with"
    )]
    OtherFeatures {
        /// The plan in the model file.
        trained: String,
        /// Its hash.
        trained_hash: String,
        /// The plan it is compared with.
        now: String,
        /// Its hash.
        now_hash: String,
    },
    /// The model file contradicts itself.
    #[error(
        "the model has {inputs} inputs, its recipe names {features} features; the model file was altered, train again"
    )]
    OtherWidth {
        /// Inputs of the model.
        inputs: usize,
        /// Outputs of the plan.
        features: usize,
    },
    /// The model file has no recipe, or a broken one.
    #[error(
        "the model file has no usable recipe under {KEY:?} ({reason}); for a model of another program say what it reads \
         with --features PLAN and --window ROWS, or give --recipe FILE"
    )]
    NoRecipe {
        /// What is wrong.
        reason: String,
    },
    /// An option for models without a recipe was given for one that has it.
    #[error("{option} is for models without a recipe, and this one has its own; leave it out")]
    Surplus {
        /// The option.
        option: &'static str,
    },
    /// The plan on the command line does not fit the model.
    #[error(
        "the model reads {inputs} values of a row, and --features gives {features}; give the plan that it was trained with"
    )]
    Width {
        /// Inputs of the model.
        inputs: usize,
        /// Outputs of the plan.
        features: usize,
    },
    /// Which of several outputs is meant was not said, or is none of them.
    #[error("the model gives {outputs} values; say which one with --output, counted from 0")]
    Outputs {
        /// How many.
        outputs: usize,
    },
}

/// The name of the recipe among the metadata of a model file.
pub const KEY: &str = "recipe";

impl Recipe {
    /// Whether every number of a recipe that was read from a file can be used.
    ///
    /// # Errors
    /// [`RecipeError::NoRecipe`] names the number that cannot.
    pub fn validate(&self) -> Result<(), RecipeError> {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let sound = [
            ("window", (1..=1 << 20).contains(&self.window)),
            ("horizon", (1..=1 << 20).contains(&self.horizon)),
            ("gap_seconds", self.gap_seconds.is_finite() && self.gap_seconds > 0.0),
            ("normaliser.mean", finite(&self.normaliser.mean)),
            ("normaliser.inverse_deviation", finite(&self.normaliser.inverse_deviation)),
            ("target_unit", self.target_unit.is_finite() && self.target_unit > 0.0),
        ];
        match sound.iter().find(|(_, sound)| !sound) {
            None => Ok(()),
            Some((name, _)) => Err(RecipeError::NoRecipe { reason: format!("{name} is out of range") }),
        }
    }

    /// Whether `plan` computes what a model with so many inputs and outputs learnt from.
    ///
    /// # Errors
    /// [`RecipeError`] names the difference.
    pub fn check(&self, plan: &Plan, (inputs, outputs): (usize, usize)) -> Result<(), RecipeError> {
        if outputs != 1 {
            return Err(RecipeError::NoRecipe { reason: format!("the model has {outputs} outputs, not 1") });
        }
        if plan.hash() != self.features_hash {
            return Err(RecipeError::OtherFeatures {
                trained: self.features.clone(),
                trained_hash: self.features_hash.clone(),
                now: plan.canonical().to_owned(),
                now_hash: plan.hash().to_owned(),
            });
        }
        let features = plan.names().len();
        let Normaliser { mean, inverse_deviation } = &self.normaliser;
        if features != inputs || mean.len() != inputs || inverse_deviation.len() != inputs {
            return Err(RecipeError::OtherWidth { inputs, features });
        }
        Ok(())
    }

    /// Normalises one row of features into the model's input. A value that is not finite becomes 0, which is the mean;
    /// returns how many there were.
    pub fn normalise(&self, features: &[f64], input: &mut [f32]) -> u64 {
        let mut missing = 0;
        let Normaliser { mean, inverse_deviation } = &self.normaliser;
        for (((value, input), mean), inverse) in features.iter().zip(input).zip(mean).zip(inverse_deviation) {
            let normal = if self.is_raw { *value } else { ((value - mean) * inverse).clamp(-CLIP, CLIP) };
            *input = if value.is_finite() { normal as f32 } else { 0.0 };
            missing += u64::from(!value.is_finite());
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_is_found_by_name() {
        assert_eq!(Price::of(&["open", "close"]), Some(Price::Column("close".into())));
        assert_eq!(Price::of(&["bid", "ask", "volume"]), Some(Price::Middle("bid".into(), "ask".into())));
        assert_eq!(Price::of(&["bid", "volume"]), None);
    }

    #[test]
    fn what_is_not_finite_becomes_the_mean_and_is_counted() {
        let recipe = Recipe {
            features: String::new(),
            features_hash: String::new(),
            price: Price::Column("close".into()),
            window: 1,
            horizon: 1,
            gap_seconds: 0.0,
            normaliser: Normaliser {
                mean: vec![1.0, 1.0, 1.0, 0.0],
                inverse_deviation: vec![2.0, 2.0, 2.0, 1e300],
            },
            target_unit: 1.0,
            trained_before_ns: 0,
            is_raw: false,
        };
        let mut input = [9.0; 4];
        assert_eq!(recipe.normalise(&[2.0, f64::NAN, f64::INFINITY, 1e30], &mut input), 2);
        assert_eq!(input, [2.0, 0.0, 0.0, CLIP as f32]);
    }
}
