// CUDA C++ on the host, for tests on machines without a GPU: enough of the language for our kernels, run as it is defined.
//
// Each thread of a block is a fiber; they take turns, and a barrier or a warp's collective instruction is a place where
// they wait for each other. `multiply` does what the PTX manual says of mma.m16n8k16, on the fragments that it draws. So
// indices, layouts, barriers and arithmetic are tested; the hardware's own rounding and timing are not.

#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <ucontext.h>
#include <vector>

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

// What kernels declare as `extern __shared__`, each with a type of its own.
alignas(64) inline char all_shared_memory[1 << 20];

// What a fiber waits at.
struct Meeting { int arrived = 0, generation = 0; };

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool done = false;
    int index = 0;
};

inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline Fiber *running;
inline Dim threadIdx, blockIdx, gridDim;
inline Meeting block_meeting;
inline std::vector<Meeting> warp_meetings;
// What the lanes of each warp bring to a collective instruction.
inline std::vector<std::vector<unsigned>> brought;
inline long switches_idle = 0;

inline void yield() { swapcontext(&running->context, &scheduler); }

inline void meet(Meeting &meeting, const int wanted, const std::function<void()> &last) {
    const int generation = meeting.generation;
    if (++meeting.arrived == wanted) {
        last();
        meeting.arrived = 0;
        meeting.generation++;
        switches_idle = 0;
        return;
    }
    while (meeting.generation == generation) yield();
}

inline void __syncthreads() {
    meet(block_meeting, (int)fibers.size(), [] {});
}

inline std::function<void()> body;
inline void enter() {
    body();
    running->done = true;
    switches_idle = 0;
    while (true) yield();
}

// Runs a grid of blocks of `threads` threads, one block after the other.
inline void launch(
    const int width, const int height, const int depth, const int threads, const std::function<void()> &kernel) {
    body = kernel;
    gridDim = {width, height, depth};
    fibers.resize(threads);
    for (int block = 0; block < width * height * depth; block++) {
        block_meeting = {};
        warp_meetings.assign((threads + 31) / 32, {});
        brought.assign((threads + 31) / 32, std::vector<unsigned>(32 * 16));
        for (int index = 0; index < threads; index++) {
            Fiber &fiber = fibers[index];
            fiber.index = index;
            fiber.done = false;
            // Left as the block before had it: a kernel that reads what it has not written fails one way or another.
            if (fiber.stack.empty()) fiber.stack.resize(64 << 10);
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.data();
            fiber.context.uc_stack.ss_size = fiber.stack.size();
            fiber.context.uc_link = &scheduler;
            makecontext(&fiber.context, enter, 0);
        }
        switches_idle = 0;
        bool left = true;
        while (left) {
            left = false;
            for (Fiber &fiber : fibers) {
                if (fiber.done) continue;
                left = true;
                running = &fiber;
                threadIdx.x = fiber.index;
                blockIdx = {block % width, block / width % height, block / width / height};
                // A turn in which nobody gets past where it waits, over and over, is a barrier that not all reach.
                if (++switches_idle > 100L * threads) {
                    fprintf(stderr, "the threads of block %d wait for each other for ever\n", block);
                    exit(3);
                }
                swapcontext(&scheduler, &fiber.context);
            }
        }
    }
}

inline int min(const int a, const int b) { return a < b ? a : b; }
inline float __int_as_float(const int bits) { float x; memcpy(&x, &bits, 4); return x; }
inline int __float_as_int(const float x) { int bits; memcpy(&bits, &x, 4); return bits; }
inline double __longlong_as_double(const long long bits) { double x; memcpy(&x, &bits, 8); return x; }
inline int atomicMin(int *place, const int value) { const int was = *place; *place = min(was, value); return was; }

inline float __shfl_xor_sync(unsigned, const float value, const int mask) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    brought[warp][lane] = (unsigned)__float_as_int(value);
    meet(warp_meetings[warp], 32, [] {});
    const float other = __int_as_float((int)brought[warp][lane ^ mask]);
    meet(warp_meetings[warp], 32, [] {});
    return other;
}

#ifdef BF16
typedef unsigned short half_bits;
inline half_bits narrow(const float x) {
#if BF16
    const unsigned bits = (unsigned)__float_as_int(x);
    return (half_bits)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#else
    const _Float16 half = (_Float16)x;
    half_bits bits;
    memcpy(&bits, &half, 2);
    return bits;
#endif
}
inline float widen(const half_bits bits) {
#if BF16
    return __int_as_float((int)bits << 16);
#else
    _Float16 half;
    memcpy(&half, &bits, 2);
    return (float)half;
#endif
}

inline void multiply(float (&sums)[4], const uint4 a, const unsigned b0, const unsigned b1) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    unsigned *const words = brought[warp].data();
    const unsigned mine[6] = {a.x, a.y, a.z, a.w, b0, b1};
    memcpy(words + lane * 16, mine, sizeof mine);
    meet(warp_meetings[warp], 32, [] {});
    const auto half = [&](const int lane, const int word, const int k) {
        return widen((half_bits)(words[lane * 16 + word] >> (16 * (k % 2))));
    };
    // Rows lane / 4 and 8 more; columns 2 (lane % 4) and the next.
    for (int at = 0; at < 4; at++) {
        const int row = lane / 4 + at / 2 * 8, column = lane % 4 * 2 + at % 2;
        float sum = sums[at];
        for (int k = 0; k < 16; k++) {
            const float left = half(row % 8 * 4 + k % 8 / 2, row / 8 + k / 8 * 2, k);
            const float right = half(column * 4 + k % 8 / 2, 4 + k / 8, k);
            sum += left * right;
        }
        sums[at] = sum;
    }
    meet(warp_meetings[warp], 32, [] {});
}

inline void copy_async_16(half_bits *to, const half_bits *from) { memcpy(to, from, 16); }
inline void copy_async_wait() {}
inline uint4 load_cached(const uint4 *from) { return *from; }
#endif
