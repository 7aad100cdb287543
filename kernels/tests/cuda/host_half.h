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

// What the lanes of a warp brought, multiplied: the lane that comes last does it for all. Lane l holds, of a[16][16], rows l / 4 and
// 8 more, in columns 2 (l % 4), the next, and 8 more; of b[16][8] these as rows in column l / 4; and of the sums
// rows as of a, columns 2 (l % 4) and the next.
inline void multiply_brought(unsigned *const words) {
    float a[16][16], b[16][8], sums[16][8];
    for (int lane = 0; lane < 32; lane++) {
        const unsigned *const mine = words + lane * 16;
        const int row = lane / 4, column = lane % 4 * 2;
        for (int part = 0; part < 2; part++) {
            const int shift = 16 * part;
            a[row][column + part] = widen((half_bits)(mine[0] >> shift));
            a[row + 8][column + part] = widen((half_bits)(mine[1] >> shift));
            a[row][column + 8 + part] = widen((half_bits)(mine[2] >> shift));
            a[row + 8][column + 8 + part] = widen((half_bits)(mine[3] >> shift));
            b[column + part][row] = widen((half_bits)(mine[4] >> shift));
            b[column + 8 + part][row] = widen((half_bits)(mine[5] >> shift));
            sums[row][column + part] = __int_as_float((int)mine[6 + part]);
            sums[row + 8][column + part] = __int_as_float((int)mine[8 + part]);
        }
    }
    for (int row = 0; row < 16; row++) {
        for (int k = 0; k < 16; k++) {
            for (int column = 0; column < 8; column++) sums[row][column] += a[row][k] * b[k][column];
        }
    }
    for (int lane = 0; lane < 32; lane++) {
        for (int at = 0; at < 4; at++) {
            const float sum = sums[lane / 4 + at / 2 * 8][lane % 4 * 2 + at % 2];
            words[lane * 16 + 6 + at] = (unsigned)__float_as_int(sum);
        }
    }
}

inline void multiply(float (&sums)[4], const uint4 a, const unsigned b0, const unsigned b1) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    unsigned *const words = brought[warp];
    unsigned *const mine = words + lane * 16;
    const unsigned factors[6] = {a.x, a.y, a.z, a.w, b0, b1};
    memcpy(mine, factors, sizeof factors);
    memcpy(mine + 6, sums, sizeof sums);
    meet(warp_meetings[warp], 32, [words] { multiply_brought(words); });
    memcpy(sums, mine + 6, sizeof sums);
    // Nobody may bring the next before all have taken these; each writes its own words alone, so none need wait here.
}

inline void copy_async_16(half_bits *to, const half_bits *from) { memcpy(to, from, 16); }
inline void copy_async_wait() {}
inline uint4 load_cached(const uint4 *from) { return *from; }
