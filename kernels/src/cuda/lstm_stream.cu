// A model that takes one row at a time and stays on its multiprocessor between rows: one block, no launch for a tick.
//
// Words of 64 bits go both ways through memory of the host: a number in the low half, the tick's count in the high half. A word is
// read and written whole, so a number and its count arrive together and no order among words matters: the threads look at the
// row's words until all have the count that is due, and the host does the same with the outputs' words.
//
// Between row and output are W x of each layer and the cells. R h + b, which wait for no row, are computed after the output is out.
// The first RESIDENT rows of the input matrices lie in shared memory, the others come from the second-level cache.
//
// It leaves when the host says stop, or when it has looked `idle` times in vain, and puts its state where the next launch
// finds it. With `idle` of zero it takes the row that is there and leaves: the ordinary launch for each tick.
//
// Compiled in: INPUTS, UNITS, LAYERS, OUTPUTS, SPLITS (threads that share the depth of a unit's sums), RESIDENT, WEIGHT (0 f32, 1
// f16, 2 bf16).

#include "activation.cuh"

#define LANES (UNITS * SPLITS)
#define THREADS ((LANES + 31) / 32 * 32)
#define INPUT_ROWS (INPUTS + (LAYERS - 1) * UNITS)

#if WEIGHT == 0
typedef float4 gates_of_unit;
__device__ __forceinline__ float4 wide(const gates_of_unit w) { return w; }
#else
struct alignas(8) gates_of_unit {
    unsigned short i, f, g, o;
};
#ifndef DIAPASON_HOST
__device__ __forceinline__ float widen_f16(const unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
__device__ __forceinline__ float widen_bf16(const unsigned short bits) { return __int_as_float((int)bits << 16); }
#endif
#if WEIGHT == 1
#define WIDEN widen_f16
#else
#define WIDEN widen_bf16
#endif
__device__ __forceinline__ float4 wide(const gates_of_unit w) {
    const float4 value = {WIDEN(w.i), WIDEN(w.f), WIDEN(w.g), WIDEN(w.o)};
    return value;
}
#endif

extern "C" __global__ void __launch_bounds__(THREADS, 1) lstm_stream(
    const gates_of_unit *__restrict__ weight_x,   // [INPUT_ROWS][UNITS], layer after layer
    const gates_of_unit *__restrict__ weight_h,   // [LAYERS][UNITS][UNITS]
    const float4 *__restrict__ bias,              // [LAYERS][UNITS]
    const float *__restrict__ head,               // [OUTPUTS][UNITS]
    const float *__restrict__ head_bias,          // [OUTPUTS]
    float *__restrict__ state,                    // [2][LAYERS][UNITS]: hidden, cell
    unsigned *__restrict__ count,                 // ticks taken
    const volatile unsigned long long *row,       // [INPUTS]
    volatile unsigned long long *out,             // [OUTPUTS]
    const volatile unsigned *stop,
    const unsigned long long idle) {
    extern __shared__ float4 shared_memory[];
    float4 *const partial = shared_memory;                                     // [SPLITS][UNITS]
    float *const hidden = (float *)(partial + SPLITS * UNITS);                 // [LAYERS][UNITS]
    float *const x = hidden + LAYERS * UNITS;                                  // [INPUTS]
    gates_of_unit *const resident = (gates_of_unit *)(x + (INPUTS + 3) / 4 * 4 + (4 - LAYERS * UNITS % 4) % 4);
    const int unit = threadIdx.x % UNITS, split = threadIdx.x / UNITS;
    const bool adds = threadIdx.x < LANES, closes = threadIdx.x < UNITS;

    for (int index = threadIdx.x; index < RESIDENT * UNITS; index += THREADS) {
        resident[index] = weight_x[index];
    }
    float c[LAYERS];
    float4 start[LAYERS];
#pragma unroll
    for (int layer = 0; layer < LAYERS; layer++) {
        if (closes) {
            hidden[layer * UNITS + unit] = state[layer * UNITS + unit];
            c[layer] = state[(LAYERS + layer) * UNITS + unit];
        }
    }
    unsigned due = *count + 1;
    unsigned long long looked = 0;
    bool fresh = true;
    while (true) {
        if (fresh) {
            // What the next row need not wait for.
            __syncthreads();
#pragma unroll
            for (int layer = 0; layer < LAYERS; layer++) {
                const float *const h = hidden + layer * UNITS;
                float4 sum = {0.0f, 0.0f, 0.0f, 0.0f};
                if (adds) {
                    for (int k = split; k < UNITS; k += SPLITS) {
                        const float4 w = wide(weight_h[(layer * UNITS + k) * UNITS + unit]);
                        sum.x = fmaf(w.x, h[k], sum.x);
                        sum.y = fmaf(w.y, h[k], sum.y);
                        sum.z = fmaf(w.z, h[k], sum.z);
                        sum.w = fmaf(w.w, h[k], sum.w);
                    }
                    partial[split * UNITS + unit] = sum;
                }
                __syncthreads();
                if (closes) {
                    float4 all = bias[layer * UNITS + unit];
                    for (int part = 0; part < SPLITS; part++) {
                        const float4 more = partial[part * UNITS + unit];
                        all.x += more.x;
                        all.y += more.y;
                        all.z += more.z;
                        all.w += more.w;
                    }
                    start[layer] = all;
                }
                __syncthreads();
            }
            fresh = false;
        }
        bool there = true;
        for (int k = threadIdx.x; k < INPUTS; k += THREADS) {
            const unsigned long long word = row[k];
            there = there && (unsigned)(word >> 32) == due;
            x[k] = __int_as_float((int)(unsigned)word);
        }
        if (!__syncthreads_and(there)) {
            looked++;
            const bool leave = threadIdx.x == 0 && (looked > idle || (looked % 64 == 0 && *stop != 0));
            if (__syncthreads_or(leave)) break;
            continue;
        }
        looked = 0;
        int below = 0;  // rows of the input matrices before this layer's
#pragma unroll
        for (int layer = 0; layer < LAYERS; layer++) {
            const int depth = layer == 0 ? INPUTS : UNITS;
            const float *const values = layer == 0 ? x : hidden + (layer - 1) * UNITS;
            float4 sum = {0.0f, 0.0f, 0.0f, 0.0f};
            if (adds) {
                for (int k = split; k < depth; k += SPLITS) {
                    const int place = (below + k) * UNITS + unit;
                    const float4 w = wide(below + k < RESIDENT ? resident[place] : weight_x[place]);
                    sum.x = fmaf(w.x, values[k], sum.x);
                    sum.y = fmaf(w.y, values[k], sum.y);
                    sum.z = fmaf(w.z, values[k], sum.z);
                    sum.w = fmaf(w.w, values[k], sum.w);
                }
                partial[split * UNITS + unit] = sum;
            }
            __syncthreads();
            if (closes) {
                float4 z = start[layer];
                for (int part = 0; part < SPLITS; part++) {
                    const float4 more = partial[part * UNITS + unit];
                    z.x += more.x;
                    z.y += more.y;
                    z.z += more.z;
                    z.w += more.w;
                }
                hidden[layer * UNITS + unit] = cell(z.x, z.y, z.z, z.w, c[layer]);
            }
            __syncthreads();
            below += depth;
        }
        const float *const last = hidden + (LAYERS - 1) * UNITS;
        const int lane = threadIdx.x % 32;
        for (int output = threadIdx.x / 32; output < OUTPUTS; output += THREADS / 32) {
            float sum = 0.0f;
            for (int k = lane; k < UNITS; k += 32) {
                sum = fmaf(last[k], head[output * UNITS + k], sum);
            }
#pragma unroll
            for (int distance = 16; distance > 0; distance /= 2) {
                sum += __shfl_xor_sync(0xffffffffu, sum, distance);
            }
            if (lane == 0) {
                out[output] = (unsigned long long)due << 32 | (unsigned)__float_as_int(sum + head_bias[output]);
            }
        }
        due++;
        fresh = true;
    }
#pragma unroll
    for (int layer = 0; layer < LAYERS; layer++) {
        if (closes) {
            state[layer * UNITS + unit] = hidden[layer * UNITS + unit];
            state[(LAYERS + layer) * UNITS + unit] = c[layer];
        }
    }
    if (threadIdx.x == 0) {
        *count = due - 1;
    }
}
