// The loss of a batch and its gradient by the logits, as op/loss.rs has them: a block for each model, a thread for each row at
// a time. Rows are summed in f64 in a fixed order.
//
// Compiled in: OUTPUTS, HEAD (0 linear, 1 sigmoid, 2 softmax), LOSS (0 squared, 1 absolute, 2 Huber, 3 binary cross-entropy,
// 4 cross-entropy).

// The largest of a row, and the sum of the exponentials of what lies below it.
__device__ __forceinline__ void exponentials(const float *const z, float &top, float &sum) {
    top = __int_as_float(0xff800000);
    for (int k = 0; k < OUTPUTS; k++) {
        top = fmaxf(top, z[k]);
    }
    sum = 0.0f;
    for (int k = 0; k < OUTPUTS; k++) {
        sum += expf(z[k] - top);
    }
}

__device__ __forceinline__ float activated(const float z, const float top, const float sum) {
#if HEAD == 0
    return z;
#elif HEAD == 1
    return 1.0f / (1.0f + expf(-z));
#else
    return expf(z - top) / sum;
#endif
}

__device__ __forceinline__ float sign(const float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

extern "C" __global__ void __launch_bounds__(256) loss(
    const float *__restrict__ logits,   // [models][rows][OUTPUTS]
    const float *__restrict__ target,   // [rows][OUTPUTS]
    float *__restrict__ d_logits,       // [models][rows][OUTPUTS]
    double *__restrict__ report,        // [models][2]: the sum over the rows here, then what descent.cu reports
    int *__restrict__ bad,              // [models]: no weight yet
    const float scale,
    const float delta,
    const int rows) {
    __shared__ double sums[256];
    logits += (long long)blockIdx.x * rows * OUTPUTS;
    d_logits += (long long)blockIdx.x * rows * OUTPUTS;
    double all = 0.0;
    for (int row = threadIdx.x; row < rows; row += 256) {
        const float *const z = logits + (long long)row * OUTPUTS;
        const float *const wanted = target + (long long)row * OUTPUTS;
        float *const gradient = d_logits + (long long)row * OUTPUTS;
        float top = 0.0f, sum = 1.0f, own = 0.0f;
#if HEAD == 2
        exponentials(z, top, sum);
#endif
#if LOSS == 4
        const float log_sum = top + logf(sum);
        float mass = 0.0f;
        for (int k = 0; k < OUTPUTS; k++) {
            mass += wanted[k];
        }
#endif
        float mean = 0.0f;
        for (int k = 0; k < OUTPUTS; k++) {
            const float p = activated(z[k], top, sum), y = wanted[k];
            const float d = p - y;
#if LOSS == 0
            own += d * d;
            float g = scale * 2.0f * d;
#elif LOSS == 1
            own += fabsf(d);
            float g = scale * sign(d);
#elif LOSS == 2
            const bool inside = fabsf(d) <= delta;
            own += inside ? 0.5f * d * d : delta * (fabsf(d) - 0.5f * delta);
            float g = scale * (inside ? d : delta * sign(d));
#elif LOSS == 3
            own += log1pf(expf(-fabsf(z[k]))) + fmaxf(z[k], 0.0f) - z[k] * y;
            float g = scale * d;
#else
            own += y * (log_sum - z[k]);
            float g = scale * (p * mass - y);
#endif
#if LOSS < 3 && HEAD == 1
            g = g * p * (1.0f - p);
#endif
            mean += p * g;
            gradient[k] = g;
        }
#if LOSS < 3 && HEAD == 2
        for (int k = 0; k < OUTPUTS; k++) {
            gradient[k] = activated(z[k], top, sum) * (gradient[k] - mean);
        }
#endif
        all += (double)own;
    }
    sums[threadIdx.x] = all;
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            sums[threadIdx.x] += sums[threadIdx.x + half];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        report[2 * blockIdx.x] = sums[0];
        bad[blockIdx.x] = 0x7fffffff;
    }
}
