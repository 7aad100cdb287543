/*
 * NVIDIA's management library as far as the daemon uses it, for machines without a GPU. The names, numbers and meanings
 * are those of the NVML API Reference; nothing else is. Two GPUs, whose settings lie in the file that
 * FAKE_NVML_STATE names, so that they outlive the process as those of a driver do.
 *
 * GPU 0 has no automatic boost, GPU 1 has. FAKE_NVML_INIT is what the start answers, FAKE_NVML_REFUSE what every change of
 * the name that follows it answers: "power=4".
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6 };
enum { GRAPHICS = 0, MEMORY = 2 };

struct gpu {
    char uuid[64];
    unsigned persistence, power, memory, graphics, mode, boost;
};

static struct gpu *gpus;

static unsigned refusal(const char *change) {
    const char *said = getenv("FAKE_NVML_REFUSE");
    size_t length = strlen(change);
    if (said && !strncmp(said, change, length) && said[length] == '=')
        return (unsigned)atoi(said + length + 1);
    return SUCCESS;
}

unsigned nvmlInit_v2(void) {
    const char *said = getenv("FAKE_NVML_INIT");
    if (said && atoi(said))
        return (unsigned)atoi(said);
    int file = open(getenv("FAKE_NVML_STATE"), O_RDWR);
    gpus = mmap(0, 2 * sizeof *gpus, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return gpus == MAP_FAILED ? 999 : SUCCESS;
}

unsigned nvmlShutdown(void) { return SUCCESS; }

unsigned nvmlSystemGetDriverVersion(char *text, unsigned length) {
    strncpy(text, "550.54.15", length);
    return SUCCESS;
}

unsigned nvmlDeviceGetCount_v2(unsigned *count) {
    *count = 2;
    return SUCCESS;
}

unsigned nvmlDeviceGetHandleByIndex_v2(unsigned index, struct gpu **device) {
    if (index > 1)
        return INVALID_ARGUMENT;
    *device = &gpus[index];
    return SUCCESS;
}

unsigned nvmlDeviceGetHandleByUUID(const char *uuid, struct gpu **device) {
    for (unsigned index = 0; index < 2; index++)
        if (!strcmp(gpus[index].uuid, uuid)) {
            *device = &gpus[index];
            return SUCCESS;
        }
    return NOT_FOUND;
}

unsigned nvmlDeviceGetUUID(struct gpu *device, char *text, unsigned length) {
    strncpy(text, device->uuid, length);
    return SUCCESS;
}

unsigned nvmlDeviceGetPersistenceMode(struct gpu *device, unsigned *mode) {
    *mode = device->persistence;
    return SUCCESS;
}

unsigned nvmlDeviceSetPersistenceMode(struct gpu *device, unsigned mode) {
    unsigned refused = refusal("persistence");
    if (!refused)
        device->persistence = mode;
    return refused;
}

unsigned nvmlDeviceGetPowerManagementLimit(struct gpu *device, unsigned *limit) {
    *limit = device->power;
    return SUCCESS;
}

unsigned nvmlDeviceGetPowerManagementDefaultLimit(struct gpu *device, unsigned *limit) {
    (void)device;
    *limit = 400000;
    return SUCCESS;
}

unsigned nvmlDeviceGetPowerManagementLimitConstraints(struct gpu *device, unsigned *min, unsigned *max) {
    (void)device;
    *min = 100000;
    *max = 400000;
    return SUCCESS;
}

unsigned nvmlDeviceSetPowerManagementLimit(struct gpu *device, unsigned limit) {
    unsigned refused = refusal("power");
    if (!refused && (limit < 100000 || limit > 400000))
        refused = INVALID_ARGUMENT;
    if (!refused)
        device->power = limit;
    return refused;
}

unsigned nvmlDeviceGetApplicationsClock(struct gpu *device, unsigned kind, unsigned *mhz) {
    *mhz = kind == MEMORY ? device->memory : device->graphics;
    return kind == MEMORY || kind == GRAPHICS ? SUCCESS : INVALID_ARGUMENT;
}

unsigned nvmlDeviceGetDefaultApplicationsClock(struct gpu *device, unsigned kind, unsigned *mhz) {
    (void)device;
    *mhz = kind == MEMORY ? 1215 : 1095;
    return SUCCESS;
}

unsigned nvmlDeviceSetApplicationsClocks(struct gpu *device, unsigned memory, unsigned graphics) {
    unsigned refused = refusal("clocks");
    if (!refused && memory != 1215)
        refused = INVALID_ARGUMENT;
    if (!refused) {
        device->memory = memory;
        device->graphics = graphics;
    }
    return refused;
}

unsigned nvmlDeviceGetComputeMode(struct gpu *device, unsigned *mode) {
    *mode = device->mode;
    return SUCCESS;
}

unsigned nvmlDeviceSetComputeMode(struct gpu *device, unsigned mode) {
    unsigned refused = refusal("mode");
    if (!refused)
        device->mode = mode;
    return refused;
}

unsigned nvmlDeviceGetAutoBoostedClocksEnabled(struct gpu *device, unsigned *now, unsigned *usual) {
    if (device == &gpus[0])
        return NOT_SUPPORTED;
    *now = device->boost;
    *usual = 1;
    return SUCCESS;
}

unsigned nvmlDeviceSetAutoBoostedClocksEnabled(struct gpu *device, unsigned enabled) {
    unsigned refused = refusal("boost");
    if (!refused)
        device->boost = enabled;
    return refused;
}
