//! Weights in the order in which tensor cores take them.
//!
//! `mma.m16n8k16` wants of its left matrix, 16 rows by 16 deep, eight numbers from each of a warp's 32 lanes: lane `l` has
//! rows `l / 4` and `l / 4 + 8`, depths `2 (l % 4)` and the next, and both eight deeper. The kernel's two tiles of a group
//! of eight units hold the gates i and f, then g and o; so a lane's four words are, of its unit, the first gate, the
//! second, and the same eight deeper. They lie side by side: one load of 16 bytes.

use super::shape::Layer;
use crate::gpu::Precision;
use crate::gpu::packed::{GATES, PackedLayer};

/// The weights of a layer, `[group][tile of depth][2][lane][4]` words of two numbers each, as bytes: the inputs' tiles,
/// then the units'. Padding is zero.
pub fn fragments(layer: Layer, packed: &PackedLayer, precision: Precision) -> Vec<u8> {
    let Layer { inputs, units } = layer;
    let weight = |depth: usize, unit: usize, gate: usize| {
        let (matrix, k, depth_max) = match depth.checked_sub(16 * layer.tiles_x()) {
            None => (&packed.weight_x, depth, inputs),
            Some(k) => (&packed.weight_h, k, units),
        };
        if k < depth_max && unit < units { matrix[(k * units + unit) * GATES + gate] } else { 0.0 }
    };
    let mut values = Vec::with_capacity(layer.groups() * layer.tiles() * 512);
    for group in 0..layer.groups() {
        for tile in 0..layer.tiles() {
            for pair in 0..2 {
                for lane in 0..32 {
                    for word in 0..4 {
                        let depth = 16 * tile + lane % 4 * 2 + word / 2 * 8;
                        let (unit, gate) = (8 * group + lane / 4, 2 * pair + word % 2);
                        values.extend([weight(depth, unit, gate), weight(depth + 1, unit, gate)]);
                    }
                }
            }
        }
    }
    precision.encode(&values)
}

/// The bias `[group of units * 8][gate]`, padded with zeros.
pub fn bias(layer: Layer, packed: &PackedLayer) -> Vec<f32> {
    let mut bias = packed.bias.clone();
    bias.resize(GATES * 8 * layer.groups(), 0.0);
    bias
}
