// Keeps numbered buffers and does what standard input says, in words of 64 bits:
//
//     0 buffer bytes: room, zero      1 buffer bytes, then the bytes: write      2 buffer offset bytes: read, to standard output
//     3 kernel grid[3] threads count, then for each argument a word that is 0 for a value and 1 + its buffer for a pointer,
//     and the value, or the offset in bytes

#include <vector>

static bool take(void *to, const size_t bytes) { return fread(to, 1, bytes, stdin) == bytes; }

int main(const int, char **arguments) {
    std::vector<std::vector<uint64_t>> rooms(atoi(arguments[1]));
    // A buffer begins where 16 bytes do.
    const auto begin = [&](const uint64_t buffer) {
        return (char *)(((uintptr_t)rooms[buffer].data() + 15) / 16 * 16);
    };
    uint64_t word[8];
    while (take(word, 8)) {
        if (word[0] == 0) {
            take(word, 16);
            rooms[word[0]].assign(word[1] / 8 + 4, 0);
        } else if (word[0] == 1) {
            take(word, 16);
            take(begin(word[0]), word[1]);
        } else if (word[0] == 2) {
            take(word, 24);
            fwrite(begin(word[0]) + word[1], 1, word[2], stdout);
            fflush(stdout);
        } else {
            take(word, 48);
            std::vector<uint64_t> values(word[5]);
            for (uint64_t &value : values) {
                uint64_t pair[2];
                take(pair, 16);
                value = pair[0] ? (uint64_t)(uintptr_t)(begin(pair[0] - 1) + pair[1]) : pair[1];
            }
            const int kernel = (int)word[0];
            std::vector<void *> places;
            for (uint64_t &value : values) places.push_back(&value);
            launch((int)word[1], (int)word[2], (int)word[3], (int)word[4], [&] { start(kernel, places.data()); });
        }
    }
}
