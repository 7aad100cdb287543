// One layer through all steps of a chunk without leaving the kernel: a workgroup owns ROWS * GROUPS windows, whose hidden
// states lie in workgroup memory and whose cell states lie in registers.
//
// An invocation owns LANE_UNITS units of ROWS windows: of every weight that it reads (the four gates of a unit are one
// vec4) it makes ROWS cells' worth of sums. Where the whole recurrent matrix fits into workgroup memory (RESIDENT) it is
// read once for all steps; else neighbouring invocations read it side by side, step after step, from the caches.
//
// Compiled in: UNITS, LANES (invocations that share a group of rows), LANE_UNITS, ROWS, GROUPS, RESIDENT, RESIDENT_LEN
// and the type Weight.

@group(0) @binding(0) var<uniform> place: Place;
// [steps][rows][UNITS]: what the input gives, bias included.
@group(0) @binding(1) var<storage, read> gates: array<vec4<f32>>;
// [UNITS of h][UNITS]
@group(0) @binding(2) var<storage, read> weight: array<vec4<Weight>>;
// [rows][UNITS], from one chunk to the next.
@group(0) @binding(3) var<storage, read_write> state_h: array<f32>;
@group(0) @binding(4) var<storage, read_write> state_c: array<f32>;
// [steps][rows][UNITS]
@group(0) @binding(5) var<storage, read_write> sequence: array<f32>;

// [UNITS][GROUPS][ROWS]
var<workgroup> hidden: array<f32, UNITS * GROUPS * ROWS>;
var<workgroup> resident: array<vec4<Weight>, RESIDENT_LEN>;

@compute @workgroup_size(LANES, GROUPS)
fn main(@builtin(workgroup_id) block: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
    let first = (block.x * GROUPS + at.y) * ROWS;
    let own = at.y * ROWS;
    var c: array<array<f32, ROWS>, LANE_UNITS>;
    for (var u = 0u; u < LANE_UNITS; u++) {
        let unit = at.x + u * LANES;
        if (unit < UNITS) {
            for (var r = 0u; r < ROWS; r++) {
                if (first + r < place.rows) {
                    c[u][r] = state_c[(first + r) * UNITS + unit];
                    hidden[unit * GROUPS * ROWS + own + r] = state_h[(first + r) * UNITS + unit];
                } else {
                    hidden[unit * GROUPS * ROWS + own + r] = 0.0;
                }
            }
        }
    }
    if (RESIDENT) {
        for (var index = at.y * LANES + at.x; index < UNITS * UNITS; index += LANES * GROUPS) {
            resident[index] = weight[index];
        }
    }
    workgroupBarrier();
    for (var step = 0u; step < place.steps; step++) {
        var sums: array<array<vec4<f32>, ROWS>, LANE_UNITS>;
        for (var u = 0u; u < LANE_UNITS; u++) {
            let unit = at.x + u * LANES;
            for (var r = 0u; r < ROWS; r++) {
                if (unit < UNITS && first + r < place.rows) {
                    sums[u][r] = gates[(step * place.rows + first + r) * UNITS + unit];
                }
            }
        }
        for (var k = 0u; k < UNITS; k++) {
            var h: array<f32, ROWS>;
            for (var r = 0u; r < ROWS; r++) {
                h[r] = hidden[k * GROUPS * ROWS + own + r];
            }
            for (var u = 0u; u < LANE_UNITS; u++) {
                // Past the last unit the read is of another unit's weight, and its sums are not kept.
                let unit = min(at.x + u * LANES, UNITS - 1u);
                var w: vec4<f32>;
                if (RESIDENT) {
                    w = vec4<f32>(resident[k * UNITS + unit]);
                } else {
                    w = vec4<f32>(weight[k * UNITS + unit]);
                }
                for (var r = 0u; r < ROWS; r++) {
                    sums[u][r] = fma(vec4<f32>(h[r]), w, sums[u][r]);
                }
            }
        }
        workgroupBarrier();
        for (var u = 0u; u < LANE_UNITS; u++) {
            let unit = at.x + u * LANES;
            for (var r = 0u; r < ROWS; r++) {
                if (unit < UNITS && first + r < place.rows) {
                    let after = cell(sums[u][r], c[u][r]);
                    c[u][r] = after.y;
                    hidden[unit * GROUPS * ROWS + own + r] = after.x;
                    sequence[(step * place.rows + first + r) * UNITS + unit] = after.x;
                }
            }
        }
        workgroupBarrier();
    }
    for (var u = 0u; u < LANE_UNITS; u++) {
        let unit = at.x + u * LANES;
        for (var r = 0u; r < ROWS; r++) {
            if (unit < UNITS && first + r < place.rows) {
                state_c[(first + r) * UNITS + unit] = c[u][r];
                state_h[(first + r) * UNITS + unit] = hidden[unit * GROUPS * ROWS + own + r];
            }
        }
    }
}
