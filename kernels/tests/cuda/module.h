// What a module of the test compiler shows the test driver: for each kernel the sizes of its arguments, and its launch.
#pragma once
#define SHOWN extern "C" __attribute__((visibility("default")))
#define MODULE_KERNEL(name) \
    SHOWN int test_sizes_##name(size_t *sizes) { return sizes_of(name, sizes); } \
    SHOWN void test_launch_##name(const int x, const int y, const int z, const int threads, void *const *arguments) { \
        launch(x, y, z, threads, [&] { call(name, arguments); }); \
    }
