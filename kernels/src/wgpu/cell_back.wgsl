// The elementwise half of one step on the way back: from the gradient by the hidden state to that by the pre-activations, which
// takes the place of the gates. Formulas: `cell` in op/network/backward.rs.
// Compiled in: UNITS, and TOP (what comes from above is there for the last step only).

@group(0) @binding(0) var<uniform> place: Place;
// [steps][rows][UNITS]: gates in, gradients by the pre-activations out.
@group(0) @binding(1) var<storage, read_write> gates: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> cells: array<f32>;
// [steps][rows][UNITS], or [rows][UNITS] for TOP.
@group(0) @binding(3) var<storage, read> above: array<f32>;
// [rows][UNITS]: from the step after this one.
@group(0) @binding(4) var<storage, read> from_after: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_c: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let width = place.rows * UNITS;
    let last = place.step + 1u == place.steps;
    for (var index = at.x; index < width; index += groups.x * 256u) {
        let here = place.step * width + index;
        var d_h = 0.0;
        var d_after = 0.0;
        if (!last) {
            d_h = from_after[index];
            d_after = d_c[index];
        }
        if (TOP) {
            if (last) {
                d_h += above[index];
            }
        } else {
            d_h += above[here];
        }
        var before = 0.0;
        if (place.step > 0u) {
            before = cells[here - width];
        }
        let gate = gates[here];
        let t = tangent(cells[here]);
        let dc = fma(d_h * gate.w, fma(-t, t, 1.0), d_after);
        gates[here] = vec4<f32>(
            dc * gate.z * gate.x * (1.0 - gate.x),
            dc * before * gate.y * (1.0 - gate.y),
            dc * gate.x * fma(-gate.z, gate.z, 1.0),
            d_h * t * gate.w * (1.0 - gate.w),
        );
        d_c[index] = dc * gate.y;
    }
}
