//! One offload, on or off.

use super::super::form::FormError;
use super::super::{Form, Knob, KnobError, Spec};
use super::FEATURE;
use crate::root::Root;

/// One feature.
///
/// Its value says both whether it is on and whether it was asked for where the two differ: a feature that is off only
/// because another one is comes on again with that one, and the original must keep this.
pub(super) struct Offload {
    pub spec: Spec,
    pub name: &'static str,
}

const OFF_REQUESTED: &str = "off, requested on";
const ON_REQUESTED: &str = "on, requested off";

impl Knob for Offload {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        super::super::nic::interfaces(root)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let features = root.features(target)?;
        let feature = features.and_then(|features| features.get(self.name).copied());
        let value =
            feature.filter(|feature| !feature.fixed).map(|feature| match (feature.active, feature.wanted) {
                (true, true) => "on",
                (false, false) => "off",
                (false, true) => OFF_REQUESTED,
                (true, false) => ON_REQUESTED,
            });
        Ok(value.map(str::to_owned))
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let value = Form::Choice(&["on", "off"]).canonical(asked)?;
        // Without the device only the form can be judged.
        let Some(features) = root.features(target)? else { return Ok(value) };
        if features.get(self.name).is_some_and(|feature| !feature.fixed) {
            return Ok(value);
        }
        Err(KnobError::Unsupported { device: target.to_owned(), setting: self.spec.name })
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let wanted = match value {
            "on" | OFF_REQUESTED => true,
            "off" | ON_REQUESTED => false,
            _ => return Err(FormError::Special { given: value.to_owned(), expected: FEATURE }.into()),
        };
        Ok(root.set_feature(target, self.name, wanted)?)
    }
}
