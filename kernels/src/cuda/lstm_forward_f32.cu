// One LSTM layer through all its steps in f32 for training: lstm_layer_f32.cu, whose gates and states stay for the way back.
//
// The grid is [blocks of windows][models]: models of one shape, each with weights of its own, train side by side.
//
// Compiled in: UNITS, INPUTS, LANES, LANE_UNITS, ROWS (a multiple of 4), ROW_GROUPS as in lstm_layer_f32.cu.

#include "activation.cuh"

#define COLUMNS (ROWS * ROW_GROUPS)
#define THREADS (LANES * ROW_GROUPS)

#include "rows_f32.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1) lstm_forward(
    const float *__restrict__ x,          // [models][steps][rows][INPUTS]
    const long long x_stride,             // from model to model: 0 where all read the same
    const float4 *__restrict__ weight_x,  // [models][INPUTS][UNITS]
    const float4 *__restrict__ weight_h,  // [models][UNITS][UNITS]
    const float4 *__restrict__ bias,      // [models][UNITS]
    const float *__restrict__ start_h,    // [models][rows][UNITS], or nothing for zero
    const float *__restrict__ start_c,    // the same
    float4 *__restrict__ gates,           // [models][steps][rows][UNITS]: i, f, g, o
    float *__restrict__ all_h,            // [models][steps + 1][rows][UNITS], the first before the first step
    float *__restrict__ all_c,            // the same
    const int rows,
    const int steps) {
    extern __shared__ float4 shared_memory[];
    float *const inputs = (float *)shared_memory;    // [INPUTS][COLUMNS]
    float *const hidden = inputs + INPUTS * COLUMNS; // [UNITS][COLUMNS]
    const int lane = threadIdx.x % LANES, own = threadIdx.x / LANES * ROWS;
    const int first = blockIdx.x * COLUMNS;
    const int columns = min(COLUMNS, rows - first);
    const long long model = blockIdx.y, state = (long long)rows * UNITS;
    x += model * x_stride;
    weight_x += model * INPUTS * UNITS;
    weight_h += model * UNITS * UNITS;
    bias += model * UNITS;
    gates += model * steps * state;
    all_h += model * (steps + 1) * state;
    all_c += model * (steps + 1) * state;
    float c[LANE_UNITS][ROWS];
#pragma unroll
    for (int part = 0; part < LANE_UNITS; part++) {
        const int unit = lane + part * LANES;
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const bool there = own + row < columns && unit < UNITS;
            const long long at = (long long)(first + own + row) * UNITS + unit;
            const float h = there && start_h ? start_h[model * state + at] : 0.0f;
            c[part][row] = there && start_c ? start_c[model * state + at] : 0.0f;
            if (unit < UNITS) {
                hidden[unit * COLUMNS + own + row] = h;
            }
            if (there) {
                all_h[at] = h;
                all_c[at] = c[part][row];
            }
        }
    }
    for (int step = 0; step < steps; step++) {
        const float *const from = x + ((long long)step * rows + first) * INPUTS;
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
                float m, b, m_c, b_c;
                fraction(z.z, m, b);
                float4 gate;
                gate.x = 1.0f / denominator(z.x);
                gate.y = 1.0f / denominator(z.y);
                gate.z = m / b;
                gate.w = 1.0f / denominator(z.w);
                c[part][row] = fmaf(gate.y, c[part][row], gate.x * gate.z);
                fraction(c[part][row], m_c, b_c);
                const float h = gate.w * (m_c / b_c);
                if (unit < UNITS) {
                    hidden[unit * COLUMNS + own + row] = h;
                    if (own + row < columns) {
                        const long long at = ((long long)step * rows + first + own + row) * UNITS + unit;
                        gates[at] = gate;
                        all_h[at + state] = h;
                        all_c[at + state] = c[part][row];
                    }
                }
            }
        }
    }
}
