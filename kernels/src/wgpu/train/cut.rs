//! How a batch is cut into shards that fit the device with all that the way back needs, and a sum over rows into parts that are made
//! side by side.

use crate::gpu::packed::GATES;
use crate::op::network::Spec;

/// Rows of a part at least: fewer are not worth a sum of their own.
const PART_MIN: usize = 128;
/// Workgroups of one product that fill any device.
const GROUPS: usize = 512;
/// Numbers in all parts of a sum at most: 64 MiB.
const PARTS_LEN: usize = 16 << 20;
/// A tile of a product is 64 by 64, and a dispatch has 65,535 workgroups in a dimension.
pub const TILE: usize = 64;
const ITEMS_MAX: usize = 65_535 * TILE;

/// Numbers that one step of one window takes on the device: in the largest buffer, and in all.
pub const fn step_len(spec: &Spec) -> (usize, usize) {
    let gates = GATES * spec.hidden;
    let largest = if gates > spec.input { gates } else { spec.input };
    (largest, spec.input + spec.layers * (gates + 2 * spec.hidden) + spec.hidden)
}

/// Windows in a shard of a batch, the shards of equal height, or `None` where not even one fits.
pub fn rows(
    spec: &Spec,
    (batch, time): (usize, usize),
    (buffer_max, bytes_max): (u64, u64),
) -> Option<usize> {
    let bytes = |len: usize| (size_of::<f32>() * len * time) as u64;
    let (largest, all) = step_len(spec);
    let most = (buffer_max / bytes(largest)).min(bytes_max / bytes(all)).min((ITEMS_MAX / time) as u64);
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(batch);
    (most > 0).then(|| batch.div_ceil(batch.div_ceil(most)))
}

/// (rows of a part, parts) of a sum over `items` rows whose result has `height` by `width` numbers.
pub fn parts(items: usize, height: usize, width: usize) -> (usize, usize) {
    let tiles = height.div_ceil(TILE) * width.div_ceil(TILE);
    let most = (GROUPS / tiles).min(PARTS_LEN / (height * width)).max(1);
    let part = items.div_ceil(items.div_ceil(PART_MIN).min(most)).next_multiple_of(16);
    (part, items.div_ceil(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::Head;

    #[test]
    fn every_shard_fits_and_every_part_has_its_rows() {
        let spec = Spec { input: 32, hidden: 128, layers: 2, output: 1, head: Head::Linear };
        assert_eq!(rows(&spec, (128, 60), (64 << 20, 1 << 30)), Some(128));
        for (batch, time, bytes) in [(1000, 60, 64 << 20), (7, 4000, 64 << 20), (100_000, 1, 1 << 24)] {
            let rows = rows(&spec, (batch, time), (bytes, 4 * bytes)).unwrap();
            let (largest, all) = step_len(&spec);
            assert!(
                (4 * largest * rows * time) as u64 <= bytes && (4 * all * rows * time) as u64 <= 4 * bytes
            );
        }
        assert_eq!(rows(&spec, (1, 4096), (1 << 20, 1 << 30)), None);
        for items in [1, 16, 127, 128, 129, 7680, 1_000_000] {
            for (height, width) in [(1, 4), (33, 512), (129, 512), (2049, 8192)] {
                let (part, parts) = parts(items, height, width);
                assert!(part * parts >= items && part * (parts - 1) < items, "{items}: {part} x {parts}");
                assert!(parts == 1 || parts * height * width <= PARTS_LEN);
            }
        }
    }
}
