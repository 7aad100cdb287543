// Rows times a matrix, one number a column: gradients through a layer's weights and through the head's.
//
//     out[m][col] = sum_d left[m][d] right[d][col]
//
// A workgroup of 16 x 16 makes a tile of 64 by 64, each invocation four rows of four columns that lie 16 apart, so that
// neighbours read side by side. Compiled in: DEPTH, COLS, and PER_STEP (rows of `left` are those of one step).

@group(0) @binding(0) var<uniform> place: Place;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const TILE: u32 = 16u;
// [d][row] and [d][col].
var<workgroup> rows_of: array<f32, 1024>;
var<workgroup> cols_of: array<f32, 1024>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
    let rows = select(place.rows * place.steps, place.rows, PER_STEP);
    let offset = select(0u, place.step * place.rows, PER_STEP);
    let first_row = tile.y * 64u;
    let first_col = tile.x * 64u;
    var sums: array<vec4<f32>, 4>;
    for (var base = 0u; base < DEPTH; base += TILE) {
        for (var part = 0u; part < 4u; part++) {
            let row = first_row + at.y * 4u + part;
            let depth = base + at.x;
            var value = 0.0;
            if (row < rows && depth < DEPTH) {
                value = left[(offset + row) * DEPTH + depth];
            }
            rows_of[at.x * 64u + at.y * 4u + part] = value;
            let col = first_col + at.x + part * 16u;
            let other = base + at.y;
            value = 0.0;
            if (col < COLS && other < DEPTH) {
                value = right[other * COLS + col];
            }
            cols_of[at.y * 64u + at.x + part * 16u] = value;
        }
        workgroupBarrier();
        for (var d = 0u; d < TILE; d++) {
            let c = d * 64u + at.x;
            let b = vec4<f32>(cols_of[c], cols_of[c + 16u], cols_of[c + 32u], cols_of[c + 48u]);
            for (var r = 0u; r < 4u; r++) {
                sums[r] = fma(vec4<f32>(rows_of[d * 64u + at.y * 4u + r]), b, sums[r]);
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let row = first_row + at.y * 4u + r;
        for (var part = 0u; part < 4u; part++) {
            let col = first_col + at.x + part * 16u;
            if (row < rows && col < COLS) {
                out[row * COLS + col] = sums[r][part];
            }
        }
    }
}
