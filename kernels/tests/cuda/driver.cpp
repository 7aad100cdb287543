// Runs one kernel on the host: sizes and arrays on standard input, results on standard output.
//
//     rows steps grid threads, then for each argument that points: its bytes (64 bits) and the bytes
//
// KERNEL is the file, ARGUMENTS how many pointers it takes, CALL the call.

#include <vector>
#include "host.cuh"

// What kernels declare as `extern __shared__`, each with a type of its own.
asm(".comm shared_memory, 1048576, 64");
#include KERNEL

static void take(void *to, size_t bytes) {
    if (fread(to, 1, bytes, stdin) != bytes) {
        fprintf(stderr, "the input is too short\n");
        exit(2);
    }
}

int main() {
    int sizes[4];
    take(sizes, sizeof sizes);
    const int rows = sizes[0];
    [[maybe_unused]] const int steps = sizes[1];
    std::vector<std::vector<uint64_t>> arrays(ARGUMENTS);
    std::vector<uint64_t> lengths(ARGUMENTS);
    void *p[ARGUMENTS];
    for (int index = 0; index < ARGUMENTS; index++) {
        take(&lengths[index], 8);
        arrays[index].resize(lengths[index] / 8 + 4);
        // Vectors of 16 bytes want their alignment.
        p[index] = (void *)(((uintptr_t)arrays[index].data() + 15) / 16 * 16);
        take(p[index], lengths[index]);
    }
    launch(sizes[2], 1, 1, sizes[3], [&] { CALL; });
    for (int index = 0; index < ARGUMENTS; index++) {
        fwrite(p[index], 1, lengths[index], stdout);
    }
}
