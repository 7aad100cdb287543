// Rows of f32, rounded and padded with zeros to whole runs of 16 bytes, as lstm_layer_half.cu reads them.
//
// Compiled in: WIDTH, STORED, BF16.

#include "mma.cuh"

extern "C" __global__ void __launch_bounds__(256) narrow_rows(
    const float *__restrict__ from,   // [models][rows][WIDTH], from model to model:
    const long long stride,
    half_bits *__restrict__ to,       // [models][rows][STORED]
    const int rows) {
    const long long cell = (long long)blockIdx.x * 256 + threadIdx.x;
    if (cell >= (long long)rows * STORED) return;
    const long long row = cell / STORED;
    const int column = cell % STORED;
    const float value = column < WIDTH ? from[blockIdx.y * stride + row * WIDTH + column] : 0.0f;
    to[(long long)blockIdx.y * rows * STORED + cell] = narrow(value);
}
