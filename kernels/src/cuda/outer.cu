// The gradient of a layer's weights: left^T [x | h | 1] over all steps and windows at once, biases as the column of ones.
//
// A block of 256 threads makes a tile of 64 x 64 over one slice of the depth, a thread 4 x 4 of it. Slices are summed by
// gather.cu in their order: no atomics, so every run gives the same bits. How long a slice is follows from the depth alone.
//
// Compiled in: LEFT, INPUTS, UNITS (columns of the three matrices).

#define WIDTH (INPUTS + UNITS + 1)
#define TILE 64
#define DEPTH 16
#define TILES_ACROSS ((WIDTH + TILE - 1) / TILE)

extern "C" __global__ void __launch_bounds__(256, 2) outer(
    const float *__restrict__ left,  // [models][depth][LEFT]
    const long long left_stride,     // from model to model
    const float *__restrict__ x,     // [models][depth][INPUTS]
    const long long x_stride,
    const float *__restrict__ h,     // [models][depth][UNITS]
    const long long h_stride,
    float *__restrict__ partial,     // [models][slices][LEFT][WIDTH]
    const int depth,
    const int slice) {
    __shared__ float a[DEPTH][TILE], b[DEPTH][TILE];
    const long long model = blockIdx.z;
    left += model * left_stride;
    x += model * x_stride;
    h += model * h_stride;
    const int row_first = blockIdx.x / TILES_ACROSS * TILE, column_first = blockIdx.x % TILES_ACROSS * TILE;
    const int own_row = threadIdx.x / 16 * 4, own_column = threadIdx.x % 16 * 4;
    const int end = min((int)(blockIdx.y + 1) * slice, depth);
    float sums[4][4] = {};
    for (int start = blockIdx.y * slice; start < end; start += DEPTH) {
        for (int index = threadIdx.x; index < DEPTH * TILE; index += 256) {
            const int k = index / TILE, place = index % TILE;
            const int row = row_first + place, column = column_first + place;
            const long long at = start + k;
            const bool there = at < end;
            a[k][place] = there && row < LEFT ? left[at * LEFT + row] : 0.0f;
            float value = 0.0f;
            if (there) {
                if (column < INPUTS) {
                    value = x[at * INPUTS + column];
                } else if (column < INPUTS + UNITS) {
                    value = h[at * UNITS + column - INPUTS];
                } else if (column < WIDTH) {
                    value = 1.0f;
                }
            }
            b[k][place] = value;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            float right[4];
#pragma unroll
            for (int column = 0; column < 4; column++) {
                right[column] = b[k][own_column + column];
            }
#pragma unroll
            for (int row = 0; row < 4; row++) {
                const float value = a[k][own_row + row];
#pragma unroll
                for (int column = 0; column < 4; column++) {
                    sums[row][column] = fmaf(value, right[column], sums[row][column]);
                }
            }
        }
        __syncthreads();
    }
    partial += (model * gridDim.y + blockIdx.y) * LEFT * WIDTH;
#pragma unroll
    for (int row = 0; row < 4; row++) {
#pragma unroll
        for (int column = 0; column < 4; column++) {
            const int to_row = row_first + own_row + row, to_column = column_first + own_column + column;
            if (to_row < LEFT && to_column < WIDTH) {
                partial[(long long)to_row * WIDTH + to_column] = sums[row][column];
            }
        }
    }
}
