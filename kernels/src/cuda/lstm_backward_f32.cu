// One LSTM layer back through time in f32: gates become the gradient by the pre-activations, in their place.
//
// A block owns COLUMNS windows from the last step to the first, a thread one unit of ROWS of them, as on the way forward. Per
// step it closes its cells, lays the gradient by the pre-activations [unit][window][gate] in shared memory, and multiplies it
// with both matrices, transposed: one product is what the step before gets, the other what the layer below gets. Every sum
// runs over the units in their order, so that nothing depends on how windows are divided.
//
// Compiled in: UNITS, LANES, LANE_UNITS, ROWS, ROW_GROUPS, BELOW (1: there is a layer below, with UNITS units), TOP (1: only
// the last step has a gradient from above).

#include "activation.cuh"

#define COLUMNS (ROWS * ROW_GROUPS)
#define THREADS (LANES * ROW_GROUPS)

extern "C" __global__ void __launch_bounds__(THREADS, 1) lstm_backward(
    const float4 *__restrict__ back_h,  // [models][UNITS: of the gates][UNITS]
    const float4 *__restrict__ back_x,  // the same, not read without BELOW
    float4 *__restrict__ gates,         // [models][steps][rows][UNITS]
    const float *__restrict__ all_c,    // [models][steps + 1][rows][UNITS]
    const float *__restrict__ d_above,  // [models][steps][rows][UNITS], or with TOP [models][rows][UNITS]
    float *__restrict__ d_below,        // [models][steps][rows][UNITS], not written without BELOW
    const int rows,
    const int steps,
    const int begin) {                  // the first step that the gradient goes back to
    extern __shared__ float4 shared_memory[];  // [UNITS][COLUMNS]
    const int lane = threadIdx.x % LANES, own = threadIdx.x / LANES * ROWS;
    const int first = blockIdx.x * COLUMNS;
    const int columns = min(COLUMNS, rows - first);
    const long long model = blockIdx.y, state = (long long)rows * UNITS;
    back_h += model * UNITS * UNITS;
    back_x += model * UNITS * UNITS;
    gates += model * steps * state;
    all_c += model * (steps + 1) * state;
    d_above += model * (TOP ? 1 : steps) * state;
    d_below += model * steps * state;
    float d_h[LANE_UNITS][ROWS], d_c[LANE_UNITS][ROWS];
#pragma unroll
    for (int part = 0; part < LANE_UNITS; part++) {
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            d_h[part][row] = d_c[part][row] = 0.0f;
        }
    }
    for (int step = steps - 1; step >= begin; step--) {
#pragma unroll
        for (int part = 0; part < LANE_UNITS; part++) {
            const int unit = lane + part * LANES;
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                float4 d_z = {0.0f, 0.0f, 0.0f, 0.0f};
                if (own + row < columns && unit < UNITS) {
                    const long long at = ((long long)step * rows + first + own + row) * UNITS + unit;
                    const float4 gate = gates[at];
                    const float before = all_c[at];
                    float m, b;
                    fraction(all_c[at + state], m, b);
                    const float tanh_c = m / b;
                    float d = d_h[part][row];
                    if (!TOP) {
                        d += d_above[at];
                    } else if (step == steps - 1) {
                        d += d_above[(long long)(first + own + row) * UNITS + unit];
                    }
                    const float d_cell = d_c[part][row] + d * gate.w * (1.0f - tanh_c * tanh_c);
                    d_z.x = d_cell * gate.z * gate.x * (1.0f - gate.x);
                    d_z.y = d_cell * before * gate.y * (1.0f - gate.y);
                    d_z.z = d_cell * gate.x * (1.0f - gate.z * gate.z);
                    d_z.w = d * tanh_c * gate.w * (1.0f - gate.w);
                    d_c[part][row] = d_cell * gate.y;
                    gates[at] = d_z;
                }
                if (unit < UNITS) {
                    shared_memory[unit * COLUMNS + own + row] = d_z;
                }
            }
        }
        __syncthreads();
        float below[LANE_UNITS][ROWS];
#pragma unroll
        for (int part = 0; part < LANE_UNITS; part++) {
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                d_h[part][row] = below[part][row] = 0.0f;
            }
        }
        if (BELOW || step > begin) {
#pragma unroll 2
            for (int from = 0; from < UNITS; from++) {
                float4 weight[LANE_UNITS], weight_x[LANE_UNITS];
#pragma unroll
                for (int part = 0; part < LANE_UNITS; part++) {
                    const int place = from * UNITS + min(lane + part * LANES, UNITS - 1);
                    weight[part] = back_h[place];
                    weight_x[part] = BELOW ? back_x[place] : weight[part];
                }
#pragma unroll
                for (int row = 0; row < ROWS; row++) {
                    const float4 d = shared_memory[from * COLUMNS + own + row];
#pragma unroll
                    for (int part = 0; part < LANE_UNITS; part++) {
                        float sum = d_h[part][row];
                        sum = fmaf(weight[part].x, d.x, sum);
                        sum = fmaf(weight[part].y, d.y, sum);
                        sum = fmaf(weight[part].z, d.z, sum);
                        d_h[part][row] = fmaf(weight[part].w, d.w, sum);
                        if (BELOW) {
                            sum = below[part][row];
                            sum = fmaf(weight_x[part].x, d.x, sum);
                            sum = fmaf(weight_x[part].y, d.y, sum);
                            sum = fmaf(weight_x[part].z, d.z, sum);
                            below[part][row] = fmaf(weight_x[part].w, d.w, sum);
                        }
                    }
                }
            }
        }
        if (BELOW) {
#pragma unroll
            for (int part = 0; part < LANE_UNITS; part++) {
                const int unit = lane + part * LANES;
#pragma unroll
                for (int row = 0; row < ROWS; row++) {
                    if (own + row < columns && unit < UNITS) {
                        d_below[((long long)step * rows + first + own + row) * UNITS + unit] = below[part][row];
                    }
                }
            }
        }
        __syncthreads();
    }
}
