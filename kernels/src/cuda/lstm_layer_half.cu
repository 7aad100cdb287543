// One LSTM layer through all its steps, in f16 or bf16 on tensor cores, input projection included.
//
// A block owns COLUMNS windows from the first step to the last; it never waits for another block. Per step it multiplies the
// weights of both matrices, [4 UNITS][INPUTS + UNITS], with [x_t | h_(t-1)] of its windows:
//
//     mma.m16n8k16:  16 gate rows x 16 inputs  times  16 inputs x 8 windows
//
// Gate rows are ordered so that 32 of them are eight units: i, f | g, o in two tiles of 16. So a thread's two tiles of sums
// hold all four gates of one unit for two windows, and the cell closes in registers, without a shuffle or a pass over memory.
//
// A warp takes eight units. Of its weights the last REGISTER_TILES tiles of depth live in registers for all steps, those
// before it in shared memory (SHARED_TILES), the rest comes from the second-level cache step by step; fragments are laid
// out so that a thread's part of a tile is 16 consecutive bytes wherever it lies. [x | h] lies in shared memory twice, so that
// one barrier a step is enough, and the next x is on its way while this step multiplies.
//
// Tried on paper and refused: gates through global memory after a projection of all steps (2.4 GB of traffic for 10,000
// windows of 60 steps and 128 units, more than all of the products cost); ldmatrix for the weights (fragments in order
// need no shuffle at all); wgmma (its weights must lie in shared memory, and with them in registers mma is bound by the
// same shared reads of [x | h]).
//
// With SAVE it is the way forward of a training: gates and states of every step stay in f32, the grid's second side are models of
// one shape, and states begin at zero where none are given.
//
// Compiled in: SAVE, UNITS, INPUTS (as stored, a multiple of 8), COLUMNS (a multiple of 8), WARPS, REGISTER_TILES, SHARED_TILES,
// BF16 (0 or 1), LAST (1: only the last hidden state is wanted).

#include "mma.cuh"

#define GROUPS ((UNITS + 7) / 8)
#define STORED_UNITS (GROUPS * 8)
#define TILES_X ((INPUTS + 15) / 16)
#define TILES_H ((STORED_UNITS + 15) / 16)
#define TILES (TILES_X + TILES_H)
#define WARP_GROUPS ((GROUPS + WARPS - 1) / WARPS)
#define THREADS (WARPS * 32)
#define COLUMN_TILES (COLUMNS / 8)
// A row of [x | h] with eight numbers more, so that eight rows start in different banks.
#define STRIDE (TILES * 16 + 8)
#define GLOBAL_TILES (TILES - REGISTER_TILES - SHARED_TILES)

__device__ __forceinline__ void copy_row_parts(half_bits *to, const half_bits *from, int columns, long stride_from) {
    // INPUTS is a multiple of 8 numbers: 16 bytes.
    const int parts = INPUTS / 8;
    for (int index = threadIdx.x; index < COLUMNS * parts; index += THREADS) {
        const int column = index / parts, part = index % parts;
        half_bits *place = to + column * STRIDE + part * 8;
        if (column < columns) {
            copy_async_16(place, from + column * stride_from + part * 8);
        }
    }
}

// One tile of depth for one or two tiles of windows; `row` is where this thread's part of [x | h] begins.
__device__ __forceinline__ void multiply_tile(
    float (&sums)[2][2][4], const uint4 first, const uint4 second, const half_bits *row, const bool both) {
#pragma unroll
    for (int at = 0; at < 2; at++) {
        if (at == 0 || both) {
            const half_bits *const place = row + at * 8 * STRIDE;
            const unsigned b0 = *(const unsigned *)place, b1 = *(const unsigned *)(place + 8);
            multiply(sums[at][0], first, b0, b1);
            multiply(sums[at][1], second, b0, b1);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) lstm_layer(
    const half_bits *__restrict__ x,        // [steps][rows][INPUTS]
    const uint4 *__restrict__ weights,      // [GROUPS][TILES][2][32 lanes]
    const float *__restrict__ bias,         // [STORED_UNITS][4]
#if SAVE
    const long long x_stride,               // from model to model: 0 where all read the same
    const float *__restrict__ start_h,      // [models][rows][UNITS], or nothing for zero
    const float *__restrict__ start_c,      // the same
    float4 *__restrict__ gates,             // [models][steps][rows][UNITS]: i, f, g, o
    float *__restrict__ all_h,              // [models][steps + 1][rows][UNITS], the first before the first step
    float *__restrict__ all_c,              // the same
#else
    float *__restrict__ state_h,            // [rows][UNITS]
    float *__restrict__ state_c,            // [rows][UNITS]
    half_bits *__restrict__ sequence,       // [steps][rows][STORED_UNITS], not written when LAST
#endif
    const int rows,
    const int steps) {
#if SAVE
    const long long model = blockIdx.y, states = (long long)rows * UNITS;
    x += model * x_stride;
    weights += model * GROUPS * TILES * 64;
    bias += model * STORED_UNITS * 4;
    gates += model * steps * states;
    all_h += model * (steps + 1) * states;
    all_c += model * (steps + 1) * states;
#endif
    extern __shared__ uint4 shared_memory[];
    uint4 *const resident = shared_memory;                                       // [GROUPS][SHARED_TILES][2][32]
    half_bits *const inputs = (half_bits *)(shared_memory + GROUPS * SHARED_TILES * 64);

    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int own_unit = lane / 4, own_column = lane % 4 * 2;
    const int first = blockIdx.x * COLUMNS;
    const int columns = min(COLUMNS, rows - first);

    for (int index = threadIdx.x; index < GROUPS * SHARED_TILES * 64; index += THREADS) {
        const int group = index / (SHARED_TILES * 64), at = index % (SHARED_TILES * 64);
        resident[index] = weights[(group * TILES + GLOBAL_TILES) * 64 + at];
    }
    // Padding of rows and of windows past the end is zero for ever.
    for (int index = threadIdx.x; index < 2 * COLUMNS * STRIDE; index += THREADS) {
        inputs[index] = 0;
    }
    __syncthreads();

    uint4 held[WARP_GROUPS][REGISTER_TILES > 0 ? REGISTER_TILES : 1][2];
    float c[WARP_GROUPS][COLUMN_TILES][2];
    float4 start[WARP_GROUPS];
#pragma unroll
    for (int own = 0; own < WARP_GROUPS; own++) {
        const int group = own * WARPS + warp;
        if (group >= GROUPS) continue;
#pragma unroll
        for (int tile = 0; tile < REGISTER_TILES; tile++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                held[own][tile][half] = weights[((group * TILES + TILES - REGISTER_TILES + tile) * 2 + half) * 32 + lane];
            }
        }
        const int unit = group * 8 + own_unit;
        start[own] = ((const float4 *)bias)[unit];
#pragma unroll
        for (int tile = 0; tile < COLUMN_TILES; tile++) {
#pragma unroll
            for (int side = 0; side < 2; side++) {
                const int column = tile * 8 + own_column + side;
                const bool there = column < columns && unit < UNITS;
                const long at = (long)(first + column) * UNITS + unit;
#if SAVE
                const float h = there && start_h ? start_h[model * states + at] : 0.0f;
                c[own][tile][side] = there && start_c ? start_c[model * states + at] : 0.0f;
                if (there) {
                    all_h[at] = h;
                    all_c[at] = c[own][tile][side];
                }
#else
                const float h = there ? state_h[at] : 0.0f;
                c[own][tile][side] = there ? state_c[at] : 0.0f;
#endif
                if (unit < STORED_UNITS) {
                    inputs[column * STRIDE + TILES_X * 16 + unit] = narrow(h);
                }
            }
        }
    }
    copy_row_parts(inputs, x + (long)first * INPUTS, columns, INPUTS);
    copy_async_wait();
    __syncthreads();

    for (int step = 0; step < steps; step++) {
        const half_bits *const now = inputs + step % 2 * (COLUMNS * STRIDE);
        half_bits *const next = inputs + (step + 1) % 2 * (COLUMNS * STRIDE);
        if (step + 1 < steps) {
            copy_row_parts(next, x + ((long)(step + 1) * rows + first) * INPUTS, columns, INPUTS);
        }
#if !LAST
        // What the step before left, in whole runs of memory.
        if (step > 0) {
            for (int index = threadIdx.x; index < columns * GROUPS; index += THREADS) {
                const int column = index / GROUPS, part = index % GROUPS;
                const uint4 value = *(const uint4 *)(now + column * STRIDE + TILES_X * 16 + part * 8);
                *(uint4 *)(sequence + ((long)(step - 1) * rows + first + column) * STORED_UNITS + part * 8) = value;
            }
        }
#endif
#pragma unroll
        for (int own = 0; own < WARP_GROUPS; own++) {
            const int group = own * WARPS + warp;
            if (group >= GROUPS) continue;
            const int unit = group * 8 + own_unit;
            const uint4 *const from_cache = weights + group * TILES * 64;
            const uint4 *const from_shared = resident + group * SHARED_TILES * 64;
            // Two tiles of windows at a time: four independent chains of sums.
#pragma unroll
            for (int pair = 0; pair < COLUMN_TILES; pair += 2) {
                float sums[2][2][4];
#pragma unroll
                for (int tile = 0; tile < 2; tile++) {
                    sums[tile][0][0] = sums[tile][0][1] = start[own].x;
                    sums[tile][0][2] = sums[tile][0][3] = start[own].y;
                    sums[tile][1][0] = sums[tile][1][1] = start[own].z;
                    sums[tile][1][2] = sums[tile][1][3] = start[own].w;
                }
                const half_bits *const row = now + (pair * 8 + own_unit) * STRIDE + own_column;
                // Only what lies in registers must be unrolled to the end; more of the rest costs registers.
#pragma unroll 2
                for (int tile = 0; tile < GLOBAL_TILES; tile++) {
                    const uint4 *const place = from_cache + tile * 64 + lane;
                    multiply_tile(sums, load_cached(place), load_cached(place + 32), row + tile * 16, pair + 1 < COLUMN_TILES);
                }
#pragma unroll 2
                for (int tile = 0; tile < SHARED_TILES; tile++) {
                    const uint4 *const place = from_shared + tile * 64 + lane;
                    multiply_tile(sums, place[0], place[32], row + (GLOBAL_TILES + tile) * 16, pair + 1 < COLUMN_TILES);
                }
#pragma unroll
                for (int tile = 0; tile < REGISTER_TILES; tile++) {
                    const half_bits *const place = row + (TILES - REGISTER_TILES + tile) * 16;
                    multiply_tile(sums, held[own][tile][0], held[own][tile][1], place, pair + 1 < COLUMN_TILES);
                }
#pragma unroll
                for (int at = 0; at < 2; at++) {
                    if (pair + at < COLUMN_TILES) {
#pragma unroll
                        for (int side = 0; side < 2; side++) {
                            const int column = (pair + at) * 8 + own_column + side;
                            float &state = c[own][pair + at][side];
#if SAVE
                            const float4 gate = activate(
                                sums[at][0][side], sums[at][0][2 + side], sums[at][1][side], sums[at][1][2 + side]);
                            const float h = close(gate, state);
                            if (column < columns && unit < UNITS) {
                                const long long place = ((long long)step * rows + first + column) * UNITS + unit;
                                gates[place] = gate;
                                all_h[place + states] = h;
                                all_c[place + states] = state;
                            }
#else
                            const float h = cell(
                                sums[at][0][side], sums[at][0][2 + side], sums[at][1][side], sums[at][1][2 + side], state);
                            if (step + 1 == steps && column < columns && unit < UNITS) {
                                state_h[(long)(first + column) * UNITS + unit] = h;
                            }
#endif
                            next[column * STRIDE + TILES_X * 16 + unit] = narrow(h);
                        }
                    }
                }
            }
        }
        copy_async_wait();
        __syncthreads();
    }
#if !SAVE
#if !LAST
    const half_bits *const now = inputs + steps % 2 * (COLUMNS * STRIDE);
    for (int index = threadIdx.x; index < columns * GROUPS; index += THREADS) {
        const int column = index / GROUPS, part = index % GROUPS;
        const uint4 value = *(const uint4 *)(now + column * STRIDE + TILES_X * 16 + part * 8);
        *(uint4 *)(sequence + ((long)(steps - 1) * rows + first + column) * STORED_UNITS + part * 8) = value;
    }
#endif
#pragma unroll
    for (int own = 0; own < WARP_GROUPS; own++) {
        const int unit = (own * WARPS + warp) * 8 + own_unit;
#pragma unroll
        for (int tile = 0; tile < COLUMN_TILES; tile++) {
#pragma unroll
            for (int side = 0; side < 2; side++) {
                const int column = tile * 8 + own_column + side;
                if (column < columns && unit < UNITS) {
                    state_c[(long)(first + column) * UNITS + unit] = c[own][tile][side];
                }
            }
        }
    }
#endif
}
