// One LSTM layer back through time, in f16 or bf16 on tensor cores: gates become the gradient by the pre-activations, in f32 in
// their place; what is multiplied is rounded, sums are f32.
//
// A block owns COLUMNS windows from the last step to the first. A warp takes tiles of 16 units. Per step it closes their cells,
// lays the gradient by the pre-activations in shared memory as [window][unit][gate], and multiplies both transposed matrices
// with it:
//
//     mma.m16n8k16:  16 units x 4 units' gates  times  4 units' gates x 8 windows
//
// The sums of the one product lie in the threads that close those cells in the step before; those of the other go to the layer
// below. The first RESIDENT tiles of the matrices lie in shared memory, the others come from the second-level cache.
//
// Compiled in: UNITS, COLUMNS (a multiple of 8), WARPS, RESIDENT, BELOW, TOP as in lstm_backward_f32.cu, BF16.

#include "mma.cuh"

#define TILES_OUT ((UNITS + 15) / 16)
#define TILES_IN ((4 * UNITS + 15) / 16)
#define WARP_TILES ((TILES_OUT + WARPS - 1) / WARPS)
#define THREADS (WARPS * 32)
#define COLUMN_TILES (COLUMNS / 8)
// A row with eight numbers more, so that eight rows start in different banks.
#define STRIDE (TILES_IN * 16 + 8)
#define FRAGMENTS ((1 + BELOW) * TILES_OUT * TILES_IN)

extern "C" __global__ void __launch_bounds__(THREADS, 1) lstm_backward(
    const uint4 *__restrict__ weights,  // [models][1 + BELOW][TILES_OUT][TILES_IN][32 lanes]
    float4 *__restrict__ gates,         // [models][steps][rows][UNITS]
    const float *__restrict__ all_c,    // [models][steps + 1][rows][UNITS]
    const float *__restrict__ d_above,  // [models][steps][rows][UNITS], or with TOP [models][rows][UNITS]
    float *__restrict__ d_below,        // [models][steps][rows][UNITS], not written without BELOW
    const int rows,
    const int steps,
    const int begin) {
    extern __shared__ uint4 shared_memory[];
    uint4 *const resident = shared_memory;                                   // [RESIDENT][32]
    half_bits *const d_z = (half_bits *)(shared_memory + RESIDENT * 32);     // [COLUMNS][STRIDE]
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int first = blockIdx.x * COLUMNS;
    const int columns = min(COLUMNS, rows - first);
    const long long model = blockIdx.y, states = (long long)rows * UNITS;
    weights += model * FRAGMENTS * 32;
    gates += model * steps * states;
    all_c += model * (steps + 1) * states;
    d_above += model * (TOP ? 1 : steps) * states;
    d_below += model * steps * states;

    for (int index = threadIdx.x; index < RESIDENT * 32; index += THREADS) {
        resident[index] = weights[index];
    }
    // Padding and windows past the end are zero for ever.
    for (int index = threadIdx.x; index < COLUMNS * STRIDE; index += THREADS) {
        d_z[index] = 0;
    }
    float d_h[WARP_TILES][COLUMN_TILES][4], d_c[WARP_TILES][COLUMN_TILES][4];
#pragma unroll
    for (int own = 0; own < WARP_TILES; own++) {
#pragma unroll
        for (int tile = 0; tile < COLUMN_TILES; tile++) {
#pragma unroll
            for (int at = 0; at < 4; at++) {
                d_h[own][tile][at] = d_c[own][tile][at] = 0.0f;
            }
        }
    }
    __syncthreads();
    for (int step = steps - 1; step >= begin; step--) {
#pragma unroll
        for (int own = 0; own < WARP_TILES; own++) {
#pragma unroll
            for (int tile = 0; tile < COLUMN_TILES; tile++) {
#pragma unroll
                for (int at = 0; at < 4; at++) {
                    const int unit = (own * WARPS + warp) * 16 + lane / 4 + at / 2 * 8;
                    const int column = tile * 8 + lane % 4 * 2 + at % 2;
                    if (unit < UNITS && column < columns) {
                        const long long place = ((long long)step * rows + first + column) * UNITS + unit;
                        float d = d_h[own][tile][at];
                        if (!TOP) {
                            d += d_above[place];
                        } else if (step == steps - 1) {
                            d += d_above[(long long)(first + column) * UNITS + unit];
                        }
                        const float4 z = close_back(gates[place], all_c[place], all_c[place + states], d, d_c[own][tile][at]);
                        gates[place] = z;
                        half_bits *const to = d_z + column * STRIDE + unit * 4;
                        to[0] = narrow(z.x);
                        to[1] = narrow(z.y);
                        to[2] = narrow(z.z);
                        to[3] = narrow(z.w);
                    }
                    d_h[own][tile][at] = 0.0f;
                }
            }
        }
        __syncthreads();
        if (BELOW || step > begin) {
#pragma unroll
            for (int own = 0; own < WARP_TILES; own++) {
                const int out = own * WARPS + warp;
                if (out >= TILES_OUT) continue;
                float below[COLUMN_TILES][4] = {};
#pragma unroll 2
                for (int in = 0; in < TILES_IN; in++) {
                    uint4 fragment[2];
#pragma unroll
                    for (int matrix = 0; matrix < 1 + BELOW; matrix++) {
                        const int index = (matrix * TILES_OUT + out) * TILES_IN + in;
                        fragment[matrix] =
                            index < RESIDENT ? resident[index * 32 + lane] : load_cached(weights + index * 32 + lane);
                    }
#pragma unroll
                    for (int tile = 0; tile < COLUMN_TILES; tile++) {
                        const half_bits *const place = d_z + (tile * 8 + lane / 4) * STRIDE + in * 16 + lane % 4 * 2;
                        const unsigned b0 = *(const unsigned *)place, b1 = *(const unsigned *)(place + 8);
                        multiply(d_h[own][tile], fragment[0], b0, b1);
#if BELOW
                        multiply(below[tile], fragment[1], b0, b1);
#endif
                    }
                }
#if BELOW
#pragma unroll
                for (int tile = 0; tile < COLUMN_TILES; tile++) {
#pragma unroll
                    for (int at = 0; at < 4; at++) {
                        const int unit = out * 16 + lane / 4 + at / 2 * 8;
                        const int column = tile * 8 + lane % 4 * 2 + at % 2;
                        if (unit < UNITS && column < columns) {
                            d_below[((long long)step * rows + first + column) * UNITS + unit] = below[tile][at];
                        }
                    }
                }
#endif
            }
        }
        __syncthreads();
    }
}
