//! A snapshot from somewhere else: whatever its numbers are, it is refused or it runs, and nothing panics.

use diapason_kernels::feature::{CATALOGUE, Plan};
use ndarray::Array2;

use crate::series::{COLUMNS, Series, series};

/// Bytes before the state, and those of the hash at the end, as `feature/snapshot.rs` says.
const HEADER: usize = 60;
const DIGEST: usize = 32;

const HOSTILE: [f64; 9] =
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.5, 63.0, 1e4, 1.8e19, f64::MIN_POSITIVE];

/// Restores the bytes, and takes single rows and a block if they are accepted.
fn runs(plan: &Plan, bytes: &[u8], data: &Series) -> bool {
    let Ok(mut stream) = plan.restore(bytes) else { return false };
    let mut out = vec![0.0; plan.names().len()];
    for row in 0..3 {
        stream.push(&data.row(plan, row), &mut out);
    }
    let mut block = Array2::zeros((data.rows(), out.len()));
    stream.extend(&data.inputs(plan), block.view_mut()).unwrap();
    true
}

#[test]
fn forged_numbers_are_refused_or_harmless() {
    let data = series("gaps", 150, 17);
    let (mut accepted, mut refused) = (0, 0);
    for entry in CATALOGUE {
        let plan = Plan::parse(&entry.call(), &COLUMNS).unwrap();
        let mut stream = plan.stream();
        for row in 0..40 {
            stream.push(&data.row(&plan, row), &mut vec![0.0; plan.names().len()]);
        }
        let bytes = stream.snapshot();
        let numbers = (bytes.len() - HEADER - DIGEST) / 8;
        // Heads come first in the state of an operation; further in, one number is like the next.
        for number in (0..numbers).filter(|number| *number < 24 || number % 13 == 0) {
            for hostile in HOSTILE {
                let mut forged = bytes[..bytes.len() - DIGEST].to_vec();
                forged[HEADER + 8 * number..HEADER + 8 * number + 8].copy_from_slice(&hostile.to_le_bytes());
                forged.extend_from_slice(blake3::hash(&forged).as_bytes());
                if runs(&plan, &forged, &data) { accepted += 1 } else { refused += 1 }
            }
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}
