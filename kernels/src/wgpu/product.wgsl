// Rows times a packed matrix: the input projection of all steps of a chunk at once, and where a layer is too wide for
// `recurrence.wgsl`, the recurrent product of one step.
//
//     out[m][unit] = start + sum_k left[m][k] right[k][unit]        the four gates of a unit are one vec4
//
// A workgroup of 16 x 16 makes a tile of 64 rows by 32 units, each invocation four rows of two units: 32 sums in
// registers, fed by three vec4 of workgroup memory. Compiled in: DEPTH, UNITS, ADD (start from what `out` holds instead of
// the bias), PER_STEP (rows are those of one step, at `place.step`) and the type Weight.

@group(0) @binding(0) var<uniform> place: Place;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<vec4<Weight>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

const TILE: u32 = 16u;
// [k][row / 4], a vec4 of rows, and [k][unit].
var<workgroup> rows_of: array<vec4<f32>, 256>;
var<workgroup> units_of: array<vec4<f32>, 512>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
    let thread = at.y * 16u + at.x;
    let first_row = tile.y * 64u;
    let first_unit = tile.x * 32u;
    let rows = select(place.rows * place.steps, place.rows, PER_STEP);
    let offset = select(0u, place.step * place.rows, PER_STEP);

    var sums: array<array<vec4<f32>, 2>, 4>;
    for (var r = 0u; r < 4u; r++) {
        for (var u = 0u; u < 2u; u++) {
            let row = first_row + at.y * 4u + r;
            let unit = first_unit + at.x + u * 16u;
            if (row < rows && unit < UNITS) {
                if (ADD) {
                    sums[r][u] = out[(offset + row) * UNITS + unit];
                } else {
                    sums[r][u] = bias[unit];
                }
            }
        }
    }
    for (var base = 0u; base < DEPTH; base += TILE) {
        // Neighbouring invocations read neighbouring values of a row.
        let k = base + at.x;
        var four = vec4<f32>();
        for (var r = 0u; r < 4u; r++) {
            let row = first_row + at.y * 4u + r;
            if (row < rows && k < DEPTH) {
                four[r] = left[row * DEPTH + k];
            }
        }
        rows_of[at.x * 16u + at.y] = four;
        for (var half = 0u; half < 2u; half++) {
            let index = thread + half * 256u;
            let depth = base + index / 32u;
            let unit = first_unit + index % 32u;
            var weight = vec4<f32>();
            if (depth < DEPTH && unit < UNITS) {
                weight = vec4<f32>(right[depth * UNITS + unit]);
            }
            units_of[index] = weight;
        }
        workgroupBarrier();
        for (var step = 0u; step < TILE; step++) {
            let x = rows_of[step * 16u + at.y];
            let a = units_of[step * 32u + at.x];
            let b = units_of[step * 32u + at.x + 16u];
            for (var r = 0u; r < 4u; r++) {
                sums[r][0] = fma(vec4<f32>(x[r]), a, sums[r][0]);
                sums[r][1] = fma(vec4<f32>(x[r]), b, sums[r][1]);
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        for (var u = 0u; u < 2u; u++) {
            let row = first_row + at.y * 4u + r;
            let unit = first_unit + at.x + u * 16u;
            if (row < rows && unit < UNITS) {
                out[(offset + row) * UNITS + unit] = sums[r][u];
            }
        }
    }
}
