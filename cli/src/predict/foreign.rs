//! A model of another program: what its file does not say, from the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use diapason_kernels::feature::Normaliser;

use super::Ready;
use crate::console::Console;
use crate::failure::Failure;
use crate::line::PlanText;
use crate::line::feed::Feed;
use crate::line::recipe::{KEY, Recipe, RecipeError};
use crate::line::scan::usual_gap;

/// What the file of a model of another program does not say; with --features.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Models of other programs, which have no recipe")]
pub struct Foreign {
    /// Rows in a window; needed, as is --features
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub window: Option<u64>,
    /// Which value of the first output is the prediction, counted from 0; needed where there are several
    #[arg(long)]
    pub output: Option<usize>,
    /// What the prediction is multiplied by to be a log return; without it, it is written as it is
    #[arg(long)]
    pub unit: Option<f64>,
    /// Rows ahead whose log return is predicted; without it nothing is judged
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub horizon: Option<u64>,
    /// Seconds between rows that make a gap no window crosses; without it, ten median steps, at least 600
    #[arg(long)]
    pub gap: Option<f64>,
    /// A recipe as JSON instead of all these, such as `diapason train` writes beside a model; with means and deviations,
    /// where otherwise features are taken as they are
    #[arg(long, conflicts_with_all = ["window", "output", "unit", "horizon", "gap"])]
    pub recipe: Option<PathBuf>,
}

impl Foreign {
    /// The first option that was given and has no meaning for a model with a recipe.
    fn given(&self) -> Option<&'static str> {
        [
            ("--window", self.window.is_some()),
            ("--output", self.output.is_some()),
            ("--unit", self.unit.is_some()),
            ("--horizon", self.horizon.is_some()),
            ("--gap", self.gap.is_some()),
            ("--recipe", self.recipe.is_some()),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }

    /// Opens `data` for the model in `path`, with the model's own recipe or with what was said here.
    ///
    /// # Errors
    /// When the model has neither, or what was said does not fit it.
    pub fn open(
        &self,
        path: &Path,
        data: &Path,
        features: Option<&PlanText>,
        budget_mib: u64,
        console: &Console,
    ) -> Result<(Ready, Feed), Failure> {
        let of_model = |error| Failure::Model { file: path.to_path_buf(), error };
        let network = Ready::network(path)?;
        let own = network.metadata().get(KEY).cloned();
        if let (Some(_), Some(option)) = (&own, self.given()) {
            return Err(of_model(RecipeError::Surplus { option }));
        }
        let text = match &self.recipe {
            Some(file) => Some((file.as_path(), read(file)?)),
            None => own.map(|text| (path, text)),
        };
        if let Some((file, text)) = text {
            let recipe = Ready::recipe(file, &text)?;
            let ready = Ready { network, recipe, output: 0, is_judged: true, column: "predicted_log_return" };
            let feed = ready.feed(path, data, features, budget_mib, console)?;
            return Ok((ready, feed));
        }
        let (Some(features), Some(window)) = (features, self.window) else {
            return Err(of_model(RecipeError::NoRecipe { reason: "it is missing".to_owned() }));
        };
        let feed = Feed::open(data, Some(features), budget_mib << 20, console)?;
        let (inputs, outputs) = network.widths();
        let names = feed.plan.names().len();
        if names != inputs {
            return Err(of_model(RecipeError::Width { inputs, features: names }));
        }
        let output = match self.output {
            None if outputs > 1 => return Err(of_model(RecipeError::Outputs { outputs })),
            Some(output) if output >= outputs => return Err(of_model(RecipeError::Outputs { outputs })),
            output => output.unwrap_or(0),
        };
        let gap_seconds = match self.gap {
            Some(seconds) => seconds,
            None => usual_gap(&feed, &(0..feed.table.rows()))?,
        };
        let recipe = Recipe {
            features: feed.plan.canonical().to_owned(),
            features_hash: feed.plan.hash().to_owned(),
            price: feed.price.clone(),
            window,
            horizon: self.horizon.unwrap_or(1),
            gap_seconds,
            normaliser: Normaliser::identity(inputs),
            target_unit: self.unit.unwrap_or(1.0),
            // Nobody knows what it was trained on, so no row counts as new to it.
            trained_before_ns: i64::MAX,
            is_raw: true,
        };
        recipe.validate().map_err(of_model)?;
        let column = if self.unit.is_some() { "predicted_log_return" } else { "output" };
        let is_judged = self.horizon.is_some();
        Ok((Ready { network, recipe, output, is_judged, column }, feed))
    }
}

/// The text of a recipe: all of a file, or what it holds under `recipe`.
fn read(path: &Path) -> Result<String, Failure> {
    let bad =
        |reason: String| Failure::Model { file: path.to_path_buf(), error: RecipeError::NoRecipe { reason } };
    let text = std::fs::read_to_string(path).map_err(|error| bad(format!("it cannot be read: {error}")))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    Ok(json.get(KEY).unwrap_or(&json).to_string())
}
