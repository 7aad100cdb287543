//! The published JSON Schemas (`docs/schema/`), made from the types and the catalogue, so that they cannot lag behind.
//!
//! With `UPDATE_DOCS=1` the files are written, otherwise they are compared. Reports are described by their types;
//! profiles, which are read by hand for the sake of the places in messages, by the lists that the reader itself
//! walks. `cli/tests/schema.rs` holds what the command really prints, and profiles, against these files.

mod reports;

mod profiles;

use std::path::Path;

use serde_json::Value;

/// Compares `value` with a file of `docs/schema`, or writes it.
fn published(name: &str, value: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
    let path = folder.join(format!("{name}.schema.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "docs/schema/{name}.schema.json is out of date; run with UPDATE_DOCS=1 and read the difference"
    );
}
