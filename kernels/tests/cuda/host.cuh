// CUDA C++ on the host, for tests on machines without a GPU: enough of the language for our kernels, run as it is defined.
//
// Each thread of a block is a fiber; they take turns, and a barrier or a warp's collective instruction is a place where
// they wait for each other. `multiply` does what the PTX manual says of mma.m16n8k16, on the fragments that it draws. So
// indices, layouts, barriers and arithmetic are tested; the hardware's own rounding and timing are not.
//
// No header of the C++ library is included, since hundreds of kernels are compiled over this one.

#pragma once
#include <math.h>
#include <stdio.h>
#include "fiber.h"

#pragma GCC visibility push(hidden)

#define __global__
#define __device__
// Threads take turns in one thread of the host, so what is static is shared. One block runs at a time.
#ifdef PLAN
#define __shared__ static
#else
#define __shared__
#endif
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__

struct uint4 { unsigned x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
struct Dim { int x = 0, y = 0, z = 0; };

#define THREADS_MAX 1024

// What kernels declare as `extern __shared__`, each with a type of its own.
alignas(64) char all_shared_memory[1 << 20];

// What a fiber waits at.
struct Meeting { int arrived = 0, generation = 0; };

Fiber fibers[THREADS_MAX];
int fiber_count;
Place scheduler;
Fiber *running;
Dim threadIdx, blockIdx, gridDim;
Meeting block_meeting;
Meeting warp_meetings[THREADS_MAX / 32];
// What the lanes of each warp bring to a product of matrices, and to a shuffle.
alignas(64) unsigned brought[THREADS_MAX / 32][32 * 16];
unsigned shuffled[THREADS_MAX / 32][32];
long switches_idle = 0;

// The stacks of a library that is unloaded go with it.
__attribute__((destructor)) void free_stacks() {
    for (Fiber &fiber : fibers) free(fiber.stack);
}

inline void yield() { switch_place(&running->place, &scheduler); }

template <class Last> inline void meet(Meeting &meeting, const int wanted, const Last &last) {
    const int generation = meeting.generation;
    if (++meeting.arrived == wanted) {
        last();
        meeting.arrived = 0;
        meeting.generation++;
        switches_idle = 0;
        return;
    }
    while (*(volatile int *)&meeting.generation == generation) yield();
}

inline void __syncthreads() {
    meet(block_meeting, fiber_count, [] {});
}

// Whether all threads of the block, or any, say yes.
int votes_for = 0, voters = 0, elected = 0;
inline int count_votes(const int yes) {
    votes_for += yes != 0;
    voters++;
    meet(block_meeting, fiber_count, [] {
        elected = votes_for;
        votes_for = voters = 0;
    });
    return elected;
}
inline int __syncthreads_and(const int yes) { return count_votes(yes) == fiber_count; }
inline int __syncthreads_or(const int yes) { return count_votes(yes) > 0; }

void (*body)(const void *);
const void *body_holds;
inline void enter() {
    body(body_holds);
    running->done = true;
    switches_idle = 0;
    while (true) yield();
}

// Runs a grid of blocks of `threads` threads, one block after the other.
template <class Kernel>
inline void launch(const int width, const int height, const int depth, const int threads, const Kernel &kernel) {
    body = [](const void *holds) { (*(const Kernel *)holds)(); };
    body_holds = &kernel;
    gridDim.x = width;
    gridDim.y = height;
    gridDim.z = depth;
    fiber_count = threads;
    for (int block = 0; block < width * height * depth; block++) {
        block_meeting = {};
        votes_for = voters = 0;
        for (int warp = 0; warp < (threads + 31) / 32; warp++) warp_meetings[warp] = {};
        for (int index = 0; index < threads; index++) {
            Fiber &fiber = fibers[index];
            fiber.index = index;
            fiber.done = false;
            // Left as the block before had it: a kernel that reads what it has not written fails one way or another.
            if (!fiber.stack) fiber.stack = (char *)malloc(STACK_BYTES);
            begin_place(&fiber.place, fiber.stack, enter, &scheduler);
        }
        switches_idle = 0;
        bool left = true;
        while (left) {
            left = false;
            for (int index = 0; index < threads; index++) {
                Fiber &fiber = fibers[index];
                if (fiber.done) continue;
                left = true;
                running = &fiber;
                threadIdx.x = fiber.index;
                blockIdx.x = block % width;
                blockIdx.y = block / width % height;
                blockIdx.z = block / width / height;
                // A turn in which nobody gets past where it waits, over and over, is a barrier that not all reach.
                if (++switches_idle > 100L * threads) {
                    fprintf(stderr, "the threads of block %d wait for each other for ever\n", block);
                    _Exit(3);
                }
                switch_place(&scheduler, &fiber.place);
            }
        }
    }
}

inline int min(const int a, const int b) { return a < b ? a : b; }
inline float __int_as_float(const int bits) { float x; memcpy(&x, &bits, 4); return x; }
inline int __float_as_int(const float x) { int bits; memcpy(&bits, &x, 4); return bits; }
inline double __longlong_as_double(const long long bits) { double x; memcpy(&x, &bits, 8); return x; }
inline float widen_f16(const unsigned short bits) { _Float16 half; memcpy(&half, &bits, 2); return (float)half; }
inline float widen_bf16(const unsigned short bits) { return __int_as_float((int)bits << 16); }
inline int atomicMin(int *place, const int value) { const int was = *place; *place = min(was, value); return was; }

inline float __shfl_xor_sync(unsigned, const float value, const int mask) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    shuffled[warp][lane] = (unsigned)__float_as_int(value);
    meet(warp_meetings[warp], 32, [] {});
    const float other = __int_as_float((int)shuffled[warp][lane ^ mask]);
    meet(warp_meetings[warp], 32, [] {});
    return other;
}

#pragma GCC visibility pop

#ifdef BF16
#include "host_half.h"
#endif
