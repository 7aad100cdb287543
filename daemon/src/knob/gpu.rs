//! What NVIDIA's driver lets be set of a GPU, through its management library.
//!
//! The device is the GPU's identifier, which stays with it for life: `gpu.GPU-5a9c….power_limit_mw`; a profile that names
//! `gpu.power_limit_mw` means every GPU that has it. The library is part of the driver and loaded at run time
//! (`root/gpu`); a machine without it has no GPU here, and says why.
//!
//! The driver forgets all of this when it lets go of a GPU that nobody uses, unless the GPU is persistent: so
//! persistence comes first, and is given back last. Locked clocks (`nvidia-smi -lgc`) are left out: the library sets them
//! and cannot tell what they were, so no original could be recorded. Application clocks can be read.

use super::form::FormError;
use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::knob::identity::Identity;
use crate::root::{GpuSettings, Root};

const SOURCE: &str = "NVML API Reference; nvidia-smi(1)";
const CLOCKS: &str = "two frequencies in MHz, memory and graphics, `1593 1410`, or `default`";
/// The driver rounds a limit to its own steps, of less than a watt.
const STEP_MW: u32 = 1_000;

const fn spec(name: &'static str, form: Form) -> Spec {
    Spec::new(name, form).from(SOURCE).per_device(Identity::Machine, &[])
}

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Gpu {
        spec: spec("gpu.persistence_mode", Form::flag())
            .why("whether the driver keeps the GPU ready while no program uses it, and with it all that is set of it")
            .risk(Risk::Low, "1 draws power while idle; nvidia-persistenced does the same, and one of the two is enough"),
        setting: "persistence_mode",
    },
    &Gpu {
        spec: spec("gpu.power_limit_mw", Form::IntegerOr { min: 1, max: u32::MAX as i64, word: "max" })
            .why("the power that the GPU may draw, in milliwatts; max is what its board allows, a lower one may cost little speed")
            .risk(Risk::Medium, "a higher limit needs cooling and a supply for it; forgotten with the last program unless persistent"),
        setting: "power_limit_mw",
    },
    &Gpu {
        spec: spec("gpu.applications_clocks_mhz", Form::Special(CLOCKS))
            .why("the frequencies at which programs run where power and heat allow it; nvidia-smi -q -d SUPPORTED_CLOCKS lists them")
            .risk(Risk::Low, "a GPU takes only pairs that it lists; forgotten with the last program unless persistent"),
        setting: "applications_clocks_mhz",
    },
    &Gpu {
        spec: spec("gpu.compute_mode", Form::Choice(&["default", "exclusive_process", "prohibited"]))
            .why("who may compute: everybody, one process at a time, nobody")
            .risk(Risk::Medium, "under exclusive_process a second program fails instead of sharing; programs that run keep the GPU"),
        setting: "compute_mode",
    },
    &Gpu {
        spec: spec("gpu.auto_boost", Form::flag())
            .why("whether the GPU goes beyond its application clocks where power and heat allow it (Kepler to Pascal)")
            .risk(Risk::Low, "1 makes speed depend on heat; younger GPUs have no such switch"),
        setting: "auto_boost",
    },
];

struct Gpu {
    spec: Spec,
    /// Its name in the root.
    setting: &'static str,
}

impl Gpu {
    fn number(settings: &GpuSettings, name: &str) -> Option<u32> {
        settings.get(name)?.parse().ok()
    }
}

impl Knob for Gpu {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let gpus = root.gpus()?.into_iter();
        Ok(gpus.filter(|(_, settings)| settings.contains_key(self.setting)).map(|(gpu, _)| gpu).collect())
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        // No GPU is named so, and none need be asked.
        if target.is_empty() {
            return Ok(None);
        }
        Ok(root.gpus()?.get(target).and_then(|settings| settings.get(self.setting).cloned()))
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let gpus = if target.is_empty() { None } else { root.gpus()?.remove(target) };
        let value = match self.spec.form {
            Form::Special(_) => clocks(asked)?,
            form => form.canonical(asked)?,
        };
        // Without the GPU only the form can be judged.
        let Some(settings) = gpus else { return Ok(value) };
        let absent = || KnobError::Unsupported { device: target.to_owned(), setting: self.spec.name };
        if !settings.contains_key(self.setting) {
            return Err(absent());
        }
        let beside =
            |what: &str| settings.get(&format!("{}-{what}", self.setting)).cloned().ok_or_else(absent);
        match value.as_str() {
            "max" if self.setting == "power_limit_mw" => return beside("max"),
            "default" if self.setting == "applications_clocks_mhz" => return beside("default"),
            _ => {}
        }
        let bound = |what: &str| Self::number(&settings, &format!("{}-{what}", self.setting));
        if let (Some(min), Some(max), Ok(given)) = (bound("min"), bound("max"), value.parse::<u32>())
            && !(min..=max).contains(&given)
        {
            let [given, min, max] = [given, min, max].map(i64::from);
            return Err(FormError::Range { given, min, max }.into());
        }
        Ok(value)
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        Ok(root.set_gpu(target, self.setting, value)?)
    }

    fn remark(&self, root: &Root, target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        match (current, target) {
            (None, "") => Ok(Some(crate::root::lacking(root)?)),
            _ => Ok(None),
        }
    }

    fn is_effect(&self, wanted: &str, actual: &str) -> bool {
        let pair = wanted.parse::<u32>().ok().zip(actual.parse::<u32>().ok());
        let is_rounded = pair.is_some_and(|(wanted, actual)| wanted.abs_diff(actual) < STEP_MW);
        wanted == actual || (self.setting == "power_limit_mw" && is_rounded)
    }
}

/// Two frequencies, or the word for the driver's own.
fn clocks(asked: &str) -> Result<String, FormError> {
    let words: Vec<&str> = asked.split_whitespace().collect();
    let is_pair = words.len() == 2 && words.iter().all(|word| word.parse::<u32>().is_ok_and(|mhz| mhz > 0));
    if is_pair || words == ["default"] {
        Ok(words.join(" "))
    } else {
        Err(FormError::Special { given: asked.to_owned(), expected: CLOCKS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let gpu = folder.path().join("nvml/GPU-5a");
        std::fs::create_dir_all(&gpu).unwrap();
        for (name, text) in [
            ("power_limit_mw", "400000\n"),
            ("power_limit_mw-min", "100000\n"),
            ("power_limit_mw-max", "400000\n"),
            ("applications_clocks_mhz", "1593 1410\n"),
            ("applications_clocks_mhz-default", "1593 1275\n"),
        ] {
            std::fs::write(gpu.join(name), text).unwrap();
        }
        let root = Root::new(folder.path());
        (folder, root)
    }

    #[test]
    fn a_gpu_has_what_its_driver_shows() {
        let (_folder, root) = machine();
        let find = |name: &str| *KNOBS.iter().find(|knob| knob.spec().name == name).unwrap();
        let (power, clocks) = (find("gpu.power_limit_mw"), find("gpu.applications_clocks_mhz"));
        assert_eq!(power.targets(&root).unwrap(), ["GPU-5a"]);
        assert_eq!(find("gpu.auto_boost").targets(&root).unwrap(), Vec::<String>::new());
        assert_eq!(power.settle(&root, "GPU-5a", "max").unwrap(), "400000");
        assert_eq!(clocks.settle(&root, "GPU-5a", "default").unwrap(), "1593 1275");
        assert_eq!(clocks.settle(&root, "GPU-5a", " 1593  1410 ").unwrap(), "1593 1410");
        let said = |knob: &dyn Knob, asked| knob.settle(&root, "GPU-5a", asked).unwrap_err().to_string();
        assert_eq!(said(power, "99999"), "99999 is out of range; give 100000 to 400000");
        assert!(said(clocks, "1410").contains("1593 1410"));
        let said = said(find("gpu.auto_boost"), "1");
        assert_eq!(said, "the driver of GPU-5a offers no gpu.auto_boost; there is nothing to set");
        assert!(power.is_effect("250000", "249900") && !power.is_effect("250000", "240000"));
        let remark = power.remark(&Root::nowhere(), "", None).unwrap();
        assert_eq!(remark.as_deref(), Some("NVIDIA's driver is not loaded"));
    }
}
