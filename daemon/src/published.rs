//! What is published in `docs/` about profiles, knobs and reports, made from the types and the catalogue, so that it
//! cannot lag behind.
//!
//! With `UPDATE_DOCS=1` the files are written, otherwise they are compared. Reports are described by their types;
//! profiles, which are read by hand for the sake of the places in messages, by the lists that the reader itself
//! walks. `cli/tests/schema.rs` holds what the command really prints, and profiles, against the schemas.

mod catalogue;
mod coverage;
mod profiles;
mod reports;

use std::path::Path;

use serde_json::Value;

/// Compares a schema with its file, or writes it.
fn schema(name: &str, value: &Value) {
    let text = format!("{}\n", serde_json::to_string_pretty(value).unwrap());
    page(&format!("schema/{name}.schema.json"), &text);
}

/// Compares a text with a file of `docs/`, or writes it.
fn page(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/{file} is out of date; run with UPDATE_DOCS=1 and read the difference");
}
