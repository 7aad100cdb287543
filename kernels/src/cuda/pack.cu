// A layer's weights from the flat vector, in PyTorch's order, to the layouts of the way forward and of the way back.
//
// Compiled in: INPUTS, UNITS, BELOW (1: the gradient by the inputs is wanted, so their matrix is turned as well).

#define LEFT (4 * UNITS)
#define WIDTH (INPUTS + UNITS + 1)

extern "C" __global__ void __launch_bounds__(256) pack(
    const float *__restrict__ weights,  // [models][parameters], from this layer's first on
    const long long parameters,
    float *__restrict__ weight_x,       // [models][INPUTS][UNITS][4]
    float *__restrict__ weight_h,       // [models][UNITS][UNITS][4]
    float *__restrict__ bias,           // [models][UNITS][4]
    float *__restrict__ back_h,         // [models][UNITS: of the gates][UNITS][4]
    float *__restrict__ back_x) {       // [models][UNITS: of the gates][INPUTS][4], not written without BELOW
    const int index = blockIdx.x * 256 + threadIdx.x;
    if (index >= LEFT * WIDTH) return;
    const long long model = blockIdx.y;
    weights += model * parameters;
    const int row = index / WIDTH, column = index % WIDTH;
    const int gate = row / UNITS, unit = row % UNITS;
    if (column < INPUTS) {
        const float weight = weights[(long long)row * INPUTS + column];
        weight_x[((model * INPUTS + column) * UNITS + unit) * 4 + gate] = weight;
#if BELOW
        back_x[((model * UNITS + unit) * INPUTS + column) * 4 + gate] = weight;
#endif
    } else if (column < INPUTS + UNITS) {
        const int from = column - INPUTS;
        const float weight = weights[(long long)LEFT * INPUTS + (long long)row * UNITS + from];
        weight_h[((model * UNITS + from) * UNITS + unit) * 4 + gate] = weight;
        back_h[((model * UNITS + unit) * UNITS + from) * 4 + gate] = weight;
    } else {
        const float *const biases = weights + (long long)LEFT * (INPUTS + UNITS);
        bias[(model * UNITS + unit) * 4 + gate] = biases[row] + biases[LEFT + row];
    }
}
