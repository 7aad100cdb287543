// Sigmoid and tangent by the formulas of op/activation.rs, in the accurate class.

// (2^n, e^r - 1) with e^y = 2^n e^r, for |y| <= 87.
__device__ __forceinline__ void powers(const float y, float &power, float &m) {
    const float rounded = fmaf(y, 1.44269502f, 12582912.0f);
    const float r = fmaf(rounded - 12582912.0f, -0.69314718f, y);
    const float q = fmaf(fmaf(fmaf(fmaf(0.001388251f, r, 0.00836658f), r, 0.0416672f), r, 0.16666543f), r, 0.49999997f);
    m = fmaf(r * r, q, r);
    power = __int_as_float((__float_as_int(rounded) << 23) + 0x3f800000);
}

// 1 + e^-x, whose inverse is the sigmoid; held where three of them multiply without overflow.
__device__ __forceinline__ float denominator(const float x) {
    float power, m;
    powers(fmaxf(-30.0f, fminf(30.0f, -x)), power, m);
    return 1.0f + fmaf(power, m, power);
}

// Numerator and denominator of the tangent.
__device__ __forceinline__ void fraction(const float x, float &m, float &b) {
    float power;
    powers(fminf(20.0f, 2.0f * fabsf(x)), power, m);
    m = copysignf(fmaf(power, m, power - 1.0f), x);
    b = fabsf(m) + 2.0f;
}

// Pre-activations and the state before to the hidden state; `c` becomes the state after. Two divisions, as on the processor.
__device__ __forceinline__ float cell(const float i, const float f, const float g, const float o, float &c) {
    const float a_i = denominator(i), a_f = denominator(f), a_o = denominator(o);
    float m, b;
    fraction(g, m, b);
    const float q = a_i * b;
    const float r = 1.0f / (q * a_f);
    c = fmaf(r * q, c, r * (m * a_f));
    float m_c, b_c;
    fraction(c, m_c, b_c);
    return 1.0f / (a_o * b_c) * m_c;
}

// The four gates by themselves, for the way back.
__device__ __forceinline__ float4 activate(const float i, const float f, const float g, const float o) {
    float m, b;
    fraction(g, m, b);
    const float4 gate = {1.0f / denominator(i), 1.0f / denominator(f), m / b, 1.0f / denominator(o)};
    return gate;
}

// Closes a cell from its gates: the hidden state; `c` becomes the state after.
__device__ __forceinline__ float close(const float4 gate, float &c) {
    float m, b;
    c = fmaf(gate.y, c, gate.x * gate.z);
    fraction(c, m, b);
    return gate.w * (m / b);
}

// The gradient by the pre-activations from that by the hidden state; `d_c` goes from this step's to the one before.
__device__ __forceinline__ float4 close_back(
    const float4 gate, const float before, const float after, const float d_h, float &d_c) {
    float m, b;
    fraction(after, m, b);
    const float tanh_c = m / b, d_cell = d_c + d_h * gate.w * (1.0f - tanh_c * tanh_c);
    d_c = d_cell * gate.y;
    const float4 d_z = {
        d_cell * gate.z * gate.x * (1.0f - gate.x), d_cell * before * gate.y * (1.0f - gate.y),
        d_cell * gate.x * (1.0f - gate.z * gate.z), d_h * tanh_c * gate.w * (1.0f - gate.w)};
    return d_z;
}
