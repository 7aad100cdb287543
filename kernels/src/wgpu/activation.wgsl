// Sigmoid and tangent by the formulas of op/activation.rs. WGSL's own `tanh` may be off by much more than a unit in the
// last place and may overflow far from zero; these give the same values on every driver, up to its division.

const LOG2_E: f32 = 1.44269502;
const LN_2: f32 = 0.69314718;

// (2^n, e^r - 1) with e^y = 2^n e^r, for |y| <= 87.
fn powers(y: f32) -> vec2<f32> {
    let n = round(y * LOG2_E);
    let r = fma(n, -LN_2, y);
    let q = fma(fma(fma(fma(0.001388251, r, 0.00836658), r, 0.0416672), r, 0.16666543), r, 0.49999997);
    return vec2<f32>(bitcast<f32>((i32(n) + 127) << 23u), fma(r * r, q, r));
}

fn sigmoid(x: f32) -> f32 {
    let p = powers(clamp(-x, -87.0, 87.0));
    return 1.0 / (1.0 + fma(p.x, p.y, p.x));
}

fn tangent(x: f32) -> f32 {
    let p = powers(min(20.0, 2.0 * abs(x)));
    let m = fma(p.x, p.y, p.x - 1.0);
    return sign(x) * (m / (m + 2.0));
}

// The cell: pre-activations in gate order i, f, g, o and the state before it to (hidden state, cell state).
fn cell(z: vec4<f32>, c: f32) -> vec2<f32> {
    let after = fma(sigmoid(z.y), c, sigmoid(z.x) * tangent(z.z));
    return vec2<f32>(sigmoid(z.w) * tangent(after), after);
}
