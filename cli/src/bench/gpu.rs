//! `diapason bench gpu`: batches of windows on every device, each answer checked before it is timed, and with `--selftest` every exam
//! that the kernels of a device have.

use std::path::PathBuf;

use clap::Args;

use crate::console::Console;
use crate::device::Choice;
use crate::failure::Failure;

/// What to measure, and for how long.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Sit every exam of every device as well: exit code 1 where one is failed
    #[arg(long)]
    pub selftest: bool,
    /// The device to measure, again for another one; without it all. One that is named must be there
    #[arg(long, value_enum)]
    pub device: Vec<Choice>,
    /// Seconds for each size of batch
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Write the result as JSON to this file as well
    #[arg(short, long)]
    pub out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Found`] when an exam is failed, others when a device that was named is not there or the file cannot be written.
#[cfg(not(feature = "gpu"))]
pub fn run(arguments: &Arguments, _: &Console) -> Result<(), Failure> {
    arguments.check()?;
    Err(Failure::NoGpus { asked: "bench gpu".to_owned() })
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Found`] when an exam is failed, others when a device that was named is not there or the file cannot be written.
#[cfg(feature = "gpu")]
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Failure> {
    measured::run(arguments, console)
}

impl Arguments {
    fn check(&self) -> Result<(), Failure> {
        const SECONDS_MAX: f64 = 3600.0;
        if !(self.seconds > 0.0 && self.seconds <= SECONDS_MAX) {
            let range = "above 0 and at most an hour";
            return Err(Failure::OutOfRange { name: "--seconds", value: self.seconds, range });
        }
        if self.device.contains(&Choice::Best) {
            return Err(Failure::Named { option: "--device", value: "best", remedy: "cpu, wgpu or cuda" });
        }
        self.out.as_deref().map_or(Ok(()), |out| crate::write::ready(out, &[]))
    }
}

#[cfg(feature = "gpu")]
mod measured {
    use std::time::Duration;

    use diapason_kernels::device::selftest::{self, DeviceReport, Plan, Report, Speed};
    use diapason_kernels::device::{Device, Kind};

    use super::Arguments;
    use crate::console::{self, Console, Tone};
    use crate::device::Choice;
    use crate::failure::Failure;

    pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Failure> {
        arguments.check()?;
        let named = || arguments.device.iter().copied().filter_map(Choice::kind);
        for kind in named() {
            Device::open(kind)?;
        }
        let mut kinds = Kind::ALL.to_vec();
        kinds.retain(|kind| arguments.device.is_empty() || named().any(|named| named == *kind));
        let plan =
            Plan { every_exam: arguments.selftest, enough: Duration::from_secs_f64(arguments.seconds) };
        let bar = console.progress("bench", 0);
        let report = selftest::run(&kinds, plan, |what| {
            bar.set_message(what.to_owned());
            bar.tick();
        });
        bar.finish_and_clear();
        if let Some(out) = &arguments.out {
            let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::other)?;
            crate::write::whole(out, text.as_bytes())?;
        }
        console.show(&report, text)?;
        if report.passed { Ok(()) } else { Err(Failure::Found(verdict(&report))) }
    }

    fn verdict(report: &Report) -> String {
        let marks = || report.devices.iter().flat_map(|device| &device.marks);
        let failed = marks().filter(|mark| !mark.passed).count();
        let errors: usize = report.devices.iter().map(|device| device.errors.len()).sum();
        format!("{failed} of {} exams failed, {errors} ended in an error", marks().count())
    }

    fn text(console: &Console, report: &Report) -> String {
        let mut lines = Vec::new();
        for device in &report.devices {
            lines.push(console.paint(Tone::Strong, &heading(device)));
            let failed: Vec<_> = device.marks.iter().filter(|mark| !mark.passed).collect();
            if !device.marks.is_empty() {
                let passed = device.marks.len() - failed.len();
                lines.push(format!("  {passed} of {} exams passed", device.marks.len()));
            }
            for mark in failed {
                lines.push(console.paint(
                    Tone::Bad,
                    &format!(
                        "  FAIL {} in {}: off by {:.1e}, may be off by {:.1e}",
                        mark.case, mark.precision, mark.distance, mark.tolerance
                    ),
                ));
            }
            lines.extend(
                device.errors.iter().map(|error| console.paint(Tone::Bad, &format!("  FAIL {error}"))),
            );
        }
        let row = |device: &DeviceReport, speed: &Speed| {
            let beside = processor(report, speed.batch).map_or_else(
                || "-".to_owned(),
                |speed_of_cpu| format!("{:.2}", speed.windows_per_second / speed_of_cpu.windows_per_second),
            );
            vec![
                device.kind.to_owned(),
                speed.precision.to_owned(),
                speed.batch.to_string(),
                format!("{:.3} ms ({:.3} to {:.3})", speed.median_ms, speed.min_ms, speed.max_ms),
                console::per_second(speed.windows_per_second, "windows"),
                beside,
            ]
        };
        let rows = report
            .devices
            .iter()
            .flat_map(|device| device.speeds.iter().map(move |speed| row(device, speed)))
            .collect();
        if let Some(speed) = report.devices.iter().find_map(|device| device.speeds.first()) {
            lines.push(format!("\n{}, windows of {} steps, medians", speed.model, speed.time));
            let headings = ["device", "precision", "batch", "time (spread)", "speed", "x cpu f32"];
            lines.push(console.table(&headings, rows));
        }
        lines.join("\n")
    }

    fn heading(device: &DeviceReport) -> String {
        match (&device.name, &device.left_out) {
            (_, Some(reason)) => format!("{}: left out, {reason}", device.kind),
            (Some(name), None) => format!("{}: {name}", device.kind),
            (None, None) => device.kind.to_owned(),
        }
    }

    /// What the processor did in f32 with batches of this size.
    fn processor(report: &Report, batch: usize) -> Option<&Speed> {
        let device = report.devices.iter().find(|device| device.kind == Kind::Cpu.name())?;
        device.speeds.iter().find(|speed| speed.batch == batch && speed.precision == "f32")
    }
}
