// Memory of the device, with a limit, and memory of the host that the device reads by itself.

#include "driver.h"
#include <sys/mman.h>

struct Piece {
    size_t bytes;
    // What is mapped: the piece ends where a page that may not be touched begins.
    char *map;
    size_t map_bytes;
    bool pinned;
    unsigned flags;
};
static std::mutex lock;
static std::map<uint64_t, Piece> pieces;
static size_t used_bytes;

// The piece that holds these bytes.
static const Piece *piece_of(const uint64_t address, const size_t bytes, const bool pinned) {
    auto after = pieces.upper_bound(address);
    if (after == pieces.begin()) return nullptr;
    const auto &[begin, piece] = *--after;
    return piece.pinned == pinned && address + bytes <= begin + piece.bytes ? &piece : nullptr;
}

bool on_device(const uint64_t address, const size_t bytes) {
    std::lock_guard<std::mutex> held(lock);
    return piece_of(address, bytes, false);
}

static bool is_pinned(const void *address, const size_t bytes) {
    std::lock_guard<std::mutex> held(lock);
    return piece_of((uint64_t)(uintptr_t)address, bytes, true);
}

static CUresult allocate(uint64_t *address, const size_t bytes, const bool pinned, const unsigned flags) {
    if (bytes == 0) return INVALID_VALUE;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
    std::lock_guard<std::mutex> held(lock);
    if (!pinned && used_bytes + bytes > settings().memory_bytes) return OUT_OF_MEMORY;
    char *const map = (char *)mmap(nullptr, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return OUT_OF_MEMORY;
    mprotect(map + body, page, PROT_NONE);
    // Kernels read vectors of 16 bytes; what a device gives is aligned to more.
    char *const begin = map + (body - bytes) / 64 * 64;
    memset(begin, 0xff, bytes);
    if (!pinned) used_bytes += bytes;
    *address = (uint64_t)(uintptr_t)begin;
    pieces[*address] = {bytes, map, body + page, pinned, flags};
    return SUCCESS;
}

static CUresult release(const uint64_t address, const bool pinned) {
    std::lock_guard<std::mutex> held(lock);
    const auto found = pieces.find(address);
    if (found == pieces.end() || found->second.pinned != pinned) return INVALID_VALUE;
    munmap(found->second.map, found->second.map_bytes);
    if (!pinned) used_bytes -= found->second.bytes;
    pieces.erase(found);
    return SUCCESS;
}

void end_memory() {
    std::lock_guard<std::mutex> held(lock);
    for (const auto &[begin, piece] : pieces) munmap(piece.map, piece.map_bytes);
    pieces.clear();
    used_bytes = 0;
}

std::string living() {
    std::lock_guard<std::mutex> held(lock);
    long device = 0, pinned = 0;
    for (const auto &[begin, piece] : pieces) (piece.pinned ? pinned : device)++;
    return "living device memory " + std::to_string(device) + "\nliving pinned memory " + std::to_string(pinned) +
        "\nliving streams " + std::to_string(streams_living()) + "\nliving events " + std::to_string(events_living()) +
        "\nliving modules " + std::to_string(modules_living()) + "\n";
}

extern "C" {

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    ENTER_CONTEXT(cuMemGetInfo_v2);
    std::lock_guard<std::mutex> held(lock);
    *total = settings().memory_bytes;
    *free = *total - used_bytes;
    return SUCCESS;
}

CUresult cuMemAlloc_v2(uint64_t *address, const size_t bytes) {
    ENTER_CONTEXT(cuMemAlloc_v2);
    return allocate(address, bytes, false, 0);
}

CUresult cuMemFree_v2(const uint64_t address) {
    ENTER_CONTEXT(cuMemFree_v2);
    drain_all();
    return release(address, false);
}

// What its stream has freed before is there again, so it is waited for before there is said to be no more.
CUresult cuMemAllocAsync(uint64_t *address, const size_t bytes, const CUstream stream) {
    ENTER_CONTEXT(cuMemAllocAsync);
    if (!settings().pools) return 801;
    CUresult code = allocate(address, bytes, false, 0);
    if (code == OUT_OF_MEMORY) {
        drain(stream);
        code = allocate(address, bytes, false, 0);
    }
    return code;
}

CUresult cuMemFreeAsync(const uint64_t address, const CUstream stream) {
    ENTER_CONTEXT(cuMemFreeAsync);
    if (!on_device(address, 1)) return INVALID_VALUE;
    return give(stream, [=] { release(address, false); }) ? SUCCESS : INVALID_HANDLE;
}

CUresult cuMemHostAlloc(void **out, const size_t bytes, const unsigned flags) {
    ENTER_CONTEXT(cuMemHostAlloc);
    uint64_t address = 0;
    const CUresult code = allocate(&address, bytes, true, flags);
    *out = (void *)(uintptr_t)address;
    return code;
}

// Waits for the whole device, as cudaFreeHost is documented to.
CUresult cuMemFreeHost(void *address) {
    ENTER_CONTEXT(cuMemFreeHost);
    drain_all();
    return release((uint64_t)(uintptr_t)address, true);
}

CUresult cuMemsetD8Async(const uint64_t address, const unsigned char value, const size_t bytes, const CUstream stream) {
    ENTER_CONTEXT(cuMemsetD8Async);
    if (!on_device(address, bytes)) return INVALID_VALUE;
    return give(stream, [=] { memset((void *)(uintptr_t)address, value, bytes); }) ? SUCCESS : INVALID_HANDLE;
}

// Pinned memory is read when the copy's turn comes, other memory before the call returns.
CUresult cuMemcpyHtoDAsync_v2(const uint64_t to, const void *from, const size_t bytes, const CUstream stream) {
    ENTER_CONTEXT(cuMemcpyHtoDAsync_v2);
    if (bytes && !on_device(to, bytes)) return INVALID_VALUE;
    if (is_pinned(from, bytes)) {
        return give(stream, [=] { memcpy((void *)(uintptr_t)to, from, bytes); }) ? SUCCESS : INVALID_HANDLE;
    }
    const auto held = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
    return give(stream, [=] { memcpy((void *)(uintptr_t)to, held->data(), bytes); }) ? SUCCESS : INVALID_HANDLE;
}

// To memory that is not pinned a copy has ended when the call returns.
CUresult cuMemcpyDtoHAsync_v2(void *to, const uint64_t from, const size_t bytes, const CUstream stream) {
    ENTER_CONTEXT(cuMemcpyDtoHAsync_v2);
    if (bytes && !on_device(from, bytes)) return INVALID_VALUE;
    if (!give(stream, [=] { memcpy(to, (const void *)(uintptr_t)from, bytes); })) return INVALID_HANDLE;
    if (!is_pinned(to, bytes)) drain(stream);
    return SUCCESS;
}

CUresult cuMemcpyDtoDAsync_v2(const uint64_t to, const uint64_t from, const size_t bytes, const CUstream stream) {
    ENTER_CONTEXT(cuMemcpyDtoDAsync_v2);
    if (!on_device(to, bytes) || !on_device(from, bytes)) return INVALID_VALUE;
    const auto copy = [=] { memmove((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes); };
    return give(stream, copy) ? SUCCESS : INVALID_HANDLE;
}
}
