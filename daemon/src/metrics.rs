//! The daemon in the words of Prometheus, as a file for node_exporter's textfile collector.
//!
//! A file rather than an endpoint: the daemon then serves one protocol less, a reader that hangs holds up nobody, and nothing
//! wakes it for a scrape. Format: prometheus.io, "Exposition formats", text format 0.0.4.

use std::fmt::Write as _;

use crate::apply::report::HeldKnob;
use crate::root::{Root, RootError};

/// The last apply.
#[derive(Clone, Debug, PartialEq)]
pub struct LastApply {
    /// When it ended, in seconds since 1970.
    pub ended: u64,
    /// Whether the profile was applied.
    pub applied: bool,
    /// How long it took.
    pub seconds: f64,
    /// How many knobs it wrote.
    pub writes: usize,
}

/// What is measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// The profile in force.
    pub profile: Option<String>,
    /// Every held knob.
    pub held: Vec<HeldKnob>,
    /// Names of the knobs that are held descriptors.
    pub holds: Vec<String>,
    /// Changes by others that were found since the start.
    pub drifts: u64,
    /// When all knobs were last compared, in seconds since 1970.
    pub compared: u64,
    /// The last apply since the start.
    pub last: Option<LastApply>,
    /// Lengths of the volatile and the persistent journal.
    pub journal_bytes: [u64; 2],
    /// Records that cannot be read.
    pub damaged: usize,
    /// `cpu some`, and the share of time in ten seconds that it was short, in per cent.
    pub pressure: Vec<(&'static str, &'static str, f64)>,
}

/// Pressure stall information as it is now; nothing where the kernel has none (kernel `accounting/psi.rst`).
///
/// # Errors
/// When a file is there and cannot be read.
pub fn pressure(root: &Root) -> Result<Vec<(&'static str, &'static str, f64)>, RootError> {
    let mut found = Vec::new();
    for resource in ["cpu", "io", "memory"] {
        let text = match root.read(&format!("/proc/pressure/{resource}")) {
            // Switched off on the kernel's command line.
            Err(error) if error.errno() == Some(nix::errno::Errno::EOPNOTSUPP) => None,
            read => read?,
        };
        for line in text.unwrap_or_default().lines() {
            let kind = ["some", "full"].into_iter().find(|kind| line.starts_with(kind));
            let share = line.split_whitespace().find_map(|word| word.strip_prefix("avg10=")?.parse().ok());
            found.extend(kind.zip(share).map(|(kind, share)| (resource, kind, share)));
        }
    }
    Ok(found)
}

impl Metrics {
    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Text(String::new());
        text.metric("info", "gauge", "The version of the daemon.");
        text.sample("info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        text.metric("profile_info", "gauge", "The profile in force; no sample when there is none.");
        if let Some(profile) = &self.profile {
            text.sample("profile_info", &[("profile", profile)], 1);
        }
        text.metric("held_knobs", "gauge", "Knobs that a rollback would restore.");
        text.sample("held_knobs", &[], self.held.len());
        text.metric("knob_drifted", "gauge", "Whether a held knob has another value than was written.");
        for held in &self.held {
            text.sample("knob_drifted", &[("knob", &held.knob)], u8::from(held.drifted));
        }
        text.metric("descriptor_held", "gauge", "Knobs that last as long as a descriptor is open.");
        for hold in &self.holds {
            text.sample("descriptor_held", &[("knob", hold)], 1);
        }
        text.metric("drifts_total", "counter", "Changes of held knobs by others, since the daemon started.");
        text.sample("drifts_total", &[], self.drifts);
        text.metric("compared_timestamp_seconds", "gauge", "When all held knobs were last compared.");
        text.sample("compared_timestamp_seconds", &[], self.compared);
        if let Some(last) = &self.last {
            text.metric("last_apply_timestamp_seconds", "gauge", "When the last apply ended.");
            text.sample("last_apply_timestamp_seconds", &[], last.ended);
            text.metric(
                "last_apply_success",
                "gauge",
                "Whether the last apply ended with the profile applied.",
            );
            text.sample("last_apply_success", &[], u8::from(last.applied));
            text.metric("last_apply_duration_seconds", "gauge", "How long the last apply took.");
            text.sample("last_apply_duration_seconds", &[], last.seconds);
            text.metric("last_apply_writes", "gauge", "Knobs that the last apply wrote.");
            text.sample("last_apply_writes", &[], last.writes);
        }
        text.metric("journal_bytes", "gauge", "Length of a journal.");
        for (lifetime, bytes) in ["volatile", "persistent"].into_iter().zip(self.journal_bytes) {
            text.sample("journal_bytes", &[("lifetime", lifetime)], bytes);
        }
        text.metric("journal_damaged_records", "gauge", "Journal records that cannot be read.");
        text.sample("journal_damaged_records", &[], self.damaged);
        text.metric(
            "pressure_ratio",
            "gauge",
            "Share of the last ten seconds that tasks waited for a resource.",
        );
        for (resource, kind, percent) in &self.pressure {
            text.sample("pressure_ratio", &[("resource", resource), ("kind", kind)], percent / 100.0);
        }
        text.0
    }
}

struct Text(String);

impl Text {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP diapason_{name} {help}\n# TYPE diapason_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> =
            labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escape(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "diapason_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_a_type_and_labels_are_escaped() {
        let held = HeldKnob {
            knob: "odd\"\\\nname".to_owned(),
            original: String::new(),
            written: String::new(),
            current: None,
            drifted: true,
        };
        let last = LastApply { ended: 7, applied: true, seconds: 0.25, writes: 3 };
        let metrics = Metrics {
            profile: Some("p".to_owned()),
            held: vec![held],
            last: Some(last),
            pressure: vec![("cpu", "some", 12.5)],
            ..Metrics::default()
        };
        let text = metrics.text();
        assert!(text.contains("diapason_knob_drifted{knob=\"odd\\\"\\\\\\nname\"} 1\n"), "{text}");
        assert!(text.contains("diapason_pressure_ratio{resource=\"cpu\",kind=\"some\"} 0.125\n"), "{text}");
        let mut typed = std::collections::BTreeSet::new();
        for line in text.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(rest) => assert!(typed.insert(rest.split(' ').next().unwrap()), "{rest} twice"),
                None if line.starts_with('#') => {}
                None => assert!(typed.contains(line.split(['{', ' ']).next().unwrap()), "{line}"),
            }
        }
    }

    #[test]
    fn pressure_of_a_tree() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/pressure")).unwrap();
        let text = "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=9\n";
        std::fs::write(folder.path().join("proc/pressure/io"), text).unwrap();
        let found = pressure(&Root::new(folder.path())).unwrap();
        assert_eq!(found, [("io", "some", 1.5), ("io", "full", 0.5)]);
    }
}
