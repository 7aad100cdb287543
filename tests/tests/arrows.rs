//! The arrows between the crates are those of ARCHITECTURE.md, and no others.
//!
//! `daemon` is alone: the privileged binary has no GPU code and no file format. `loader` and `kernels` share only
//! `buffer`. Nothing points back at the crates that compose them.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};
use diapason_tests::need::repository;

/// Crate, and the crates of ours that its manifest may name as ordinary dependencies.
const ARROWS: &[(&str, &[&str])] = &[
    ("diapason-buffer", &[]),
    ("diapason-daemon", &[]),
    ("diapason-loader", &["diapason-buffer"]),
    ("diapason-kernels", &["diapason-buffer"]),
    ("diapason", &["diapason-buffer", "diapason-daemon", "diapason-kernels", "diapason-loader"]),
    ("diapason-benches", &[]),
    ("diapason-tests", &[]),
    ("diapason-vm", &["diapason-daemon"]),
    ("diapason-examples", &[]),
    ("xtask", &[]),
];

/// What the privileged binary must never link, however indirectly.
const NEVER_IN_THE_DAEMON: &[&str] = &["hdf5-metno", "cudarc", "wgpu", "tokio", "ndarray", "arrow", "zstd"];

fn metadata() -> cargo_metadata::Metadata {
    MetadataCommand::new()
        .manifest_path(repository().join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .expect("cargo metadata")
}

#[test]
fn the_arrows_are_those_of_the_architecture() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(name, targets)| (*name, targets.iter().copied().collect())).collect();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "a crate was added or removed: draw its arrows");
    for package in metadata.workspace_packages() {
        let arrows: BTreeSet<&str> = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal && ours.contains(d.name.as_str()))
            .map(|d| d.name.as_str())
            .collect();
        assert_eq!(arrows, allowed[package.name.as_str()], "arrows of {}", package.name);
    }
}

#[test]
fn only_the_composing_crates_are_pointed_at_by_tests() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Development) {
            let back = ["diapason", "diapason-benches", "diapason-examples", "xtask"];
            assert!(
                !back.contains(&dependency.name.as_str()),
                "{} points back at {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn the_daemon_links_nothing_heavy() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == "diapason-daemon");
    let mut waiting = vec![&start.expect("the daemon is a member").id];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let name = metadata[id].name.as_str();
        assert!(!NEVER_IN_THE_DAEMON.contains(&name), "the daemon links {name}");
        let normal =
            |d: &&cargo_metadata::NodeDep| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal);
        waiting.extend(nodes[id].deps.iter().filter(normal).map(|d| &d.pkg));
    }
}

#[test]
fn every_crate_takes_the_lints_and_the_licence_of_the_workspace() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has its own lints", package.name);
        assert_eq!(package.license.as_deref(), Some("MIT OR Apache-2.0"), "{}", package.name);
    }
}
