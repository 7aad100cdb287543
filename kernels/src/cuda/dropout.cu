// Dropout between layers, as lstm/train/dropout.rs has it: which values stay is a hash of seed, step and place, so that device
// and processor drop the same. The way back multiplies the gradient by the same factors, made anew.
//
// Compiled in: UNITS.

__device__ __forceinline__ unsigned long long mix(unsigned long long z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

extern "C" __global__ void __launch_bounds__(256) dropout(
    const float *from,                             // [models][steps][rows][UNITS], from model to model:
    const long long stride,
    float *to,                                     // [models][steps][rows][UNITS], may be `from`
    const unsigned long long *__restrict__ keys,   // [models]: of seed and step
    const float rate,
    const int layer,
    const int rows,
    const int steps) {
    const unsigned long long gamma = 0x9e3779b97f4a7c15ull;
    const long long cells = (long long)steps * rows * UNITS, cell = (long long)blockIdx.x * 256 + threadIdx.x;
    if (cell >= cells) return;
    const long long step = cell / ((long long)rows * UNITS), row = cell / UNITS % rows;
    const unsigned long long place = (((unsigned long long)layer * rows + row) * steps + step) * UNITS + cell % UNITS;
    const unsigned long long bits = mix(mix(keys[blockIdx.y] + gamma) + place * gamma);
    const float unit = (float)(bits >> 40) * (1.0f / 16777216.0f);
    const float factor = unit < rate ? 0.0f : 1.0f / (1.0f - rate);
    to[blockIdx.y * cells + cell] = factor * from[blockIdx.y * stride + cell];
}
