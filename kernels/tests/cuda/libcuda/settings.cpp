// What the environment asks for, and what each call gives before it does anything.

#include "driver.h"

static Entry *entries;
static std::mutex lock;
static std::atomic<long> calls_since_open{0}, times_opened{0};
static std::atomic<long> lost_at{0};
static std::atomic<CUresult> stuck{0};
static std::atomic<bool> is_open{false};

// `text` up to the next `:`, which is taken off.
static std::string part(std::string &text) {
    const size_t at = text.find(':');
    const std::string first = text.substr(0, at);
    text = at == std::string::npos ? "" : text.substr(at + 1);
    return first;
}

static void report() {
    FILE *file = fopen(settings().report.c_str(), "w");
    if (!file) return;
    for (Entry *entry = entries; entry; entry = entry->next) {
        fprintf(file, "%s %ld\n", entry->name, entry->calls.load());
    }
    fputs(living().c_str(), file);
    fclose(file);
}

static Settings *read_settings() {
    Settings &all = *new Settings;
    const char *text = getenv("DIAPASON_TEST_DRIVER");
    std::string rest = text ? text : "";
    while (!rest.empty()) {
        const size_t comma = rest.find(',');
        std::string item = rest.substr(0, comma);
        rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
        const size_t equals = item.find('=');
        const std::string name = item.substr(0, equals);
        std::string value = equals == std::string::npos ? "" : item.substr(equals + 1);
        const auto number = [&] { return atol(part(value).c_str()); };
        if (name == "devices") all.devices = (int)number();
        else if (name == "version") all.version = (int)number();
        else if (name == "capability") all.capability = (int)number();
        else if (name == "processors") all.processors = (int)number();
        else if (name == "shared") all.shared_bytes = (int)number();
        else if (name == "pools") all.pools = (int)number();
        else if (name == "memory") all.memory_bytes = (size_t)number();
        else if (name == "late") all.late_us = (int)number();
        else if (name == "empty") all.empty = true;
        else if (name == "report") all.report = value;
        else if (name == "fail") all.fail_name = part(value), all.fail_at = number(), all.fail_code = (CUresult)number();
        else if (name == "breaks") all.breaks_name = part(value), all.breaks_at = number(), all.breaks_code = (CUresult)number();
        else if (name == "hangs") all.hangs_name = part(value), all.hangs_at = number();
        else if (name == "spills") all.spills_name = part(value), all.spills = number();
        else if (name == "lost") {
            const std::string first = part(value);
            all.lost_each = first == "each";
            all.lost_at = atol(first.c_str());
            all.lost_code = (CUresult)number();
        } else {
            fprintf(stderr, "the test driver knows no setting %s\n", item.c_str());
            _exit(3);
        }
    }
    if (!all.report.empty()) atexit(report);
    return &all;
}

const Settings &settings() {
    static const Settings *const all = read_settings();
    return *all;
}

Entry::Entry(const char *name) : name(name) {
    std::lock_guard<std::mutex> held(lock);
    next = entries;
    entries = this;
}

CUresult enter(Entry &entry, const Asked asked) {
    const Settings &all = settings();
    const long calls = ++entry.calls;
    if (all.fail_at == calls && all.fail_name == entry.name) return all.fail_code;
    if (asked == DRIVER) return SUCCESS;
    if (is_open) {
        const long since = ++calls_since_open;
        if (lost_at && since >= lost_at) return all.lost_code;
    }
    if (const CUresult code = stuck) return code;
    return asked == CONTEXT && !has_context() ? INVALID_CONTEXT : SUCCESS;
}

void stick(const CUresult code) { stuck = code; }

void opened() {
    const long times = ++times_opened;
    calls_since_open = 0;
    lost_at = settings().lost_each ? times : settings().lost_at;
    is_open = true;
}

void closed() {
    is_open = false;
    stuck = SUCCESS;
}
