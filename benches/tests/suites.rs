//! Every suite of `benches/` is known to cargo as criterion wants it, and every record has the host's facts.

use std::path::Path;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_suite_is_declared_without_the_test_harness() {
    let manifest = std::fs::read_to_string(here().join("Cargo.toml")).unwrap();
    for entry in std::fs::read_dir(here().join("benches")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // A folder holds what several suites share.
        let Some(name) = name.strip_suffix(".rs") else { continue };
        let declared = format!("[[bench]]\nname = \"{name}\"\nharness = false\n");
        assert!(manifest.contains(&declared), "benches/{name}.rs is not declared, so it would not run");
    }
}

#[test]
fn every_record_names_its_machine_and_commit() {
    for machine in std::fs::read_dir(here().join("record")).unwrap() {
        for record in std::fs::read_dir(machine.unwrap().path()).unwrap() {
            let path = record.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for fact in ["# cpu: ", "# kernel: ", "commit "] {
                assert!(text.contains(fact), "{} lacks {fact:?}", path.display());
            }
            // What criterion measured, what was measured beside the rival in the guest, or how long ticks took.
            let heads = ["\nbenchmark,median_ns,", "\nmeasure,unit,", "\ncase,ticks,"];
            let has_table = heads.iter().any(|head| text.contains(head));
            assert!(has_table, "{} has no table", path.display());
        }
    }
}
