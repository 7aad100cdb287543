// One LSTM layer through all its steps in f32, input projection included, on the ordinary units: tensor cores round their
// inputs to fewer bits than f32 has.
//
// A block owns COLUMNS windows from the first step to the last. A thread owns one unit of ROWS of them: each weight that it
// reads, the four gates of its unit in one load beside those of its neighbours, serves ROWS windows. [x | h] lies in shared
// memory as [depth][window], so that a thread reads its windows' values of one depth in runs of 16 bytes, which its
// neighbours share.
//
// Compiled in: UNITS, INPUTS, LANES (threads that share a group of windows), LANE_UNITS (units of a thread), ROWS (a multiple
// of 4), ROW_GROUPS, LAST.

#include "activation.cuh"

#define COLUMNS (ROWS * ROW_GROUPS)
#define THREADS (LANES * ROW_GROUPS)

#include "rows_f32.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) lstm_layer(
    const float *__restrict__ x,          // [steps][rows][INPUTS]
    const float4 *__restrict__ weight_x,  // [INPUTS][UNITS]
    const float4 *__restrict__ weight_h,  // [UNITS][UNITS]
    const float4 *__restrict__ bias,      // [UNITS]
    float *__restrict__ state_h,          // [rows][UNITS]
    float *__restrict__ state_c,          // [rows][UNITS]
    float *__restrict__ sequence,         // [steps][rows][UNITS], not written when LAST
    const int rows,
    const int steps) {
    extern __shared__ float4 shared_memory[];
    float *const inputs = (float *)shared_memory;           // [INPUTS][COLUMNS]
    float *const hidden = inputs + INPUTS * COLUMNS; // [UNITS][COLUMNS]
    const int lane = threadIdx.x % LANES, own = threadIdx.x / LANES * ROWS;
    const int first = blockIdx.x * COLUMNS;
    const int columns = min(COLUMNS, rows - first);
    float c[LANE_UNITS][ROWS];
#pragma unroll
    for (int part = 0; part < LANE_UNITS; part++) {
        const int unit = lane + part * LANES;
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const bool there = own + row < columns && unit < UNITS;
            const long at = (long)(first + own + row) * UNITS + unit;
            c[part][row] = there ? state_c[at] : 0.0f;
            if (unit < UNITS) {
                hidden[unit * COLUMNS + own + row] = there ? state_h[at] : 0.0f;
            }
        }
    }
    for (int step = 0; step < steps; step++) {
        const float *const from = x + ((long)step * rows + first) * INPUTS;
        for (int index = threadIdx.x; index < COLUMNS * INPUTS; index += THREADS) {
            const int column = index / INPUTS, k = index % INPUTS;
            inputs[k * COLUMNS + column] = column < columns ? from[column * INPUTS + k] : 0.0f;
        }
        __syncthreads();
        float4 sums[LANE_UNITS][ROWS];
        start_sums(sums, bias, lane);
        add_product(sums, weight_x, inputs, INPUTS, lane, own);
        add_product(sums, weight_h, hidden, UNITS, lane, own);
        __syncthreads();
#pragma unroll
        for (int part = 0; part < LANE_UNITS; part++) {
            const int unit = lane + part * LANES;
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                const float4 z = sums[part][row];
                const float h = cell(z.x, z.y, z.z, z.w, c[part][row]);
                if (unit < UNITS) {
                    hidden[unit * COLUMNS + own + row] = h;
#if !LAST
                    if (own + row < columns) {
                        sequence[((long)step * rows + first + own + row) * UNITS + unit] = h;
                    }
#endif
                }
            }
        }
    }
#pragma unroll
    for (int part = 0; part < LANE_UNITS; part++) {
        const int unit = lane + part * LANES;
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            if (own + row < columns && unit < UNITS) {
                const long at = (long)(first + own + row) * UNITS + unit;
                state_c[at] = c[part][row];
                state_h[at] = hidden[unit * COLUMNS + own + row];
            }
        }
    }
}
