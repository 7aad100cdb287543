// Half precision as bits, and the instructions that work on it, so that NVRTC needs no header of the toolkit.

#include "activation.cuh"

// The tests run these kernels on the host and bring their own.
#ifndef DIAPASON_HOST
typedef unsigned short half_bits;

__device__ __forceinline__ half_bits narrow(const float x) {
    half_bits bits;
#if BF16
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#else
#error "bf16 needs compute capability 8.0"
#endif
#else
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#endif
    return bits;
}

// sums[16 rows][8 columns] += a[16][16] b[16][8], in the fragments of the PTX manual.
__device__ __forceinline__ void multiply(float (&sums)[4], const uint4 a, const unsigned b0, const unsigned b1) {
#if __CUDA_ARCH__ >= 800
#if BF16
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#endif
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
#else
    // Turing multiplies a depth of 8 at once: the same fragments, halved.
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a.x), "r"(a.y), "r"(b0));
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a.z), "r"(a.w), "r"(b1));
#endif
}

// Starts to copy 16 bytes of global memory to shared memory.
__device__ __forceinline__ void copy_async_16(half_bits *to, const half_bits *from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from) : "memory");
#else
    *(uint4 *)to = *(const uint4 *)from;
#endif
}

// Waits for this thread's copies.
__device__ __forceinline__ void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// A load that is not hoisted out of the loop over steps: what does not fit registers must come again each time.
__device__ __forceinline__ uint4 load_cached(const uint4 *from) {
    uint4 value;
    asm volatile("ld.global.nc.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "l"(from));
    return value;
}
#endif
