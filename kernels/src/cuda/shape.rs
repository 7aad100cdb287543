//! How a layer is cut for a device: windows of a block, warps, and where weights live.

use super::error::CudaError;
use crate::gpu::Precision;

/// What of a device a kernel must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// Compute capability, such as 90 for 9.0.
    pub capability: u32,
    /// Bytes of shared memory that a block may ask for.
    pub shared_bytes: usize,
    /// Multiprocessors.
    pub processors: usize,
}

/// A layer as a kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layer {
    /// Values that it reads.
    pub inputs: usize,
    /// Its units.
    pub units: usize,
}

/// The cut of `lstm_layer_half.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    /// Windows of a block.
    pub columns: usize,
    /// Warps of a block.
    pub warps: usize,
    /// Groups of eight units of a warp.
    pub warp_groups: usize,
    /// Tiles of depth whose weights live in registers.
    pub register_tiles: usize,
    /// And in shared memory.
    pub shared_tiles: usize,
    /// Bytes of shared memory.
    pub shared_bytes: usize,
}

/// The cut of `lstm_layer_f32.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Single {
    /// Threads that share a group of windows.
    pub lanes: usize,
    /// Units of a thread.
    pub lane_units: usize,
    /// Windows of a thread.
    pub rows: usize,
    /// Groups of windows in a block.
    pub row_groups: usize,
    /// Bytes of shared memory.
    pub shared_bytes: usize,
}

/// Windows of a block of the half kernel at most. More would leave no registers for weights: each takes two of cell state
/// for every eight windows, and 132 multiprocessors of 80 windows already hold a batch of 10,000.
const COLUMNS_MAX: usize = 80;
/// Warps of a block of the half kernel at most: 16 leave each thread 128 registers.
const WARPS_MAX: usize = 16;
/// Registers of a multiprocessor.
const REGISTERS: usize = 1 << 16;
/// Registers of a thread beside states and weights: sums, addresses, what is loaded ahead. Where the compiler needs more,
/// its kernel spills, and [`Half::relaxed`] has fewer weights in registers.
const REGISTERS_OTHER: usize = 64;
/// Threads of a block of the f32 kernel: 256 may have 255 registers each.
const THREADS_F32: usize = 256;
/// Cells of a thread of the f32 kernel, each with four sums.
const CELLS_F32: usize = 16;
/// Cells of a thread on the way back, each with two sums and the gradient by its state.
const CELLS_BACKWARD: usize = 8;

impl Layer {
    /// Groups of eight units.
    pub const fn groups(self) -> usize {
        self.units.div_ceil(8)
    }

    /// Inputs as the half kernel stores them: whole runs of 16 bytes.
    pub const fn stored_inputs(self) -> usize {
        self.inputs.next_multiple_of(8)
    }

    /// Tiles of depth of the inputs.
    pub const fn tiles_x(self) -> usize {
        self.stored_inputs().div_ceil(16)
    }

    /// Tiles of depth in all.
    pub const fn tiles(self) -> usize {
        self.tiles_x() + (8 * self.groups()).div_ceil(16)
    }
}

/// The cut in f16 or bf16 for about `rows` windows in flight.
pub fn half(layer: Layer, machine: Machine, rows: usize, precision: Precision) -> Result<Half, CudaError> {
    let groups = layer.groups();
    let warp_groups = groups.div_ceil(WARPS_MAX);
    let warps = groups.div_ceil(warp_groups);
    // Allocated by warps in steps of eight registers.
    let registers = (REGISTERS / (warps * 32) / 8 * 8).min(248);
    let free = registers.saturating_sub(REGISTERS_OTHER);
    // Of each group: four of bias, and two of cell state for every eight windows.
    let state = |column_tiles: usize| warp_groups * (4 + 2 * column_tiles);
    let fits = |tiles: usize| state(tiles) <= free && inputs_bytes(layer, 8 * tiles) <= machine.shared_bytes;
    let wanted = rows.div_ceil(machine.processors).clamp(1, COLUMNS_MAX).div_ceil(8);
    let Some(tiles) = (1..=wanted).rev().find(|&tiles| fits(tiles)) else {
        let what = "a layer's inputs and units together";
        let value = layer.inputs + layer.units;
        // The largest that one tile of windows leaves room for in shared memory.
        let max = (machine.shared_bytes / 32 - 8).min(2 * 8 * WARPS_MAX * (free / 6));
        return Err(CudaError::Limit { what, value, max, precision, remedy: "predict on the cpu" });
    };
    let register_tiles = ((free - state(tiles)) / (8 * warp_groups)).min(layer.tiles());
    Ok(Half::with(layer, machine, 8 * tiles, register_tiles))
}

impl Half {
    /// The cut with so many windows of a block and tiles in registers: shared memory takes of the rest what it can.
    fn with(layer: Layer, machine: Machine, columns: usize, register_tiles: usize) -> Self {
        let groups = layer.groups();
        let warp_groups = groups.div_ceil(WARPS_MAX);
        let inputs_bytes = inputs_bytes(layer, columns);
        let tile_bytes = 1024 * groups;
        let room = machine.shared_bytes.saturating_sub(inputs_bytes) / tile_bytes;
        let shared_tiles = room.min(layer.tiles() - register_tiles);
        let shared_bytes = inputs_bytes + shared_tiles * tile_bytes;
        let warps = groups.div_ceil(warp_groups);
        Self { columns, warps, warp_groups, register_tiles, shared_tiles, shared_bytes }
    }

    /// The next cut that needs fewer registers: a tile less in them, then fewer windows; `None` after the last.
    pub fn relaxed(self, layer: Layer, machine: Machine) -> Option<Self> {
        match (self.register_tiles, self.columns) {
            (0, ..=8) => None,
            (0, columns) => Some(Self::with(layer, machine, columns - 8, 0)),
            (tiles, columns) => Some(Self::with(layer, machine, columns, tiles - 1)),
        }
    }
}

/// Bytes of [x | h] of so many windows, twice.
const fn inputs_bytes(layer: Layer, columns: usize) -> usize {
    2 * 2 * columns * (16 * layer.tiles() + 8)
}

/// The cut in f32 for about `rows` windows in flight.
pub fn single(layer: Layer, machine: Machine, rows: usize) -> Result<Single, CudaError> {
    let lanes = layer.units.next_multiple_of(32).min(THREADS_F32);
    let lane_units = layer.units.div_ceil(lanes);
    let bytes = |columns: usize| 4 * columns * (layer.inputs + layer.units);
    let wanted = rows.div_ceil(machine.processors).max(1);
    let cells = (CELLS_F32 / lane_units) / 4 * 4;
    let fits = |rows: usize, groups: usize| bytes(rows * groups) <= machine.shared_bytes;
    let rows = (4..=cells).rev().step_by(4).find(|&rows| rows < wanted + 4 && fits(rows, 1));
    let Some(rows) = rows else {
        let what = "a layer's inputs and units together";
        let (value, max) = (layer.inputs + layer.units, machine.shared_bytes / 16);
        let max = if lane_units > CELLS_F32 / 4 { CELLS_F32 / 4 * THREADS_F32 } else { max };
        return Err(CudaError::Limit {
            what,
            value,
            max,
            precision: Precision::F32,
            remedy: "predict on the cpu",
        });
    };
    let groups = (1..=THREADS_F32 / lanes).rev();
    let row_groups = groups.into_iter().find(|&groups| fits(rows, groups) && rows * (groups - 1) < wanted);
    let row_groups = row_groups.unwrap_or(1);
    Ok(Single { lanes, lane_units, rows, row_groups, shared_bytes: bytes(rows * row_groups) })
}

/// The cut of `lstm_backward_f32.cu` for about `rows` windows in flight: [`Single`] with other room in shared memory, and windows
/// of a thread that need not come by fours.
pub fn backward(layer: Layer, machine: Machine, rows: usize) -> Result<Single, CudaError> {
    let lanes = layer.units.next_multiple_of(32).min(THREADS_F32);
    let lane_units = layer.units.div_ceil(lanes);
    let bytes = |columns: usize| 16 * columns * layer.units;
    let wanted = rows.div_ceil(machine.processors).max(1);
    let fits = |rows: usize, groups: usize| bytes(rows * groups) <= machine.shared_bytes;
    let rows = [8, 4, 2, 1].into_iter().find(|&rows| {
        rows * lane_units <= CELLS_BACKWARD && (rows == 1 || rows < 2 * wanted) && fits(rows, 1)
    });
    let Some(rows) = rows else {
        let max = (machine.shared_bytes / 16).min(CELLS_BACKWARD * THREADS_F32);
        let (what, precision, remedy) = ("hidden", Precision::F32, "train on the cpu");
        return Err(CudaError::Limit { what, value: layer.units, max, precision, remedy });
    };
    let groups = (1..=THREADS_F32 / lanes).rev();
    let row_groups = groups.into_iter().find(|&groups| fits(rows, groups) && rows * (groups - 1) < wanted);
    let row_groups = row_groups.unwrap_or(1);
    Ok(Single { lanes, lane_units, rows, row_groups, shared_bytes: bytes(rows * row_groups) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An H100, an L40 and a T4.
    const MACHINES: [Machine; 3] = [
        Machine { capability: 90, shared_bytes: 232_448, processors: 132 },
        Machine { capability: 89, shared_bytes: 101_376, processors: 142 },
        Machine { capability: 75, shared_bytes: 65_536, processors: 40 },
    ];

    #[test]
    fn every_cut_keeps_to_the_machine() {
        for machine in MACHINES {
            for units in (1..=64).chain([100, 128, 200, 256, 300, 384, 512, 1000, 1024]) {
                for inputs in [1, 8, 32, 100, 512] {
                    let layer = Layer { inputs, units };
                    for rows in [1, 100, 5_000, 1_000_000] {
                        if let Ok(cut) = half(layer, machine, rows, Precision::F16) {
                            assert!(cut.warps * cut.warp_groups >= layer.groups() && cut.warps <= WARPS_MAX);
                            assert!(cut.register_tiles + cut.shared_tiles <= layer.tiles());
                            assert!(cut.shared_bytes <= machine.shared_bytes, "{cut:?}");
                        } else {
                            assert!(units >= 384, "{units} units on {machine:?}");
                        }
                        if let Ok(cut) = single(layer, machine, rows) {
                            assert!(cut.lanes * cut.lane_units >= units && cut.rows % 4 == 0);
                            assert!(cut.lanes * cut.row_groups <= THREADS_F32);
                            assert!(cut.shared_bytes <= machine.shared_bytes, "{cut:?}");
                        } else {
                            assert!(units >= 1000, "{units} units on {machine:?}");
                        }
                        let cut = backward(layer, machine, rows).unwrap();
                        assert!(cut.lanes * cut.lane_units >= units && cut.rows >= 1);
                        assert!(cut.lanes * cut.row_groups <= THREADS_F32);
                        assert!(cut.shared_bytes <= machine.shared_bytes, "{cut:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_usual_shapes_keep_most_weights_on_the_multiprocessor() {
        for inputs in [32, 128] {
            let cut = half(Layer { inputs, units: 128 }, MACHINES[0], 10_000, Precision::F16).unwrap();
            assert_eq!((cut.columns, cut.warps, cut.warp_groups), (80, 16, 1));
            // Where a layer reads as many as it has, 80 windows leave no room for the rest: the caches give it.
            let tiles = Layer { inputs, units: 128 }.tiles();
            assert!(cut.register_tiles + cut.shared_tiles >= tiles.min(14), "{cut:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let layer = Layer { inputs: 100_000, units: 8 };
        let message = half(layer, MACHINES[0], 1, Precision::Bf16).unwrap_err().to_string();
        assert!(message.contains("is 100008, and bf16 kernels take at most"), "{message}");
        let message = single(layer, MACHINES[0], 1).unwrap_err().to_string();
        assert!(
            message.contains("is 100008, and f32 kernels take at most 14528; predict on the cpu"),
            "{message}"
        );
    }
}
