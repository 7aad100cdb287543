// CUDA C++ made into a library for this processor, by the C++ compiler over host.cuh. ASSETS is where that lies.

#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

struct Source {
    std::string text;
    // `sm_90a`, or `compute_75`.
    std::string architecture;
    std::vector<std::string> defines;
    // Whether a product and a sum may be rounded once.
    bool fused = true;
};

inline std::string read_file(const std::string &path) {
    std::string bytes;
    if (FILE *file = fopen(path.c_str(), "rb")) {
        char block[1 << 16];
        for (size_t len; (len = fread(block, 1, sizeof block, file)) > 0;) bytes.append(block, len);
        fclose(file);
    }
    return bytes;
}

inline void replace_all(std::string &text, const std::string &from, const std::string &to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

// The names of the kernels in a text: what stands before the bracket of the arguments.
inline std::vector<std::string> kernel_names(const std::string &text) {
    std::vector<std::string> names;
    const std::string begin = "extern \"C\" __global__ void ";
    for (size_t at = 0; (at = text.find(begin, at)) != std::string::npos;) {
        at += begin.size();
        const std::string bounds = "__launch_bounds__(";
        if (text.compare(at, bounds.size(), bounds) == 0) {
            int open = 1;
            for (at += bounds.size(); open > 0; at++) open += (text[at] == '(') - (text[at] == ')');
            at = text.find_first_not_of(' ', at);
        }
        names.push_back(text.substr(at, text.find('(', at) - at));
    }
    return names;
}

// A kernel's memory that is asked for at the launch is a pointer here, and its other shared memory is static.
inline std::string module_text(const Source &source) {
    std::string text = source.text;
    for (const char *kind : {"float4", "uint4", "float", "double"}) {
        const std::string name = kind;
        replace_all(text, "extern __shared__ " + name + " shared_memory[];",
            name + " *const shared_memory = (" + name + " *)all_shared_memory;");
    }
    std::string all = "#define PLAN\n#define DIAPASON_HOST\n";
    for (const std::string &define : source.defines) {
        const size_t equals = define.find('=');
        all += "#define " + define.substr(0, equals) + " " + (equals == std::string::npos ? "1" : define.substr(equals + 1)) + "\n";
    }
    all += "#include \"host.cuh\"\n#include \"commands.h\"\n#line 1 \"kernel.cu\"\n" + text + "\n#include \"module.h\"\n";
    all += "SHOWN const char test_architecture[] = \"" + source.architecture + "\";\n";
    for (const std::string &name : kernel_names(source.text)) all += "MODULE_KERNEL(" + name + ")\n";
    return all;
}

// The library, or what the compiler says against the source.
inline std::pair<std::string, std::string> compile(const Source &source) {
    char folder[] = "/tmp/diapason-test-module-XXXXXX";
    if (!mkdtemp(folder)) return {"", "no temporary folder"};
    const std::string base = folder, text = base + "/module.cpp", library = base + "/module.so", log = base + "/log";
    if (FILE *file = fopen(text.c_str(), "w")) {
        const std::string all = module_text(source);
        fwrite(all.data(), 1, all.size(), file);
        fclose(file);
    }
    std::string command = "c++ -O2 -std=c++17 -w -nostdinc++ -fPIC -shared -fvisibility=hidden -fno-exceptions -fno-rtti -fno-plt ";
#ifdef __x86_64__
    command += "-march=native ";
#endif
    command += source.fused ? "-ffp-contract=fast " : "-ffp-contract=off ";
    command += "-I " ASSETS " " + text + " -o " + library + " > " + log + " 2>&1";
    const int status = system(command.c_str());
    std::pair<std::string, std::string> made = {status == 0 ? read_file(library) : "", read_file(log)};
    for (const std::string &path : {text, library, log}) unlink(path.c_str());
    rmdir(folder);
    return made;
}

// What stands for PTX: the source, with what it is compiled for and with, which the driver compiles when it is loaded.
inline std::string as_ptx(const Source &source) {
    std::string text = "// PTX of the test compiler\n.target " + source.architecture + "\n.fused " + (source.fused ? "1" : "0") + "\n";
    for (const std::string &define : source.defines) text += ".define " + define + "\n";
    return text + ".source\n" + source.text;
}

inline bool from_ptx(const std::string &text, Source &source) {
    if (text.rfind("// PTX of the test compiler\n", 0) != 0) return false;
    size_t at = text.find('\n') + 1;
    while (at < text.size()) {
        const size_t end = text.find('\n', at);
        if (end == std::string::npos) return false;
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (line == ".source") {
            source.text = text.substr(at);
            return true;
        }
        if (line.rfind(".target ", 0) == 0) source.architecture = line.substr(8);
        if (line.rfind(".fused ", 0) == 0) source.fused = line.substr(7) == "1";
        if (line.rfind(".define ", 0) == 0) source.defines.push_back(line.substr(8));
    }
    return false;
}
