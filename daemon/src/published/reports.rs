//! What `diapason tune ... --json` prints.

use schemars::{JsonSchema, generate::SchemaSettings};

use crate::apply::report::{ApplyReport, RollbackReport, StatusReport, VerifyReport};
use crate::conflicts::Conflicts;
use crate::explain::{Description, Explanation};
use crate::profile::{Listed, Setting};
use crate::recommend::Recommendations;
use crate::switch::Switch;

fn publish<T: JsonSchema>(name: &str, title: &str) {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    super::schema(name, schema.as_value());
}

#[test]
fn every_report_has_its_schema() {
    publish::<Switch>("tune-plan", "diapason tune plan --json");
    publish::<VerifyReport>("tune-verify", "diapason tune verify --json");
    publish::<StatusReport>("tune-status", "diapason tune status --json");
    publish::<ApplyReport>("tune-apply", "diapason tune apply --json, diapason tune switch --json");
    publish::<RollbackReport>("tune-rollback", "diapason tune rollback --json");
    publish::<Explanation>("tune-explain", "diapason tune explain --json");
    publish::<Conflicts>("tune-conflicts", "diapason tune conflicts --json");
    publish::<Recommendations>("tune-recommend", "diapason tune recommend --json");
    publish::<Vec<Description>>("tune-knobs", "diapason tune knobs --json");
    publish::<Vec<Listed>>("tune-list", "diapason tune list --json");
    publish::<Vec<Setting>>("tune-env", "diapason tune env --json");
}
