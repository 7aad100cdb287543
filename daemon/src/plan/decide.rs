//! What follows from what the machine says about one wanted value.

use super::choose::Chosen;
use super::{Change, State};
use crate::knob::Class;
use crate::profile::Ask;
use crate::root::Root;

/// What the machine says.
pub(super) struct Reading {
    pub current: Result<Option<String>, String>,
    /// The wanted values in canonical form, each if this machine can have it.
    pub settled: Vec<Result<String, String>>,
    /// The value before the knob was held, where it is held.
    pub original: Option<String>,
    /// What the knob says about itself here.
    pub remark: Option<String>,
}

impl Reading {
    /// Of a knob that has no device here.
    pub fn nothing(chosen: &Chosen<'_>, root: &Root) -> Self {
        let settled = chosen.asked.iter().cloned().map(Ok).collect();
        // Why it is not there is no reason to fail.
        let remark = chosen.instance.remark(root, None).ok().flatten();
        Self { current: Ok(None), settled, original: None, remark }
    }
}

pub(super) fn read(chosen: &Chosen<'_>, root: &Root, original: Option<String>) -> Reading {
    let Chosen { instance, asked, .. } = chosen;
    if instance.knob.spec().class == Class::Irreversible {
        let refused = "it cannot be undone, so no profile may set it".to_owned();
        let current = Ok(Some(String::new()));
        return Reading { current, settled: vec![Err(refused)], original: None, remark: None };
    }
    let settle =
        |text: &String| instance.knob.settle(root, &instance.target, text).map_err(|error| error.to_string());
    let current = instance.look(root);
    // A knob that cannot be read says so; one that cannot say more says no more.
    let said = |current: &Option<String>| instance.remark(root, current.as_deref()).ok().flatten();
    Reading {
        remark: current.as_ref().ok().and_then(said),
        current: current.map_err(|error| error.to_string()),
        settled: asked.iter().map(settle).collect(),
        original,
    }
}

/// The change that follows. Pure.
pub(super) fn decide(name: &str, chosen: &Chosen<'_>, reading: Reading) -> Change {
    let (spec, entry) = (chosen.instance.knob.spec(), chosen.entry);
    let (current, unreadable) = match reading.current {
        Ok(current) => (current, None),
        Err(error) => (None, Some(error)),
    };
    let asked = chosen.asked.join(" | ");
    let (state, wanted, detail) = match (unreadable, &current) {
        (Some(error), _) => (State::Refused, asked, Some(error)),
        (None, None) => {
            let refused = || reading.settled.into_iter().find_map(Result::err);
            (State::AbsentOnThisHost, asked, reading.remark.or_else(refused))
        }
        (None, Some(now)) => match target(&entry.ask, now, reading.original.as_deref(), reading.settled) {
            Ok(wanted) if wanted == *now => (State::Already, wanted, reading.remark),
            Ok(wanted) => (State::Change, wanted, reading.remark),
            Err(error) => (State::Refused, asked, Some(error)),
        },
    };
    Change {
        knob: name.to_owned(),
        current: if spec.class == Class::Irreversible { None } else { current },
        wanted,
        state,
        detail,
        optional: entry.optional,
        class: spec.class,
        lifetime: spec.lifetime,
        risk: spec.risk,
        caution: spec.caution.to_owned(),
        reason: entry.reason.clone(),
        source: entry.source.clone(),
        place: entry.place.to_string(),
        on: if state == State::AbsentOnThisHost { entry.on.clone() } else { Vec::new() },
    }
}

/// The value to be in force, given the one that is and the one that the machine came with.
fn target(
    ask: &Ask,
    now: &str,
    original: Option<&str>,
    settled: Vec<Result<String, String>>,
) -> Result<String, String> {
    let came_with = original.unwrap_or(now);
    let number = |text: &str| text.parse::<i64>().ok();
    if let Ask::OneOf(_) = ask {
        let offered: Vec<&String> = settled.iter().filter_map(|value| value.as_ref().ok()).collect();
        if let Some(has) = offered.iter().find(|value| value.as_str() == now) {
            return Ok((*has).clone());
        }
        if let Some(best) = offered.first() {
            return Ok((*best).clone());
        }
    }
    let settled = settled.into_iter().next().unwrap_or_else(|| Err("no value is asked for".to_owned()))?;
    let satisfied = match (ask, number(came_with), number(&settled)) {
        (Ask::AtLeast(_), Some(has), Some(least)) => has >= least,
        (Ask::AtMost(_), Some(has), Some(most)) => has <= most,
        _ => false,
    };
    Ok(if satisfied { came_with.to_owned() } else { settled })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(
        ask: Ask,
        now: &str,
        original: Option<&str>,
        settled: &[Result<&str, &str>],
    ) -> Result<String, String> {
        let settled = settled.iter().map(|one| one.map(str::to_owned).map_err(str::to_owned)).collect();
        target(&ask, now, original, settled)
    }

    #[test]
    fn what_a_bound_asks_for() {
        let least = |text: &str| Ask::AtLeast(text.to_owned());
        let most = |text: &str| Ask::AtMost(text.to_owned());
        assert_eq!(to(least("10"), "60", None, &[Ok("10")]), Ok("60".into()));
        assert_eq!(to(least("70"), "60", None, &[Ok("70")]), Ok("70".into()));
        assert_eq!(to(most("10"), "60", None, &[Ok("10")]), Ok("10".into()));
        // What an earlier profile raised is not what the machine came with.
        assert_eq!(to(least("10"), "60", Some("5"), &[Ok("10")]), Ok("10".into()));
        assert_eq!(to(least("10"), "60", Some("20"), &[Ok("10")]), Ok("20".into()));
        assert_eq!(to(Ask::Equal("1".into()), "60", None, &[Err("no")]), Err("no".into()));
    }

    #[test]
    fn the_first_that_is_offered_unless_one_is_there() {
        let ask = || Ask::OneOf(vec!["a".into(), "b".into()]);
        assert_eq!(to(ask(), "x", None, &[Ok("a"), Ok("b")]), Ok("a".into()));
        assert_eq!(to(ask(), "b", None, &[Ok("a"), Ok("b")]), Ok("b".into()));
        assert_eq!(to(ask(), "x", None, &[Err("no a"), Ok("b")]), Ok("b".into()));
        assert_eq!(to(ask(), "x", None, &[Err("no a"), Err("no b")]), Err("no a".into()));
        // What is there but not offered any more is not as wanted.
        assert_eq!(to(ask(), "a", None, &[Err("no a"), Ok("b")]), Ok("b".into()));
    }
}
