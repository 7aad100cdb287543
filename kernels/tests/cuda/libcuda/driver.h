// A CUDA driver made of this processor, for tests: the functions of the driver's interface that Diapason calls, with what NVIDIA's manual says
// of them. It is no GPU and says so in its name.
//
//     settings -> device -> memory -> stream -> module
//
// A module is a library for this processor, as ../libnvrtc makes them of CUDA C++ over ../host.cuh; a stream is a thread that does one
// thing after the other. What the manual leaves to the driver is done in the way that shows mistakes: copies from pinned memory
// read it when their turn comes, memory is full of ones until it is written and ends at a page that may not be touched, and what was freed is
// unmapped. What this cannot show: timing, the hardware's rounding, limits of registers, and whether memory of a device is read by the host.

#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

typedef int CUresult;
enum : CUresult {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    INVALID_PTX = 218,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_FAILED = 719,
};

// What DIAPASON_TEST_DRIVER says, `name=value,name=value`.
struct Settings {
    int devices = 1, version = 12090, capability = 90, processors = 4, shared_bytes = 232448, pools = 1;
    size_t memory_bytes = (size_t)4 << 30;
    // Each thing that a stream does begins so much later.
    int late_us = 0;
    // Launches do nothing, at once; a stream's kernel answers.
    bool empty = false;
    // The n-th call of a function gives a code: `fail=cuMemAllocAsync:3:2`.
    std::string fail_name;
    long fail_at = 0;
    CUresult fail_code = 0;
    // From the n-th call of an opened device on every one gives this code, `lost=40:719`; `lost=each:719` loses the k-th
    // device that is opened in the k-th call.
    long lost_at = 0;
    bool lost_each = false;
    CUresult lost_code = 0;
    // The n-th launch of a kernel gives this code to all that is asked after it, `breaks=lstm_layer:2:700`, or never ends, `hangs=lstm_layer:1`.
    std::string breaks_name, hangs_name;
    long breaks_at = 0, hangs_at = 0;
    CUresult breaks_code = 0;
    // The first so many kernels of a name keep something outside of registers, `spills=lstm_layer:2`.
    std::string spills_name;
    long spills = 0;
    // A file for the number of calls of each function, and for what was not given back, written at the end.
    std::string report;
};
const Settings &settings();

// A function of the interface, with its calls counted.
struct Entry {
    const char *name;
    std::atomic<long> calls{0};
    Entry *next;
    explicit Entry(const char *name);
};
// What a call asks of: the driver, which is there when a device is lost, the device, or the context of this thread as well.
enum Asked { DRIVER, DEVICE, CONTEXT };
// What a call gives before it does anything, or SUCCESS.
CUresult enter(Entry &entry, Asked asked);
#define ENTER_AS(name, asked) \
    static Entry entry(#name); \
    if (const CUresult code = enter(entry, asked)) return code;
#define ENTER(name) ENTER_AS(name, DRIVER)
#define ENTER_DEVICE(name) ENTER_AS(name, DEVICE)
#define ENTER_CONTEXT(name) ENTER_AS(name, CONTEXT)
// From now on every call gives this: a kernel failed.
void stick(CUresult code);
// The device is opened, and closed: calls are counted from here.
void opened();
void closed();

// Whether this thread has the context.
bool has_context();

// What a stream has done so far: a mark is behind it.
struct Mark {
    std::atomic<bool> passed{false};
};
struct Stream;
typedef Stream *CUstream;
// Gives a stream something to do. False where there is no such stream.
bool give(CUstream stream, std::function<void()> work);
// Waits until a stream has done all, or all streams have.
void drain(CUstream stream);
void drain_all();
// All streams and marks end, and what they still do is waited for.
void end_streams();

// Frees everything.
void end_memory();
void end_modules();
// What lives, for the report.
std::string living();
long streams_living();
long events_living();
long modules_living();

// A part of the device's memory, or of the host's that is pinned: whether all of it belongs to one piece.
bool on_device(uint64_t address, size_t bytes);
