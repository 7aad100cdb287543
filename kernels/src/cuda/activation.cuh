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
