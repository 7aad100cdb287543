// The slices of outer.cu, summed in their order, to the layer's place in the flat gradient: PyTorch's tensors, one after
// the other.
//
// Compiled in: LEFT, INPUTS, UNITS as in outer.cu; BIASES (2: both biases of a layer have this gradient; 1: a head has one),
// GATES (4: row 4 u + g of the slices is gate g of unit u, row g LEFT / 4 + u of PyTorch's; 1: rows are PyTorch's).

#define WIDTH (INPUTS + UNITS + 1)

extern "C" __global__ void __launch_bounds__(256) gather(
    const float *__restrict__ partial,  // [models][slices][LEFT][WIDTH]
    float *__restrict__ gradient,       // [models][parameters], from this layer's first on
    const long long parameters,
    const int slices) {
    const int index = blockIdx.x * 256 + threadIdx.x;
    if (index >= LEFT * WIDTH) return;
    const int row = index / WIDTH, column = index % WIDTH;
    const int from = row % (LEFT / GATES) * GATES + row / (LEFT / GATES);
    partial += (long long)blockIdx.y * slices * LEFT * WIDTH + (long long)from * WIDTH + column;
    gradient += blockIdx.y * parameters;
    float sum = 0.0f;
    for (int slice = 0; slice < slices; slice++) {
        sum += partial[(long long)slice * LEFT * WIDTH];
    }
    if (column < INPUTS) {
        gradient[(long long)row * INPUTS + column] = sum;
    } else if (column < INPUTS + UNITS) {
        gradient[(long long)LEFT * INPUTS + (long long)row * UNITS + column - INPUTS] = sum;
    } else {
        for (int bias = 0; bias < BIASES; bias++) {
            gradient[(long long)LEFT * (INPUTS + UNITS + bias) + row] = sum;
        }
    }
}
