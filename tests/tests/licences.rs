//! Every crate of the lock file is under a licence that `deny.toml` allows.

use cargo_metadata::MetadataCommand;
use diapason_tests::need::repository;
use spdx::{Expression, Licensee};

/// Crates that name a licence file instead of an expression, with what that file says.
const BY_FILE: &[(&str, &str)] = &[("hdf5-metno-src", "BSD-3-Clause")];

#[test]
fn every_dependency_is_under_an_allowed_licence() {
    let deny: toml::Value =
        toml::from_str(&std::fs::read_to_string(repository().join("deny.toml")).expect("deny.toml"))
            .expect("TOML");
    let allowed: Vec<Licensee> = deny["licenses"]["allow"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| Licensee::parse(name.as_str().expect("a name")).expect("an SPDX licence"))
        .collect();
    let metadata = MetadataCommand::new()
        .manifest_path(repository().join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .expect("cargo metadata");
    let mut refused = Vec::new();
    for package in &metadata.packages {
        let by_file = BY_FILE.iter().find(|(name, _)| *name == package.name.as_str()).map(|(_, text)| *text);
        let text = package.license.as_deref().or(by_file).unwrap_or("none").replace('/', " OR ");
        let fits = Expression::parse(&text).is_ok_and(|expression| {
            expression.evaluate(|needed| allowed.iter().any(|have| have.satisfies(needed)))
        });
        if !fits {
            refused.push(format!("{} {}: {text}", package.name, package.version));
        }
    }
    assert!(refused.is_empty(), "licences outside of deny.toml:\n{}", refused.join("\n"));
}
