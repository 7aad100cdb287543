//! Kernels compiled ahead, without a GPU, for a host that has one and no compiler.
//!
//! They go into a folder in the layout of the cache (`$XDG_CACHE_HOME/diapason/cuda` by itself), which is then copied to that
//! host: machine code for the device that is named, and PTX that the driver of any device from compute capability 7.5 on
//! finishes, if it is not older than the NVRTC that made it.

use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

use super::cache::Cache;
use super::error::CudaError;
use super::executable::CLASSES;
use super::feature::kernel_of_features;
use super::nvrtc::{Nvrtc, Report};
use super::plan::Kernels;
use super::shape::{self, Layer, Machine, PORTABLE};
use super::source::{self, Kernel, stream};
use super::train::kernels_of_training;
use crate::feature::{Number, Plan};
use crate::gpu::Precision;
use crate::lstm::{Spec, TrainOptions};

/// A kind of device, such as `sm_90` with 132 multiprocessors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    machine: Machine,
}

/// A text that names no kind of device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no device to compile for; write its capability and its multiprocessors, such as sm_90:132, with a capability of {}",
    CAPABILITIES.map(|(capability, _)| format!("sm_{capability}")).join(", ")
)]
pub struct TargetError {
    /// The text.
    pub text: String,
}

/// Compute capabilities and the shared memory that a block may have there: CUDA C++ Programming Guide, table of technical
/// specifications, less the 1 KiB of a block that the system keeps from 8.0 on.
const CAPABILITIES: [(u32, usize); 9] = [
    (75, 65_536),
    (80, 166_912),
    (86, 101_376),
    (87, 166_912),
    (89, 101_376),
    (90, 232_448),
    (100, 232_448),
    (103, 232_448),
    (120, 101_376),
];

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let bad = || TargetError { text: text.to_owned() };
        let (name, processors) = text.split_once(':').ok_or_else(bad)?;
        let capability = name.strip_prefix("sm_").ok_or_else(bad)?.trim_end_matches('a');
        let capability: u32 = capability.parse().map_err(|_| bad())?;
        let known = CAPABILITIES.into_iter().find(|(known, _)| *known == capability);
        let (capability, shared_bytes) = known.ok_or_else(bad)?;
        let processors = processors.parse().map_err(|_| bad())?;
        if !(1..=1024).contains(&processors) {
            return Err(bad());
        }
        Ok(Self { machine: Machine { capability, shared_bytes, processors } })
    }
}

/// A folder that is being filled.
#[derive(Debug)]
pub struct Ahead {
    nvrtc: Nvrtc,
    cache: Cache,
    target: Target,
    written: usize,
}

impl Ahead {
    /// Into `folder`, or that of the user.
    ///
    /// # Errors
    /// [`CudaError::NoNvrtc`] where the compiler is missing.
    pub fn new(target: Target, folder: Option<&Path>) -> Result<Self, CudaError> {
        let cache = folder.map_or_else(Cache::of_the_user, Cache::at);
        Ok(Self { nvrtc: Nvrtc::open()?, cache, target, written: 0 })
    }

    /// Kernels written so far; those that were there are not written again.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.written
    }

    /// The kernels with which a model of this shape predicts.
    ///
    /// # Errors
    /// [`CudaError`] when the device does not multiply in the precision, a layer is too wide, a kernel is refused or the folder cannot be written.
    pub fn model(&mut self, spec: &Spec, precision: Precision) -> Result<(), CudaError> {
        self.offers(precision)?;
        self.both(&source::dense(spec.hidden, spec.output))?;
        for machine in [self.target.machine, PORTABLE] {
            for class in CLASSES {
                let rows = class * machine.processors;
                for index in 0..spec.layers {
                    let layer = Layer { inputs: spec.layer_input(index), units: spec.hidden };
                    let last = index + 1 == spec.layers;
                    if precision == Precision::F32 {
                        let cut = shape::single(layer, machine, rows)?;
                        self.keep(&source::single(layer, &cut, last), machine)?;
                        continue;
                    }
                    let mut fitting = None;
                    source::fitting((layer, machine, rows), (precision, last), |kernel, _| {
                        let spills = if machine == PORTABLE {
                            // PTX has no registers yet: the least of the devices that will have it says.
                            let least = kernel.portable().replace("compute", "sm");
                            self.spills(kernel, &least)?
                        } else {
                            self.keep(kernel, machine)?;
                            self.spills(kernel, &machine.architecture())?
                        };
                        fitting = Some(kernel.clone());
                        Ok::<_, CudaError>(((), spills))
                    })?;
                    if let (Some(kernel), true) = (fitting, machine == PORTABLE) {
                        self.keep(&kernel, machine)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The kernels with which models of this shape are trained, so many at once, on batches of `batch` windows.
    ///
    /// # Errors
    /// [`CudaError`] as for [`model`](Self::model).
    pub fn training(
        &mut self,
        spec: &Spec,
        options: &TrainOptions,
        (models, batch): (usize, usize),
    ) -> Result<(), CudaError> {
        for machine in [self.target.machine, PORTABLE] {
            let rows = batch.max(1).saturating_mul(models.max(1));
            let (kernels, _) = kernels_of_training(spec, options, machine, rows)?;
            self.all(&kernels, machine)?;
        }
        Ok(())
    }

    /// The kernel of a stream of a model of this shape.
    ///
    /// # Errors
    /// [`CudaError`] as for [`model`](Self::model).
    pub fn stream(&mut self, spec: &Spec, precision: Precision) -> Result<(), CudaError> {
        self.offers(precision)?;
        for machine in [self.target.machine, PORTABLE] {
            let cut = shape::resident(spec, machine, precision)?;
            self.keep(&stream::stream(spec, &cut, precision), machine)?;
        }
        Ok(())
    }

    /// The kernel of a plan's panel in the format `T`.
    ///
    /// # Errors
    /// [`CudaError`] when the kernel is refused or the folder cannot be written.
    pub fn features<T: Number>(&mut self, plan: &Plan) -> Result<(), CudaError> {
        self.both(&kernel_of_features::<T>(plan.program()))
    }

    fn offers(&self, precision: Precision) -> Result<(), CudaError> {
        if precision == Precision::Bf16 && self.target.machine.capability < 80 {
            return Err(CudaError::Precision { device: self.target.machine.architecture(), precision });
        }
        Ok(())
    }

    fn all(&mut self, kernels: &Kernels, machine: Machine) -> Result<(), CudaError> {
        kernels.list.iter().try_for_each(|(kernel, _)| self.keep(kernel, machine))
    }

    /// For the target and for any device.
    fn both(&mut self, kernel: &Kernel) -> Result<(), CudaError> {
        self.keep(kernel, self.target.machine)?;
        self.keep(kernel, PORTABLE)
    }

    /// Machine code for the target, or PTX for what is cut for any device; nothing where it is there.
    fn keep(&mut self, kernel: &Kernel, machine: Machine) -> Result<(), CudaError> {
        let portable = machine == PORTABLE;
        let architecture = if portable { kernel.portable().to_owned() } else { machine.architecture() };
        if self.cache.get(kernel, &architecture).is_some() {
            return Ok(());
        }
        let code = if portable {
            self.nvrtc.ptx(kernel, &architecture)?.into_bytes()
        } else {
            self.nvrtc.compile(kernel, &architecture)?.cubin
        };
        self.cache.keep(kernel, &architecture, &code)?;
        self.written += 1;
        Ok(())
    }

    fn spills(&self, kernel: &Kernel, architecture: &str) -> Result<bool, CudaError> {
        let compiled = self.nvrtc.compile(kernel, architecture)?;
        Ok(Report::parse(&compiled.log).is_none_or(|report| report.stack_bytes > 0))
    }
}

#[cfg(test)]
mod tests {
    use diapason_tests::{Need, need};

    use super::*;
    use crate::lstm::Head;

    #[test]
    fn a_device_is_named_by_capability_and_multiprocessors() {
        let target: Target = "sm_90a:132".parse().unwrap();
        assert_eq!(target.machine, Machine { capability: 90, shared_bytes: 232_448, processors: 132 });
        assert_eq!(target.machine.architecture(), "sm_90a");
        for text in ["", "sm_90", "sm_91:132", "90:132", "sm_90:0", "sm_90:many"] {
            let message = text.parse::<Target>().unwrap_err().to_string();
            assert!(message.contains("such as sm_90:132"), "{message}");
        }
    }

    #[test]
    fn what_is_made_ahead_is_found() {
        let target: Target = "sm_75:40".parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ahead = Ahead::new(target, Some(folder.path()));
        let lack = ahead.as_ref().err().map(ToString::to_string);
        if !need::met(Need::Nvrtc, lack) {
            return;
        }
        let mut ahead = ahead.unwrap();
        let spec = Spec { input: 3, hidden: 16, layers: 1, output: 1, head: Head::Linear };
        assert!(matches!(ahead.model(&spec, Precision::Bf16), Err(CudaError::Precision { .. })));
        let plan = Plan::parse("rsi(close,14)", &["close"]).unwrap();
        let fill = |ahead: &mut Ahead| {
            ahead.model(&spec, Precision::F16).unwrap();
            ahead.stream(&spec, Precision::F32).unwrap();
            ahead.features::<f32>(&plan).unwrap();
        };
        fill(&mut ahead);
        let written = ahead.written();
        let files: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), written);
        for kind in ["cubin", "ptx"] {
            assert!(files.iter().filter(|file| file.extension().is_some_and(|it| it == kind)).count() >= 4);
        }
        fill(&mut ahead);
        assert_eq!(ahead.written(), written);
        let ptx = ahead.cache.get(&source::dense(16, 1), "compute_75").unwrap();
        assert!(String::from_utf8(ptx).unwrap().contains(".target sm_75"));
    }
}
