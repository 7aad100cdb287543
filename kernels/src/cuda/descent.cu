// A step of the optimiser, as lstm/train/{descent,adam,sgd}.rs have it: the same operations in the same order, none fused, so
// that equal gradients give equal bits.
//
// It runs twice: first without APPLY, when it writes nothing but the norm and the first weight that would not be finite; then
// with APPLY, when it does nothing for a model of which something would not be. So a step is whole or not taken at all.
//
// Compiled in: RULE (0 Adam, 1 Adam with decoupled decay, 2 descent, 3 descent with momentum), BLOCKS (of norm.cu), APPLY.

#define NUMBERS 12
#define FINITE(x) (fabsf(x) <= 3.402823466e38f)

extern "C" __global__ void __launch_bounds__(256) descent(
    float *__restrict__ weights,          // [models][parameters]
    const float *__restrict__ gradient,   // [models][parameters]
    float *__restrict__ first,            // the optimiser's memory, [models][parameters]
    float *__restrict__ second,           // the same, of Adam alone
    const long long parameters,
    const double *__restrict__ norms,     // [models][BLOCKS]
    const float *__restrict__ numbers,    // [models][NUMBERS]: clip (0 for none), decay, then those of the rule
    double *__restrict__ report,          // [models][2], the second: the gradient's norm
    int *__restrict__ bad) {              // [models]: the first weight that would not be finite
    __shared__ float shared_scale;
    __shared__ int stop;
    const int model = blockIdx.y;
    const float *const number = numbers + model * NUMBERS;
    if (threadIdx.x == 0) {
        double sum = 0.0;
        for (int block = 0; block < BLOCKS; block++) {
            sum += norms[model * BLOCKS + block];
        }
        const double norm = sqrt(sum);
        const double scale = (double)number[0] / (norm + 1e-6);
        shared_scale = number[0] > 0.0f && scale < 1.0 ? (float)scale : 1.0f;
        // Beyond it Adam's square of an element would overflow.
        stop = !(norm < 1.8e19) || (APPLY && bad[model] != 0x7fffffff);
        if (!APPLY && blockIdx.x == 0) {
            report[2 * model + 1] = norm;
        }
    }
    __syncthreads();
    const long long index = (long long)blockIdx.x * 256 + threadIdx.x;
    if (stop || index >= parameters) return;
    const long long place = model * parameters + index;
    const float decay = number[1], w = weights[place];
    float g = gradient[place] * shared_scale;
#if RULE < 2
    const float b1 = number[2], a1 = number[3], b2 = number[4], a2 = number[5], epsilon = number[6];
    const float keep = number[7], size = number[8], root = number[9];
#if RULE == 0
    g = decay == 0.0f ? g : g + decay * w;
#endif
    const float m = b1 * first[place] + a1 * g;
    const float v = b2 * second[place] + a2 * g * g;
    const float next = keep * w - size * (m / (sqrtf(v) / root + epsilon));
    const bool fine = FINITE(next) && FINITE(m) && FINITE(v);
#else
    const float momentum = number[2], fresh = number[3], rate = number[4];
    g = g + decay * w;
#if RULE == 3
    const float m = number[5] != 0.0f ? g : momentum * first[place] + fresh * g;
    const float next = w - rate * (number[6] != 0.0f ? g + momentum * m : m);
    const bool fine = FINITE(next) && FINITE(m);
#else
    const float next = w - rate * g;
    const bool fine = FINITE(next);
#endif
#endif
#if APPLY
    weights[place] = next;
#if RULE != 2
    first[place] = m;
#endif
#if RULE < 2
    second[place] = v;
#endif
#else
    if (!fine) {
        atomicMin(bad + model, (int)index);
    }
#endif
}
