//! What apply, verify, rollback and status say: plain data for people, JSON and the control socket.

use serde::{Deserialize, Serialize};

use crate::drift::{Drift, Policy};

/// What happened to one knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Fate {
    /// Written and read back as wanted.
    Written,
    /// It had the value already.
    Already,
    /// The machine has no such knob.
    Absent,
    /// Optional, and the machine refused it.
    Skipped,
    /// Brought back to its original value.
    Restored,
    /// Somebody else changed it since it was written; it is kept as they left it.
    Foreign,
    /// Its device is gone, or another one has its name; there is nothing to restore.
    Gone,
    /// The machine refused; it is not as wanted.
    Failed,
}

/// One knob in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Outcome {
    /// The full name.
    pub knob: String,
    /// What happened.
    pub fate: Fate,
    /// The value before; `None` when there was none.
    pub before: Option<String>,
    /// The value after.
    pub after: Option<String>,
    /// The error, or what else there is to say.
    pub detail: Option<String>,
}

/// How an apply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Ending {
    /// The machine is as the profile says.
    Applied,
    /// The machine cannot have a value of the profile; nothing was written.
    Refused,
    /// Something was refused; all that was written is undone and the machine is as before.
    Undone,
    /// Something was refused, and undoing it was refused as well; the outcomes say where.
    Stuck,
}

/// What an apply did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ApplyReport {
    /// The profile.
    pub profile: String,
    /// How it ended.
    pub ending: Ending,
    /// The first error, where there is one.
    pub error: Option<String>,
    /// Every knob of the profile, and every knob of the profile before that is not in this one.
    pub outcomes: Vec<Outcome>,
}

/// What a rollback did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RollbackReport {
    /// The profile that was in force.
    pub profile: Option<String>,
    /// Whether no knob of ours is left: each was restored, kept for somebody else, or is gone.
    pub complete: bool,
    /// Journal records that could not be read; what they held cannot be restored.
    pub damaged_records: usize,
    /// Every knob that was held.
    pub outcomes: Vec<Outcome>,
}

/// How one knob compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Verdict {
    /// As the profile says.
    Holds,
    /// Other than the profile says.
    Differs,
    /// The machine has no such knob.
    Absent,
    /// The machine cannot have this value.
    Refused,
}

/// One knob compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Line {
    /// The full name.
    pub knob: String,
    /// What the profile says.
    pub expected: String,
    /// What the machine says.
    pub actual: Option<String>,
    /// How they compare.
    pub verdict: Verdict,
    /// Whether the profile holds without it.
    pub optional: bool,
    /// Why it is refused.
    pub detail: Option<String>,
}

/// A machine compared with a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerifyReport {
    /// The profile.
    pub profile: String,
    /// Whether every knob that is not optional and exists here is as the profile says.
    pub holds: bool,
    /// Every knob of the profile.
    pub lines: Vec<Line>,
}

/// One knob that the daemon holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldKnob {
    /// The full name.
    pub knob: String,
    /// What a rollback brings back.
    pub original: String,
    /// What was written.
    pub written: String,
    /// What it is now; `None` when it is gone.
    pub current: Option<String>,
    /// Whether somebody else changed it since.
    pub drifted: bool,
}

/// What the daemon holds and what it found when it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StatusReport {
    /// The profile in force.
    pub profile: Option<String>,
    /// The knobs that a rollback would restore.
    pub held: Vec<HeldKnob>,
    /// What the start found: an interrupted apply that was undone, records that could not be read.
    pub found: Vec<String>,
    /// Journal records that could not be read.
    pub damaged_records: usize,
    /// Programs that set the same knobs and run now.
    pub rivals: Vec<String>,
    /// What is done when somebody else changes a held knob.
    #[serde(default)]
    pub drift_policy: Policy,
    /// The last changes by others since the daemon started, the newest last.
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// When all held knobs were last compared, in seconds since 1970.
    #[serde(default)]
    pub compared: u64,
    /// The version of the daemon.
    pub version: String,
}
