// The elementwise half of one step, for layers that `recurrence.wgsl` cannot hold: the pre-activations are complete.
// Compiled in: UNITS.

@group(0) @binding(0) var<uniform> place: Place;
@group(0) @binding(1) var<storage, read> gates: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> state_h: array<f32>;
@group(0) @binding(3) var<storage, read_write> state_c: array<f32>;
@group(0) @binding(4) var<storage, read_write> sequence: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let cells = place.rows * UNITS;
    for (var index = at.x; index < cells; index += groups.x * 256u) {
        let after = cell(gates[place.step * cells + index], state_c[index]);
        state_c[index] = after.y;
        state_h[index] = after.x;
        sequence[place.step * cells + index] = after.x;
    }
}
