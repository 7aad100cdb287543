// The driver, its devices, and their one context.

#include "driver.h"

struct Context {
    int retained = 0;
};
static Context context;
static std::mutex lock;
static std::atomic<bool> initialised{false};
static thread_local Context *current;

bool has_context() { return current == &context && context.retained > 0; }

extern "C" {

CUresult cuGetErrorName(const CUresult code, const char **name) {
    *name = code == SUCCESS ? "CUDA_SUCCESS" : "an error of the test driver";
    return SUCCESS;
}
CUresult cuGetErrorString(const CUresult code, const char **text) { return cuGetErrorName(code, text); }

CUresult cuDriverGetVersion(int *version) {
    ENTER(cuDriverGetVersion);
    *version = settings().version;
    return SUCCESS;
}

CUresult cuInit(const unsigned flags) {
    ENTER(cuInit);
    if (flags) return INVALID_VALUE;
    initialised = true;
    return settings().devices ? SUCCESS : NO_DEVICE;
}

CUresult cuDeviceGetCount(int *count) {
    ENTER(cuDeviceGetCount);
    if (!initialised) return NOT_INITIALIZED;
    *count = settings().devices;
    return SUCCESS;
}

CUresult cuDeviceGet(int *device, const int ordinal) {
    ENTER(cuDeviceGet);
    if (!initialised) return NOT_INITIALIZED;
    if (ordinal < 0 || ordinal >= settings().devices) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

CUresult cuDeviceGetName(char *name, const int len, const int device) {
    ENTER(cuDeviceGetName);
    if (device >= settings().devices) return INVALID_DEVICE;
    snprintf(name, (size_t)len, "test driver on the processor");
    return SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, const int attribute, const int device) {
    ENTER(cuDeviceGetAttribute);
    if (device >= settings().devices) return INVALID_DEVICE;
    // Numbers of CUdevice_attribute in cuda.h.
    switch (attribute) {
    case 16: *value = settings().processors; break;
    case 75: *value = settings().capability / 10; break;
    case 76: *value = settings().capability % 10; break;
    case 97: *value = settings().shared_bytes; break;
    case 115: *value = settings().pools; break;
    default: fprintf(stderr, "the test driver knows no attribute %d\n", attribute); return INVALID_VALUE;
    }
    return SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(void **out, const int device) {
    ENTER(cuDevicePrimaryCtxRetain);
    if (!initialised) return NOT_INITIALIZED;
    if (device >= settings().devices) return INVALID_DEVICE;
    std::lock_guard<std::mutex> held(lock);
    if (context.retained++ == 0) opened();
    *out = &context;
    return SUCCESS;
}

// The last release ends the context: what still runs is waited for, however long, which is why nobody may release a device that hangs.
CUresult cuDevicePrimaryCtxRelease_v2(int) {
    static Entry entry("cuDevicePrimaryCtxRelease_v2");
    const CUresult code = enter(entry, DEVICE);
    std::lock_guard<std::mutex> held(lock);
    if (context.retained == 0) return INVALID_CONTEXT;
    if (--context.retained == 0) {
        end_streams();
        end_modules();
        end_memory();
        closed();
    }
    return code;
}

CUresult cuCtxGetCurrent(void **out) {
    ENTER(cuCtxGetCurrent);
    *out = current;
    return SUCCESS;
}

CUresult cuCtxSetCurrent(void *wanted) {
    ENTER(cuCtxSetCurrent);
    if (wanted && wanted != &context) return INVALID_CONTEXT;
    current = (Context *)wanted;
    return SUCCESS;
}

CUresult cuCtxSynchronize() {
    ENTER_CONTEXT(cuCtxSynchronize);
    drain_all();
    return SUCCESS;
}
}
