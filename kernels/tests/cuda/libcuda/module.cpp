// Modules, their kernels, and launches.

#include "driver.h"
#include <dlfcn.h>
#include <elf.h>
#include "../compile.h"

typedef int (*Sizes)(size_t *);
typedef void (*Launch)(int, int, int, int, void *const *);

struct Function {
    std::string name;
    Launch launch = nullptr;
    std::vector<size_t> sizes;
    int shared_bytes = 48 << 10;
    int local_bytes = 0;
};

struct Module {
    void *library = nullptr;
    std::map<std::string, std::unique_ptr<Function>> functions;
    // Its block, its threads and its shared memory are there once: one launch at a time.
    std::mutex runs;
};

static std::mutex lock;
static std::map<Module *, std::shared_ptr<Module>> modules;
static std::map<Function *, std::shared_ptr<Module>> owners;
static std::map<std::string, long> launches, loads;

// The bytes of an ELF file, which its header and its sections tell.
static size_t elf_bytes(const char *image) {
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    size_t bytes = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(image + header->e_shoff);
    for (int index = 0; index < header->e_shnum; index++) {
        if (sections[index].sh_type == SHT_NOBITS) continue;
        bytes = std::max(bytes, (size_t)(sections[index].sh_offset + sections[index].sh_size));
    }
    return bytes;
}

// Code is for one capability, PTX for it and all above; what ends in `a` is for no other device.
static bool suits(const std::string &architecture, const bool exactly) {
    const int capability = atoi(architecture.c_str() + architecture.find('_') + 1);
    return exactly ? capability == settings().capability : capability <= settings().capability;
}

static CUresult load(const char *image, const size_t bytes, Module **out) {
    // A name of its own for each: a library is known by its name.
    char name[] = "/tmp/diapason-test-module-XXXXXX";
    const int file = mkstemp(name);
    if (file < 0 || write(file, image, bytes) != (ssize_t)bytes) return OUT_OF_MEMORY;
    const auto module = std::make_shared<Module>();
    module->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    close(file);
    unlink(name);
    if (!module->library) {
        fprintf(stderr, "the test driver cannot load a module: %s\n", dlerror());
        return INVALID_IMAGE;
    }
    *out = module.get();
    std::lock_guard<std::mutex> held(lock);
    modules[*out] = module;
    return SUCCESS;
}

void end_modules() {
    std::lock_guard<std::mutex> held(lock);
    for (const auto &[handle, module] : modules) dlclose(module->library);
    owners.clear();
    modules.clear();
}

long modules_living() {
    std::lock_guard<std::mutex> held(lock);
    return (long)modules.size();
}

// A stream's kernel of which only the answer is wanted: the row's tick in every word of the outputs.
static void answer(const std::vector<uint64_t> &values) {
    unsigned *const count = (unsigned *)values[6];
    volatile uint64_t *const out = (volatile uint64_t *)values[8];
    const uint64_t due = ++*count;
    for (int place = 0; out + place < (volatile uint64_t *)values[9]; place++) out[place] = due << 32;
}

extern "C" {

CUresult cuModuleLoadData(Module **out, const void *data) {
    ENTER_CONTEXT(cuModuleLoadData);
    const char *const image = (const char *)data;
    Source source;
    if (memcmp(image, ELFMAG, SELFMAG) == 0) {
        if (((const Elf64_Ehdr *)image)->e_machine == 190) return NO_BINARY_FOR_GPU;
        const CUresult code = load(image, elf_bytes(image), out);
        if (code != SUCCESS) return code;
        const char *const architecture = (const char *)dlsym((*out)->library, "test_architecture");
        return architecture && suits(architecture, true) ? SUCCESS : NO_BINARY_FOR_GPU;
    }
    if (!from_ptx(image, source)) return INVALID_PTX;
    if (!suits(source.architecture, false)) return NO_BINARY_FOR_GPU;
    const auto [library, log] = compile(source);
    return library.empty() ? INVALID_PTX : load(library.data(), library.size(), out);
}

// What is launched from it has ended, as everywhere in Diapason; a device that hangs keeps its modules.
CUresult cuModuleUnload(Module *module) {
    ENTER_CONTEXT(cuModuleUnload);
    drain_all();
    std::lock_guard<std::mutex> held(lock);
    const auto found = modules.find(module);
    if (found == modules.end()) return INVALID_HANDLE;
    for (const auto &[name, function] : module->functions) owners.erase(function.get());
    dlclose(module->library);
    modules.erase(found);
    return SUCCESS;
}

CUresult cuModuleGetFunction(Function **out, Module *module, const char *name) {
    ENTER_CONTEXT(cuModuleGetFunction);
    std::lock_guard<std::mutex> held(lock);
    const auto found = modules.find(module);
    if (found == modules.end()) return INVALID_HANDLE;
    const std::string of = name;
    const Sizes sizes = (Sizes)dlsym(module->library, ("test_sizes_" + of).c_str());
    if (!sizes) return NOT_FOUND;
    auto function = std::make_unique<Function>();
    function->name = of;
    function->launch = (Launch)dlsym(module->library, ("test_launch_" + of).c_str());
    size_t all[64];
    const int count = sizes(all);
    function->sizes.assign(all, all + count);
    if (settings().spills_name == of && ++loads[of] <= settings().spills) function->local_bytes = 8;
    *out = function.get();
    owners[*out] = found->second;
    module->functions[of] = std::move(function);
    return SUCCESS;
}

CUresult cuFuncGetAttribute(int *value, const int attribute, Function *function) {
    ENTER_CONTEXT(cuFuncGetAttribute);
    std::lock_guard<std::mutex> held(lock);
    if (!owners.count(function)) return INVALID_HANDLE;
    if (attribute != 3) return INVALID_VALUE;
    *value = function->local_bytes;
    return SUCCESS;
}

CUresult cuFuncSetAttribute(Function *function, const int attribute, const int value) {
    ENTER_CONTEXT(cuFuncSetAttribute);
    std::lock_guard<std::mutex> held(lock);
    if (!owners.count(function)) return INVALID_HANDLE;
    if (attribute != 8 || value < 0 || value > settings().shared_bytes) return INVALID_VALUE;
    function->shared_bytes = std::max(value, 48 << 10);
    return SUCCESS;
}

CUresult cuLaunchKernel(
    Function *function, const unsigned x, const unsigned y, const unsigned z, const unsigned threads, const unsigned threads_y,
    const unsigned threads_z, const unsigned shared_bytes, const CUstream stream, void **arguments, void **) {
    ENTER_CONTEXT(cuLaunchKernel);
    std::shared_ptr<Module> module;
    long count;
    {
        std::lock_guard<std::mutex> held(lock);
        const auto owner = owners.find(function);
        if (owner == owners.end()) return INVALID_HANDLE;
        module = owner->second;
        count = ++launches[function->name];
    }
    // The limits of every device from compute capability 7.5 on.
    const bool grid = x >= 1 && y >= 1 && z >= 1 && x <= 0x7fffffff && y <= 65535 && z <= 65535;
    const bool block = threads >= 1 && threads <= 1024 && threads_y == 1 && threads_z == 1;
    if (!grid || !block || (int)shared_bytes > function->shared_bytes) return INVALID_VALUE;
    // As many bytes as the kernel declares, which must be there after the call, too.
    std::vector<uint64_t> values;
    for (size_t index = 0; index < function->sizes.size(); index++) {
        values.push_back(0);
        memcpy(&values.back(), arguments[index], function->sizes[index]);
    }
    const Settings &all = settings();
    if (all.empty) {
        if (function->name == "lstm_stream") answer(values);
        return SUCCESS;
    }
    const bool breaks = all.breaks_name == function->name && all.breaks_at == count;
    const bool hangs = all.hangs_name == function->name && all.hangs_at == count;
    const auto work = [=] {
        while (hangs) pause();
        if (breaks) {
            stick(settings().breaks_code);
            return;
        }
        std::vector<uint64_t> own = values;
        std::vector<void *> places;
        for (uint64_t &value : own) places.push_back(&value);
        std::lock_guard<std::mutex> held(module->runs);
        function->launch((int)x, (int)y, (int)z, (int)threads, places.data());
    };
    return give(stream, work) ? SUCCESS : INVALID_HANDLE;
}
}
