// Adds up the parts of a gradient in their order, onto what the shards before left, or zeros.
// Compiled in: LEN. `place` is the Part of `outer.wgsl`; w is the number of parts.

@group(0) @binding(0) var<uniform> place: vec4<u32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var index = at.x; index < LEN; index += groups.x * 256u) {
        var value = sum[index];
        for (var part = 0u; part < place.w; part++) {
            value += parts[part * LEN + index];
        }
        sum[index] = value;
    }
}
