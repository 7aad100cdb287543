//! What the methods do.

mod care;

use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::message::{Call, Reply};
use super::peer::Peer;
use crate::apply::report::{ApplyReport, Ending};
use crate::apply::{Tuning, verify};
use crate::drift::Drifts;
use crate::host::{Host, rivals};
use crate::metrics::LastApply;
use crate::plan::{Gate, Plan};
use crate::profile::Library;
use crate::root::Root;
use crate::switch::back;
use crate::uevent::Gathering;
use crate::watch::Watch;
pub use care::Surroundings;

const TUNING: &str = include_str!("io.diapason.Tuning.varlink");
const SERVICE: &str = include_str!("org.varlink.service.varlink");

/// A machine under the daemon's care.
pub struct Service {
    root: Root,
    library: Library,
    tuning: Tuning,
    surroundings: Surroundings,
    drifts: Drifts,
    gathering: Gathering,
    /// The last apply since the start.
    last: Option<LastApply>,
    /// Who tells the writers of files, and whether that was asked for: some kernels and rights do not have it.
    watch: Option<Watch>,
    asked: bool,
    /// Whether something was done since the last look around.
    stirred: bool,
    /// What became of the profile in force when the machine started again.
    resumed: Option<String>,
}

impl Service {
    /// Takes over: after a restart of the machine, the profile that was in force is applied again.
    #[must_use]
    pub fn new(root: Root, library: Library, tuning: Tuning, surroundings: Surroundings) -> Self {
        let drifts = Drifts::new(surroundings.drift, care::now());
        let gathering = Gathering::default();
        let mut service = Self {
            root,
            library,
            tuning,
            surroundings,
            drifts,
            gathering,
            last: None,
            watch: None,
            asked: false,
            stirred: true,
            resumed: None,
        };
        let profile = service.tuning.profile().map(str::to_owned);
        if let Some(profile) = profile.filter(|_| !service.tuning.journal().same_boot()) {
            let said = match service.apply(&profile, Gate::default()) {
                Ok(report) => match report.ending {
                    Ending::Applied => "is applied again".to_owned(),
                    _ => format!("could not be applied again: {}", report.error.unwrap_or_default()),
                },
                Err((_, message)) => format!("could not be applied again: {message}"),
            };
            service.resumed = Some(format!("the machine has started anew; {profile} {said}"));
        }
        service
    }

    /// One line about the state, for the service manager and the log.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.tuning.profile() {
            Some(profile) => {
                format!("{profile} is in force, {} knobs held", self.tuning.journal().ledger().held.len())
            }
            None => "no profile is in force".to_owned(),
        }
    }

    /// What the start found.
    #[must_use]
    pub fn found(&self) -> Vec<String> {
        self.tuning.found().iter().cloned().chain(self.resumed.clone()).collect()
    }

    /// Whether a call may take long.
    pub(super) fn is_operation(&self, call: &Call) -> bool {
        matches!(call.split(), ("io.diapason.Tuning", "Apply" | "Rollback"))
    }

    pub(super) fn answer(&mut self, call: &Call, peer: &Peer) -> Reply {
        self.method(call, *peer).unwrap_or_else(|error| error)
    }

    fn method(&mut self, call: &Call, peer: Peer) -> Result<Reply, Reply> {
        let error = |(name, message): (&'static str, String)| Reply::error(name, &message);
        match call.split() {
            ("io.diapason.Tuning", "Apply") => {
                permit(peer)?;
                let profile = call.text("profile")?.ok_or_else(|| Reply::invalid_parameter("profile"))?;
                let gate = match call.text("disruption")? {
                    None => Gate::default(),
                    Some(word) => serde_json::from_value(json!(word))
                        .map_err(|_| Reply::invalid_parameter("disruption"))?,
                };
                report(&self.apply(profile, gate).map_err(error)?)
            }
            ("io.diapason.Tuning", "Rollback") => {
                permit(peer)?;
                let rolled_back = self.tuning.rollback();
                let rolled_back =
                    rolled_back.map_err(|refused| Reply::error("Failed", &refused.to_string()))?;
                self.say_rolled_back(&rolled_back);
                report(&rolled_back)
            }
            ("io.diapason.Tuning", "Verify") => {
                let name = call.text("profile")?.or(self.tuning.profile());
                let none =
                    || Reply::error("NothingApplied", "no profile is in force; name one to compare with");
                let plan = self.plan(name.ok_or_else(none)?).map_err(error)?;
                report(&verify(&plan))
            }
            ("io.diapason.Tuning", "Status") => {
                // Rivals that cannot be listed are not there for this caller.
                let mut status = self.tuning.status(&rivals(&self.root).unwrap_or_default());
                status.found = self.found();
                status.drift_policy = self.drifts.policy();
                status.drift = self.drifts.recent().cloned().collect();
                status.compared = self.drifts.compared();
                report(&status)
            }
            ("org.varlink.service", "GetInfo") => Ok(Reply::of(json!({
                "vendor": "The Diapason developers",
                "product": "diapasond",
                "version": env!("CARGO_PKG_VERSION"),
                "url": env!("CARGO_PKG_REPOSITORY"),
                "interfaces": ["org.varlink.service", "io.diapason.Tuning"],
            }))),
            ("org.varlink.service", "GetInterfaceDescription") => {
                let interface =
                    call.text("interface")?.ok_or_else(|| Reply::invalid_parameter("interface"))?;
                match interface {
                    "io.diapason.Tuning" => Ok(Reply::of(json!({ "description": TUNING }))),
                    "org.varlink.service" => Ok(Reply::of(json!({ "description": SERVICE }))),
                    _ => Err(Reply::protocol("InterfaceNotFound", &json!({ "interface": interface }))),
                }
            }
            ("io.diapason.Tuning" | "org.varlink.service", _) => {
                Err(Reply::protocol("MethodNotFound", &json!({ "method": call.method })))
            }
            (interface, _) => Err(Reply::protocol("InterfaceNotFound", &json!({ "interface": interface }))),
        }
    }

    fn apply(&mut self, name: &str, gate: Gate) -> Result<ApplyReport, (&'static str, String)> {
        let begun = Instant::now();
        let plan = self.plan(name)?;
        let plan = match gate == Gate::default() {
            true => plan,
            false => {
                let held = back(&plan, &self.tuning.status(&[]).held);
                plan.gated(gate, &held)
            }
        };
        let report = self.tuning.apply(&plan).map_err(|error| ("Failed", error.to_string()))?;
        self.say_applied(&report, begun.elapsed());
        Ok(report)
    }

    /// The plan for a profile, by name: the daemon reads no file that a caller points at.
    fn plan(&self, name: &str) -> Result<Plan, (&'static str, String)> {
        let failed = |error: &dyn std::error::Error| ("Failed", error.to_string());
        let profile = self.library.named(name).map_err(|error| ("ProfileInvalid", error.to_string()))?;
        let host = Host::of_plan(&self.root, profile.asks()).map_err(|error| failed(&error))?;
        let held = |knob: &str| self.tuning.journal().ledger().held(knob).map(|held| held.original.clone());
        Plan::over(&profile, &host, &self.root, &held).map_err(|error| failed(&error))
    }
}

fn permit(peer: Peer) -> Result<(), Reply> {
    let refused = || {
        let message = format!("only root and the group {} may change the machine; use sudo", super::GROUP);
        Reply::error("NotPermitted", &message)
    };
    if peer.may_change() { Ok(()) } else { Err(refused()) }
}

/// A report is in the one member `report`, so that others can be added beside it.
fn report(report: &impl Serialize) -> Result<Reply, Reply> {
    let value: Value =
        serde_json::to_value(report).map_err(|error| Reply::error("Failed", &error.to_string()))?;
    Ok(Reply::of(json!({ "report": value })))
}
