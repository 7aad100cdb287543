// NVRTC made of the C++ compiler, for tests: machine code is that of this processor. The real one compiles every kernel in a test
// of its own; this one makes what the test driver runs.

#include <cstring>
#include "../compile.h"

struct Program {
    Source source;
    std::string log, ptx, cubin;
};

enum { DONE = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, REFUSED = 6 };

extern "C" {

int nvrtcVersion(int *major, int *minor) {
    *major = 12;
    *minor = 9;
    return DONE;
}

int nvrtcCreateProgram(Program **program, const char *text, const char *, const int headers, const char *const *, const char *const *) {
    if (headers) return INVALID_INPUT;
    *program = new Program;
    (*program)->source.text = text;
    return DONE;
}

int nvrtcCompileProgram(Program *program, const int count, const char *const *options) {
    Source &source = program->source;
    for (int index = 0; index < count; index++) {
        const std::string option = options[index];
        if (option.rfind("--gpu-architecture=", 0) == 0) source.architecture = option.substr(19);
        else if (option == "--fmad=false") source.fused = false;
        else if (option.rfind("-D", 0) == 0) source.defines.push_back(option.substr(2));
        else if (option != "--std=c++17" && option != "--ptxas-options=-v") {
            program->log = "nvrtc: error: unrecognised option " + option;
            return INVALID_OPTION;
        }
    }
    const bool machine_code = source.architecture.rfind("sm_", 0) == 0;
    if (!machine_code && source.architecture.rfind("compute_", 0) != 0) return INVALID_OPTION;
    const int capability = atoi(source.architecture.c_str() + source.architecture.find('_') + 1);
    for (const std::string &define : source.defines) {
        if (define == "BF16=1" && capability < 80) {
            program->log = "bf16 needs compute capability 8.0";
            return REFUSED;
        }
    }
    program->ptx = as_ptx(source);
    if (!machine_code) return DONE;
    const auto [library, log] = compile(source);
    program->log = log;
    if (library.empty()) return REFUSED;
    program->cubin = library;
    program->log += "ptxas info    : Function properties\nptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                    "ptxas info    : Used 64 registers, used 1 barriers\n";
    return DONE;
}

int nvrtcDestroyProgram(Program **program) {
    delete *program;
    *program = nullptr;
    return DONE;
}

// Texts end in a zero, which counts.
int nvrtcGetProgramLogSize(Program *program, size_t *size) { return *size = program->log.size() + 1, DONE; }
int nvrtcGetProgramLog(Program *program, char *to) { return strcpy(to, program->log.c_str()), DONE; }
int nvrtcGetPTXSize(Program *program, size_t *size) { return *size = program->ptx.size() + 1, DONE; }
int nvrtcGetPTX(Program *program, char *to) { return strcpy(to, program->ptx.c_str()), DONE; }
int nvrtcGetCUBINSize(Program *program, size_t *size) { return *size = program->cubin.size(), DONE; }
int nvrtcGetCUBIN(Program *program, char *to) { return memcpy(to, program->cubin.data(), program->cubin.size()), DONE; }
}
