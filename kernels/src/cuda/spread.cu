// The gradient by the last hidden state: d_logits [rows][OUTPUTS] times the head's matrix [OUTPUTS][UNITS].
//
// Compiled in: UNITS, OUTPUTS.

extern "C" __global__ void __launch_bounds__(256) spread(
    const float *__restrict__ d_logits,  // [models][rows][OUTPUTS]
    const float *__restrict__ weight,    // [models][OUTPUTS][UNITS]
    const long long weight_stride,       // from model to model
    float *__restrict__ d_last,          // [models][rows][UNITS]
    const int rows) {
    const long long cell = (long long)blockIdx.x * 256 + threadIdx.x;
    if (cell >= (long long)rows * UNITS) return;
    const float *const d = d_logits + ((long long)blockIdx.y * rows + cell / UNITS) * OUTPUTS;
    const float *const w = weight + blockIdx.y * weight_stride + cell % UNITS;
    float sum = 0.0f;
    for (int output = 0; output < OUTPUTS; output++) {
        sum = fmaf(d[output], w[(long long)output * UNITS], sum);
    }
    d_last[(long long)blockIdx.y * rows * UNITS + cell] = sum;
}
