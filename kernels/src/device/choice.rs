//! The device that suits a model and a batch best: each is measured once, and the answer is remembered.
//!
//! Nothing is guessed from a name: a small batch is faster on a processor than on most GPUs, since a launch and two copies
//! cost more than the work.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ndarray::Array2;

use super::{Device, DeviceError, Kind};
use crate::gpu::{Options, Precision, exam};
use crate::lstm::{Lstm, Spec};

/// What a device is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Workload {
    /// Windows in a batch.
    pub batch: usize,
    /// Steps in a window.
    pub time: usize,
    /// In what to multiply.
    pub precision: Precision,
}

/// How a device did.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its kind.
    pub kind: Kind,
    /// Its name, where it could be opened.
    pub name: Option<String>,
    /// The median time of a batch, or why there is none.
    pub outcome: Result<Duration, String>,
}

/// The best device, and how all of them did.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The device with the shortest median.
    pub device: Device,
    /// What was asked for.
    pub workload: Workload,
    /// Every kind that this build knows.
    pub candidates: Vec<Candidate>,
}

/// Times that a batch is predicted: the first warms up and does not count.
const RUNS: usize = 4;
/// No candidate is measured for longer; a batch that takes this long says enough at once.
const ENOUGH: Duration = Duration::from_secs(5);

/// What was measured in this process.
static MEASURED: Mutex<Option<HashMap<(Spec, Workload), Choice>>> = Mutex::new(None);

impl Device {
    /// The device that predicts such batches of this model fastest. Each device is measured, with numbers at random, the first
    /// time that this process asks for the shape; after that the answer is remembered.
    ///
    /// # Errors
    /// [`DeviceError::None`] when no device takes the model in this precision, with the reason of each. A device that fails is
    /// left out, and [`Choice::explain`] says so.
    pub fn best_for(model: &Lstm, workload: Workload) -> Result<Choice, DeviceError> {
        let key = (model.spec(), workload);
        let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(choice) = measured.as_ref().and_then(|measured| measured.get(&key)) {
            return Ok(choice.clone());
        }
        let mut best: Option<(Duration, Device)> = None;
        let mut candidates = Vec::new();
        for &kind in Kind::ALL {
            let device = Self::open(kind);
            let name = device.as_ref().ok().map(Self::name);
            let outcome = device.and_then(|device| Ok((measure(&device, model, workload)?, device)));
            let outcome = match outcome {
                Ok((time, device)) => {
                    if best.as_ref().is_none_or(|(least, _)| time < *least) {
                        best = Some((time, device));
                    }
                    Ok(time)
                }
                Err(error) => Err(error.to_string()),
            };
            candidates.push(Candidate { kind, name, outcome });
        }
        let Some((_, device)) = best else {
            let reason = |candidate: &Candidate| match &candidate.outcome {
                Err(reason) => format!("{}: {reason}", candidate.kind),
                Ok(_) => String::new(),
            };
            let reasons = candidates.iter().map(reason).collect::<Vec<_>>().join("; ");
            return Err(DeviceError::None { precision: workload.precision, reasons });
        };
        let choice = Choice { device, workload, candidates };
        measured.get_or_insert_default().insert(key, choice.clone());
        Ok(choice)
    }
}

/// The median time of a batch.
fn measure(device: &Device, model: &Lstm, workload: Workload) -> Result<Duration, DeviceError> {
    let Workload { batch, time, precision } = workload;
    let spec = model.spec();
    let mut executable = device.compile(model, &Options { precision, ..Options::default() })?;
    let windows = exam::windows(batch, time, spec.input);
    let mut out = Array2::zeros((batch, spec.output));
    let mut times = Vec::new();
    let begin = Instant::now();
    for run in 0..RUNS {
        let start = Instant::now();
        executable.predict(windows.view(), out.view_mut())?;
        if run > 0 || start.elapsed() > ENOUGH {
            times.push(start.elapsed());
        }
        if begin.elapsed() > ENOUGH && !times.is_empty() {
            break;
        }
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

impl Choice {
    /// Which device was chosen and how each of them did, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let Workload { batch, time, precision } = self.workload;
        let mut text = format!("batches of {batch} windows of {time} steps in {precision}");
        for Candidate { kind, name, outcome } in &self.candidates {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let chosen = if *kind == self.device.kind() { ", chosen" } else { "" };
            let _ = match outcome {
                Ok(time) => write!(text, "\n{kind:<6} {:.3} ms{name}{chosen}", time.as_secs_f64() * 1e3),
                Err(reason) => write!(text, "\n{kind:<6} left out{name}: {reason}"),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lstm::Head;

    #[test]
    fn the_best_device_is_one_that_was_measured() {
        let spec = Spec { input: 3, hidden: 8, layers: 1, output: 1, head: Head::Linear };
        let model = Lstm::new(spec, 1).unwrap();
        let workload = Workload { batch: 16, time: 4, precision: Precision::F32 };
        let choice = Device::best_for(&model, workload).unwrap();
        let text = choice.explain();
        assert_eq!(choice.candidates.len(), Kind::ALL.len());
        assert_eq!(text.matches(", chosen").count(), 1, "{text}");
        for candidate in &choice.candidates {
            match &candidate.outcome {
                Ok(_) => assert!(candidate.name.is_some()),
                Err(reason) => assert!(text.contains(reason), "{text}"),
            }
        }
        assert_eq!(Device::best_for(&model, workload).unwrap().explain(), text);
        // The processor does not multiply f16, and says so.
        let halves = Device::best_for(&model, Workload { precision: Precision::F16, ..workload });
        let text = halves.map_or_else(|error| error.to_string(), |choice| choice.explain());
        assert!(text.contains("the cpu does not multiply f16"), "{text}");
    }
}
