// What mma.cuh has on a device, as the PTX manual says; BF16 says of which halves.

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
