// A layer's weights from the flat vector, in PyTorch's order, to the fragments that tensor cores take: those of lstm_layer_half.cu, of
// lstm_backward_half.cu, and the bias. A thread writes one number; what is padding is zero.
//
// Compiled in: INPUTS (not padded), UNITS, BELOW, BF16.

#include "mma.cuh"

#define GROUPS ((UNITS + 7) / 8)
#define TILES_X (((INPUTS + 7) / 8 * 8 + 15) / 16)
#define TILES ((GROUPS * 8 + 15) / 16 + TILES_X)
#define TILES_OUT ((UNITS + 15) / 16)
#define TILES_IN ((4 * UNITS + 15) / 16)
#define FORWARD (GROUPS * TILES * 512)
#define BACK ((1 + BELOW) * TILES_OUT * TILES_IN * 256)
#define BIAS (GROUPS * 32)

extern "C" __global__ void __launch_bounds__(256) pack_half(
    const float *__restrict__ weights,  // [models][parameters], from this layer's first on
    const long long parameters,
    half_bits *__restrict__ forward,    // [models][FORWARD]
    half_bits *__restrict__ back,       // [models][BACK]
    float *__restrict__ bias) {         // [models][BIAS]
    const int index = blockIdx.x * 256 + threadIdx.x;
    const long long model = blockIdx.y;
    weights += model * parameters;
    const float *const weight_h = weights + (long long)4 * UNITS * INPUTS;
    if (index < FORWARD) {
        const int lane = index / 8 % 32, word = index / 2 % 4, pair = index / 256 % 2;
        const int tile = index / 512 % TILES, group = index / 512 / TILES;
        const int depth = 16 * tile + lane % 4 * 2 + word / 2 * 8 + index % 2;
        const int unit = 8 * group + lane / 4, row = (2 * pair + word % 2) * UNITS + unit, k = depth - 16 * TILES_X;
        float weight = 0.0f;
        if (unit < UNITS && k < 0 && depth < INPUTS) {
            weight = weights[(long long)row * INPUTS + depth];
        } else if (unit < UNITS && k >= 0 && k < UNITS) {
            weight = weight_h[(long long)row * UNITS + k];
        }
        forward[model * FORWARD + index] = narrow(weight);
    } else if (index < FORWARD + BACK) {
        const int at = index - FORWARD;
        const int lane = at / 8 % 32, word = at / 2 % 4, in = at / 256 % TILES_IN, rest = at / 256 / TILES_IN;
        const int out = rest % TILES_OUT * 16 + lane / 4 + word % 2 * 8;
        const int from = in * 16 + lane % 4 * 2 + word / 2 * 8 + at % 2, row = from % 4 * UNITS + from / 4;
        float weight = 0.0f;
        if (out < UNITS && from < 4 * UNITS) {
            weight = rest / TILES_OUT ? weights[(long long)row * INPUTS + out] : weight_h[(long long)row * UNITS + out];
        }
        back[model * BACK + at] = narrow(weight);
    } else if (index < FORWARD + BACK + BIAS) {
        const int at = index - FORWARD - BACK, unit = at / 4, row = at % 4 * UNITS + unit;
        const float *const biases = weights + (long long)4 * UNITS * (INPUTS + UNITS);
        bias[model * BIAS + at] = unit < UNITS ? biases[row] + biases[4 * UNITS + row] : 0.0f;
    }
}
