//! Results of races where criterion leaves its own, so that `cargo xtask record` keeps them as well.
#![expect(clippy::expect_used, reason = "a benchmark that cannot keep its result must not seem to have one")]

use std::path::Path;

use serde_json::json;

/// What a run does, for the rate.
#[derive(Clone, Copy, Debug)]
pub enum Units {
    /// Bytes of data.
    Bytes(u64),
    /// Anything else that is counted.
    Elements(u64),
}

/// Keeps least, median and greatest time of the benchmark `name`, in nanoseconds.
///
/// # Panics
/// When the result cannot be written.
pub fn keep(name: &str, [least, median, greatest]: [f64; 3], units: Units) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/criterion").join(name).join("new");
    std::fs::create_dir_all(&folder).expect("the folder of results can be made");
    let interval = json!({ "lower_bound": least, "upper_bound": greatest });
    let estimates = json!({ "median": { "point_estimate": median, "confidence_interval": interval } });
    let throughput = match units {
        Units::Bytes(count) => json!({ "Bytes": count }),
        Units::Elements(count) => json!({ "Elements": count }),
    };
    let benchmark = json!({ "full_id": name, "throughput": throughput });
    for (file, value) in [("estimates.json", estimates), ("benchmark.json", benchmark)] {
        std::fs::write(folder.join(file), value.to_string()).expect("a result can be written");
    }
}
