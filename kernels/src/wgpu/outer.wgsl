// A weight's gradient: the sum over all rows of outer products, in parts that workgroups make side by side and `total.wgsl` adds
// up in their order, so that the bits do not depend on who is done first.
//
//     out[part][j][d] = sum_{m in part} left[m][j] right[m][d]        and for the bias, where there is one, left[m][LEFT] = 1
//
// Compiled in: LEFT and COLS (values of a row), SHIFT (`left` is one step behind, and zero before the first), BIAS.

struct Part {
    // Rows in all, and those of one step.
    items: u32,
    step_rows: u32,
    // Rows of a part.
    part: u32,
    parts: u32,
}

@group(0) @binding(0) var<uniform> place: Part;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const TILE: u32 = 16u;
// [m][j] and [m][d].
var<workgroup> lefts: array<f32, 1024>;
var<workgroup> rights: array<f32, 1024>;

fn left_at(m: u32, j: u32) -> f32 {
    if (j == LEFT) {
        return 1.0;
    }
    if (SHIFT) {
        if (m < place.step_rows) {
            return 0.0;
        }
        return left[(m - place.step_rows) * LEFT + j];
    }
    return left[m * LEFT + j];
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
    let all = select(LEFT, LEFT + 1u, BIAS);
    let first_j = tile.y * 64u;
    let first_d = tile.x * 64u;
    let start = tile.z * place.part;
    let end = min(start + place.part, place.items);
    var sums: array<vec4<f32>, 4>;
    for (var base = start; base < end; base += TILE) {
        for (var part = 0u; part < 4u; part++) {
            let m = base + at.y;
            let place_of = at.y * 64u + at.x + part * 16u;
            let j = first_j + at.x + part * 16u;
            let d = first_d + at.x + part * 16u;
            var l = 0.0;
            var r = 0.0;
            if (m < end) {
                if (j < all) {
                    l = left_at(m, j);
                }
                if (d < COLS) {
                    r = right[m * COLS + d];
                }
            }
            lefts[place_of] = l;
            rights[place_of] = r;
        }
        workgroupBarrier();
        for (var m = 0u; m < TILE; m++) {
            let c = m * 64u + at.x;
            let b = vec4<f32>(rights[c], rights[c + 16u], rights[c + 32u], rights[c + 48u]);
            for (var r = 0u; r < 4u; r++) {
                sums[r] = fma(vec4<f32>(lefts[m * 64u + at.y * 4u + r]), b, sums[r]);
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let j = first_j + at.y * 4u + r;
        for (var part = 0u; part < 4u; part++) {
            let d = first_d + at.x + part * 16u;
            if (j < all && d < COLS) {
                out[(tile.z * all + j) * COLS + d] = sums[r][part];
            }
        }
    }
}
