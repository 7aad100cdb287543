// What the kernels of a layer in f32 share: the product of a thread's unit with its windows.

// sums[own units][own windows] += weight[depth][UNITS] values[depth][COLUMNS], all four gates of a unit at once. The windows'
// values of one depth come in runs of 16 bytes, which neighbouring threads share.
__device__ __forceinline__ void add_product(
    float4 (&sums)[LANE_UNITS][ROWS], const float4 *const weight, const float *const values, const int depth, const int lane,
    const int own) {
#pragma unroll 4
    for (int k = 0; k < depth; k++) {
        float value[ROWS];
#pragma unroll
        for (int row = 0; row < ROWS; row += 4) {
            const float4 four = *(const float4 *)(values + k * COLUMNS + own + row);
            value[row] = four.x;
            value[row + 1] = four.y;
            value[row + 2] = four.z;
            value[row + 3] = four.w;
        }
#pragma unroll
        for (int part = 0; part < LANE_UNITS; part++) {
            const float4 w = weight[k * UNITS + min(lane + part * LANES, UNITS - 1)];
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                sums[part][row].x = fmaf(w.x, value[row], sums[part][row].x);
                sums[part][row].y = fmaf(w.y, value[row], sums[part][row].y);
                sums[part][row].z = fmaf(w.z, value[row], sums[part][row].z);
                sums[part][row].w = fmaf(w.w, value[row], sums[part][row].w);
            }
        }
    }
}

// Starts each sum with the bias.
__device__ __forceinline__ void start_sums(float4 (&sums)[LANE_UNITS][ROWS], const float4 *const bias, const int lane) {
#pragma unroll
    for (int part = 0; part < LANE_UNITS; part++) {
        const float4 start = bias[min(lane + part * LANES, UNITS - 1)];
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            sums[part][row] = start;
        }
    }
}
