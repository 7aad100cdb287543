//! Comparing a machine with a plan; nothing is written and no daemon is needed.

use super::report::{Line, Verdict, VerifyReport};
use crate::plan::{Change, Plan, State};

/// Every knob of the plan with what the profile expects and what the machine says.
#[must_use]
pub fn verify(plan: &Plan) -> VerifyReport {
    let lines: Vec<Line> = plan.changes.iter().map(line).collect();
    let fails = |line: &Line| !line.optional && matches!(line.verdict, Verdict::Differs | Verdict::Refused);
    VerifyReport { profile: plan.profile.clone(), holds: !lines.iter().any(fails), lines }
}

fn line(change: &Change) -> Line {
    Line {
        knob: change.knob.clone(),
        expected: change.wanted.clone(),
        actual: change.current.clone(),
        verdict: match change.state {
            State::Already => Verdict::Holds,
            State::Change => Verdict::Differs,
            State::AbsentOnThisHost => Verdict::Absent,
            State::Refused => Verdict::Refused,
        },
        optional: change.optional,
        detail: change.detail.clone(),
    }
}
