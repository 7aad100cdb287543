// The dense head on the last hidden state; its function is applied on the host, to the few values that come back.
// Compiled in: UNITS, OUTPUTS.

@group(0) @binding(0) var<uniform> place: Place;
@group(0) @binding(1) var<storage, read> state_h: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var index = at.x; index < place.rows * OUTPUTS; index += groups.x * 64u) {
        let row = index / OUTPUTS;
        let output = index % OUTPUTS;
        var sum = bias[output];
        for (var k = 0u; k < UNITS; k++) {
            sum = fma(state_h[row * UNITS + k], weight[output * UNITS + k], sum);
        }
        out[(place.row + row) * OUTPUTS + output] = sum;
    }
}
