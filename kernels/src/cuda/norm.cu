// Sums of squares of the flat gradient in f64: BLOCKS of them for each model, each over one run of elements in a fixed order.
//
// Compiled in: BLOCKS.

extern "C" __global__ void __launch_bounds__(256) norm(
    const float *__restrict__ gradient,  // [models][parameters]
    const long long parameters,
    double *__restrict__ norms) {        // [models][BLOCKS]
    __shared__ double sums[256];
    const long long run = (parameters + BLOCKS - 1) / BLOCKS;
    const long long begin = blockIdx.x * run, end = begin + run < parameters ? begin + run : parameters;
    gradient += blockIdx.y * parameters;
    double sum = 0.0;
    for (long long index = begin + threadIdx.x; index < end; index += 256) {
        const double value = gradient[index];
        sum += value * value;
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            sums[threadIdx.x] += sums[threadIdx.x + half];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        norms[blockIdx.y * BLOCKS + blockIdx.x] = sums[0];
    }
}
