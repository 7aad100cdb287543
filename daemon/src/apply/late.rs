//! Knobs that were absent when the plan was made and that one of its changes has brought: the energy preference with
//! the active mode of the frequency driver. Without them a switch to a profile would not end where applying that
//! profile alone ends.

use super::step::Step;
use super::{ApplyError, Tuning};
use crate::knob::{Instance, Named, find};
use crate::pattern::covers;
use crate::plan::{Change, Plan, State};

impl Tuning {
    /// Steps for what the plan wants, had no place for, and has one now that `steps` are done.
    ///
    /// # Errors
    /// When the machine cannot have the value that a change which is not optional asks for.
    pub(super) fn late(&self, plan: &Plan, steps: &[Step]) -> Result<Vec<Step>, ApplyError> {
        let mut late = Vec::new();
        for change in plan.changes.iter().filter(|change| change.state == State::AbsentOnThisHost) {
            for instance in self.brought(change, steps) {
                if self.peek(&instance)?.is_none() {
                    continue;
                }
                // The first of several values that would do: what the machine offers was not known before.
                let asked = change.wanted.split(" | ").next().unwrap_or_default();
                match instance.knob.settle(&self.root, &instance.target, asked) {
                    Ok(wanted) => {
                        late.push(Step { instance, wanted, optional: change.optional, back: false });
                    }
                    Err(_) if change.optional => {}
                    Err(error) => return Err(ApplyError::Knob { knob: instance.name(), error }),
                }
            }
        }
        Ok(late)
    }

    /// The instances of an absent knob that hang on one of the steps.
    fn brought(&self, change: &Change, steps: &[Step]) -> Vec<Instance> {
        let Ok(named) = find(&change.knob) else { return Vec::new() };
        let (knob, spec) = (named.knob(), named.knob().spec());
        let hangs = |target: Option<&String>| {
            steps.iter().any(|step| {
                let other = step.instance.knob.spec();
                other.disturbs.contains(&spec.name)
                    && (other.is_single() || target.is_some_and(|target| *target == step.instance.target))
            })
        };
        match named {
            Named::One(instance) => hangs(Some(&instance.target)).then_some(instance).into_iter().collect(),
            Named::Everywhere(_) if !hangs(None) => Vec::new(),
            Named::Everywhere(_) => {
                // A family that cannot be listed is as absent as before.
                let targets = knob.targets(&self.root).unwrap_or_default();
                let meant = |target: &String| {
                    let named = change.on.iter().any(|pattern| covers(pattern, target));
                    named || change.on.is_empty() && !spec.skips.iter().any(|pattern| covers(pattern, target))
                };
                targets.into_iter().filter(meant).map(|target| Instance { knob, target }).collect()
            }
        }
    }
}
