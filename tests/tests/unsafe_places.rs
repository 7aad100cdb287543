//! `unsafe` lives in the places that ARCHITECTURE.md names, each block under a `SAFETY:` comment (which clippy holds).
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use diapason_tests::need::repository;

/// Where `unsafe` may stand, and what it is needed for there.
const PLACES: &[(&str, &str)] = &[
    ("benches/benches/latency.rs", "the read bandwidth that ticks are compared with"),
    ("benches/benches/lstm.rs", "the multiply-add peak that speeds are compared with"),
    ("benches/src/peak.rs", "the multiply-add and dot-product peaks that speeds are compared with"),
    ("buffer/src/buffer.rs", "one aligned allocation"),
    ("daemon/src/root/call", "system calls that no safe wrapper covers"),
    ("kernels/examples/lstm_speed.rs", "the multiply-add peak that speeds are compared with"),
    ("kernels/src/cpu", "loads, stores and the dispatch of vector kernels"),
    ("kernels/src/cuda", "calls of NVIDIA's libraries and launches of kernels"),
    ("kernels/src/feature/loops.rs", "the dispatch of the vector build of the executor"),
    ("kernels/src/feature/value/avx512", "the registers that hold a group of symbols"),
    ("kernels/tests", "the allocator that counts"),
    ("loader/src/cache/map.rs", "one mapping of a file that is never changed"),
    ("loader/src/codec/shuffle.rs", "the dispatch of the vector build of the byte shuffle"),
    ("loader/src/format/libhdf5/ffi.rs", "the C library that writes"),
    ("loader/src/source/uring", "memory that the kernel writes"),
    ("loader/tests", "the allocator that counts"),
];

fn walk(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_stands_only_where_it_is_expected() {
    let root = repository();
    let mut files = Vec::new();
    for folder in ["buffer", "daemon", "loader", "kernels", "cli", "benches", "examples", "xtask"] {
        walk(&root.join(folder), &mut files);
    }
    let mut strays = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).expect("below the root").display().to_string();
        let text = std::fs::read_to_string(&file).expect("UTF-8");
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        // A type of unsafe functions, `unsafe fn(`, runs nothing.
        let words = ["unsafe {", "unsafe fn ", "unsafe impl", "unsafe extern"];
        let is_unsafe = |line: &str| words.iter().any(|word| line.contains(word));
        if code.clone().any(is_unsafe) && !PLACES.iter().any(|(place, _)| name.starts_with(place)) {
            strays.push(name);
        }
    }
    assert!(strays.is_empty(), "unsafe outside of its places:\n{}", strays.join("\n"));
}
