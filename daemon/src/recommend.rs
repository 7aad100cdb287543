//! Which profile suits this machine, and why.
//!
//! A profile itself says what speaks for it and against it (`[[fits]]`): a condition, points, a reason. The score is the sum of
//! the points whose condition holds. What a machine is for only its owner knows; what it is, its facts tell.

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::profile::condition::{FACTS, all_hold};
use crate::profile::{Library, Profile, ProfileError};

/// A profile with its score on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Recommendation {
    /// Its name.
    pub profile: String,
    /// Its one line.
    pub summary: String,
    /// The sum of its points.
    pub score: i64,
    /// Everything that was weighed.
    pub points: Vec<Point>,
}

/// Something that was weighed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Point {
    /// Points, whether they count or not.
    pub score: i64,
    /// Whether they count here.
    pub counts: bool,
    /// Why they would.
    pub reason: String,
    /// What was seen.
    pub because: String,
}

/// A fact that conditions may name, as it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SeenFact {
    /// Its name in a profile.
    pub name: String,
    /// What it is on this machine.
    pub here: String,
    /// What it means.
    pub meaning: String,
}

/// The facts, and the profiles by score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Recommendations {
    /// The facts of this machine.
    pub facts: Vec<SeenFact>,
    /// The profiles, the best first; among equals by name.
    pub profiles: Vec<Recommendation>,
}

impl Recommendations {
    /// Weighs every profile of a library on a host.
    ///
    /// # Errors
    /// When a profile is wrong; it is named.
    pub fn make(library: &Library, host: &Host) -> Result<Self, ProfileError> {
        let mut profiles = Vec::new();
        let machine = library.machine()?;
        for name in library.names()? {
            profiles.push(weigh(&library.load(&name)?, host));
        }
        profiles.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.profile.cmp(&b.profile)));
        let facts = machine.facts(host);
        let seen = FACTS.iter().map(|fact| SeenFact {
            name: fact.name.to_owned(),
            here: fact.shown(&facts),
            meaning: fact.meaning.to_owned(),
        });
        Ok(Self { facts: seen.collect(), profiles })
    }
}

/// The score of one profile. Pure.
#[must_use]
pub fn weigh(profile: &Profile, host: &Host) -> Recommendation {
    let facts = profile.machine.facts(host);
    let point = |fit: &crate::profile::Fit| {
        let answer = all_hold(&fit.when, &facts);
        let because = if fit.when.is_empty() { "on every machine".to_owned() } else { answer.because };
        Point { score: fit.score, counts: answer.holds, reason: fit.reason.clone(), because }
    };
    let points: Vec<Point> = profile.fits.iter().map(point).collect();
    Recommendation {
        profile: profile.name.clone(),
        summary: profile.summary.clone(),
        score: points.iter().filter(|point| point.counts).map(|point| point.score).sum(),
        points,
    }
}
