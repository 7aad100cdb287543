// The elementwise half of one step in training: what `lstm_cell.wgsl` does, and it keeps what the way back needs, the gates after
// their functions in the place of the pre-activations, and the cell state of every step.
// Compiled in: UNITS.

@group(0) @binding(0) var<uniform> place: Place;
// [steps][rows][UNITS]
@group(0) @binding(1) var<storage, read_write> gates: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> cells: array<f32>;
// [rows][UNITS]
@group(0) @binding(3) var<storage, read_write> state_h: array<f32>;
// [steps][rows][UNITS]
@group(0) @binding(4) var<storage, read_write> sequence: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let width = place.rows * UNITS;
    for (var index = at.x; index < width; index += groups.x * 256u) {
        let here = place.step * width + index;
        var before = 0.0;
        if (place.step > 0u) {
            before = cells[here - width];
        }
        let z = gates[here];
        let gate = vec4<f32>(sigmoid(z.x), sigmoid(z.y), tangent(z.z), sigmoid(z.w));
        let c = fma(gate.y, before, gate.x * gate.z);
        let h = gate.w * tangent(c);
        gates[here] = gate;
        cells[here] = c;
        state_h[index] = h;
        sequence[here] = h;
    }
}
