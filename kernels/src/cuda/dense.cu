// The dense head on the last hidden state: a warp for each output of each window, the sum along its lanes. The head's
// function is applied on the host, to the few values that come back. The grid's second side are models of one shape.
//
// Compiled in: UNITS, OUTPUTS.

extern "C" __global__ void __launch_bounds__(256) dense(
    const float *__restrict__ state_h,  // [rows][UNITS]
    const float *__restrict__ weight,   // [OUTPUTS][UNITS]
    const float *__restrict__ bias,     // [OUTPUTS]
    float *__restrict__ out,            // [models][rows][OUTPUTS]
    const int rows,
    const long long state_stride,       // from model to model, as the next
    const long long weight_stride) {
    state_h += blockIdx.y * state_stride;
    weight += blockIdx.y * weight_stride;
    bias += blockIdx.y * weight_stride;
    out += (long long)blockIdx.y * rows * OUTPUTS;
    const int lane = threadIdx.x % 32;
    const long warp = (long)blockIdx.x * 8 + threadIdx.x / 32;
    const long cells = (long)rows * OUTPUTS;
    if (warp >= cells) return;
    const float *const h = state_h + warp / OUTPUTS * UNITS;
    const float *const w = weight + warp % OUTPUTS * UNITS;
    float sum = 0.0f;
    for (int k = lane; k < UNITS; k += 32) {
        sum = fmaf(h[k], w[k], sum);
    }
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, distance);
    }
    if (lane == 0) {
        out[warp] = sum + bias[warp % OUTPUTS];
    }
}
