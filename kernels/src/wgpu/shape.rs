//! Which kernel takes a layer through time on this device, and how it is cut into invocations.

use crate::gpu::Precision;

/// What of a device's limits a kernel must keep to.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Invocations of a workgroup.
    pub invocations: usize,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: usize,
}

/// How `recurrence.wgsl` is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// Invocations that share a group of rows.
    pub lanes: usize,
    /// Units of an invocation.
    pub lane_units: usize,
    /// Windows of an invocation.
    pub rows: usize,
    /// Groups of rows in a workgroup.
    pub groups: usize,
    /// Whether the recurrent weights stay in workgroup memory for all steps.
    pub resident: bool,
}

/// The widest layer that one workgroup takes: beyond it a workgroup would read more weights in a step than the few rows that
/// its memory holds make use of, and a product of all rows, step by step, reads each weight once for 64 of them.
pub const HIDDEN_MAX: usize = 256;
/// Invocations of a workgroup: more than 256 leave too few registers for each.
const INVOCATIONS_MAX: usize = 256;
/// Cells of an invocation: 32 sums, as in `product.wgsl`.
const CELLS: usize = 8;
/// What neighbouring invocations read at once on most devices.
const SUBGROUP: usize = 32;

/// The cut for layers of `hidden` units, or `None` where a product for each step does better.
pub fn recurrence(hidden: usize, precision: Precision, room: Room) -> Option<Recurrence> {
    if hidden > HIDDEN_MAX {
        return None;
    }
    let invocations = room.invocations.min(INVOCATIONS_MAX);
    let lanes = hidden.next_multiple_of(SUBGROUP).min(invocations);
    let lane_units = hidden.div_ceil(lanes);
    let rows = (CELLS / lane_units).max(1);
    let state = |groups: usize| size_of::<f32>() * hidden * rows * groups;
    let groups = (1..=invocations / lanes).rev().find(|&groups| state(groups) <= room.workgroup_bytes)?;
    let weights = 4 * precision.bytes() * hidden * hidden;
    let resident = state(groups) + weights <= room.workgroup_bytes;
    Some(Recurrence { lanes, lane_units, rows, groups, resident })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Room = Room { invocations: 256, workgroup_bytes: 16 << 10 };

    #[test]
    fn every_cut_keeps_to_the_limits() {
        for hidden in 1..=HIDDEN_MAX {
            for room in [
                LEAST,
                Room { invocations: 128, ..LEAST },
                Room { invocations: 1024, workgroup_bytes: 48 << 10 },
            ] {
                for precision in [Precision::F32, Precision::F16] {
                    let cut = recurrence(hidden, precision, room).unwrap();
                    let Recurrence { lanes, lane_units, rows, groups, resident } = cut;
                    assert!(lanes * lane_units >= hidden && lanes * groups <= room.invocations, "{cut:?}");
                    let weights = if resident { 4 * precision.bytes() * hidden * hidden } else { 0 };
                    assert!(4 * hidden * rows * groups + weights <= room.workgroup_bytes, "{cut:?}");
                }
            }
        }
    }

    #[test]
    fn small_layers_keep_their_weights() {
        let cut = |hidden, precision, workgroup_bytes| {
            recurrence(hidden, precision, Room { invocations: 1024, workgroup_bytes })
        };
        let resident = Recurrence { lanes: 32, lane_units: 1, rows: 8, groups: 8, resident: true };
        assert_eq!(cut(32, Precision::F16, 16 << 10), Some(resident));
        assert!(cut(48, Precision::F32, 48 << 10).unwrap().resident);
        assert!(!cut(128, Precision::F16, 48 << 10).unwrap().resident);
        assert_eq!(cut(257, Precision::F32, 48 << 10), None);
        assert_eq!(cut(64, Precision::F32, 1 << 10), None);
    }
}
