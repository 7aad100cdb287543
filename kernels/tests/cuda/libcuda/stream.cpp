// Streams, each a thread that does one thing after the other, and marks on the way.

#include "driver.h"

struct Stream {
    std::mutex lock;
    std::condition_variable wakes, rests;
    std::deque<std::function<void()>> work;
    bool busy = false, ends = false;
};

struct Event {
    // What was recorded last; an event that was never recorded is passed.
    std::shared_ptr<Mark> mark;
};

static std::mutex lock;
static std::map<CUstream, std::shared_ptr<Stream>> streams;
// Destroyed, but perhaps not yet done.
static std::vector<std::shared_ptr<Stream>> ending;
static std::set<Event *> events;

static void work_on(const std::shared_ptr<Stream> stream) {
    std::unique_lock<std::mutex> held(stream->lock);
    while (true) {
        stream->wakes.wait(held, [&] { return !stream->work.empty() || stream->ends; });
        if (stream->work.empty()) return;
        const auto work = std::move(stream->work.front());
        stream->work.pop_front();
        stream->busy = true;
        held.unlock();
        if (settings().late_us) usleep((useconds_t)settings().late_us);
        work();
        held.lock();
        stream->busy = false;
        if (stream->work.empty()) stream->rests.notify_all();
    }
}

static std::shared_ptr<Stream> known(const CUstream stream) {
    std::lock_guard<std::mutex> held(lock);
    const auto found = streams.find(stream);
    return found == streams.end() ? nullptr : found->second;
}

bool give(const CUstream stream, std::function<void()> work) {
    const auto to = known(stream);
    if (!to) return false;
    if (settings().empty) {
        work();
        return true;
    }
    {
        std::lock_guard<std::mutex> held(to->lock);
        to->work.push_back(std::move(work));
    }
    to->wakes.notify_one();
    return true;
}

static void drain(const std::shared_ptr<Stream> &stream) {
    std::unique_lock<std::mutex> held(stream->lock);
    stream->rests.wait(held, [&] { return stream->work.empty() && !stream->busy; });
}

void drain(const CUstream stream) {
    if (const auto of = known(stream)) drain(of);
}

static std::vector<std::shared_ptr<Stream>> all_streams() {
    std::lock_guard<std::mutex> held(lock);
    std::vector<std::shared_ptr<Stream>> all;
    for (const auto &[handle, stream] : streams) all.push_back(stream);
    return all;
}

void drain_all() {
    auto all = all_streams();
    {
        std::lock_guard<std::mutex> held(lock);
        all.insert(all.end(), ending.begin(), ending.end());
    }
    for (const auto &stream : all) drain(stream);
}

static void end(const std::shared_ptr<Stream> &stream) {
    std::lock_guard<std::mutex> held(stream->lock);
    stream->ends = true;
    stream->wakes.notify_one();
}

void end_streams() {
    drain_all();
    for (const auto &stream : all_streams()) end(stream);
    std::lock_guard<std::mutex> held(lock);
    streams.clear();
    ending.clear();
    for (Event *event : events) delete event;
    events.clear();
}

long streams_living() { return (long)all_streams().size(); }
long events_living() {
    std::lock_guard<std::mutex> held(lock);
    return (long)events.size();
}

static std::shared_ptr<Mark> mark_of(Event *event, bool &is_known) {
    std::lock_guard<std::mutex> held(lock);
    is_known = events.count(event);
    return is_known ? event->mark : nullptr;
}

static void wait_for(const std::shared_ptr<Mark> &mark) {
    while (mark && !mark->passed) usleep(20);
}

extern "C" {

CUresult cuStreamCreate(CUstream *out, const unsigned flags) {
    ENTER_CONTEXT(cuStreamCreate);
    // Only streams that do not wait for the null stream, which there is none of here.
    if (flags != 1) return INVALID_VALUE;
    const auto stream = std::make_shared<Stream>();
    *out = stream.get();
    std::thread(work_on, stream).detach();
    std::lock_guard<std::mutex> held(lock);
    streams[*out] = stream;
    return SUCCESS;
}

// Returns at once; what the stream has to do is still done.
CUresult cuStreamDestroy_v2(const CUstream stream) {
    ENTER_CONTEXT(cuStreamDestroy_v2);
    const auto known_stream = known(stream);
    if (!known_stream) return INVALID_HANDLE;
    end(known_stream);
    std::lock_guard<std::mutex> held(lock);
    streams.erase(stream);
    ending.push_back(known_stream);
    return SUCCESS;
}

CUresult cuStreamSynchronize(const CUstream stream) {
    ENTER_CONTEXT(cuStreamSynchronize);
    if (!known(stream)) return INVALID_HANDLE;
    drain(stream);
    return SUCCESS;
}

// What was recorded last is waited for, whatever is recorded later.
CUresult cuStreamWaitEvent(const CUstream stream, Event *event, unsigned) {
    ENTER_CONTEXT(cuStreamWaitEvent);
    bool is_known;
    const auto mark = mark_of(event, is_known);
    if (!is_known || !known(stream)) return INVALID_HANDLE;
    if (mark && !mark->passed) give(stream, [=] { wait_for(mark); });
    return SUCCESS;
}

CUresult cuEventCreate(Event **out, unsigned) {
    ENTER_CONTEXT(cuEventCreate);
    *out = new Event;
    std::lock_guard<std::mutex> held(lock);
    events.insert(*out);
    return SUCCESS;
}

CUresult cuEventDestroy_v2(Event *event) {
    ENTER_CONTEXT(cuEventDestroy_v2);
    std::lock_guard<std::mutex> held(lock);
    if (!events.erase(event)) return INVALID_HANDLE;
    delete event;
    return SUCCESS;
}

CUresult cuEventRecord(Event *event, const CUstream stream) {
    ENTER_CONTEXT(cuEventRecord);
    const auto mark = std::make_shared<Mark>();
    {
        std::lock_guard<std::mutex> held(lock);
        if (!events.count(event) || !streams.count(stream)) return INVALID_HANDLE;
        event->mark = mark;
    }
    give(stream, [=] { mark->passed = true; });
    return SUCCESS;
}

CUresult cuEventQuery(Event *event) {
    ENTER_DEVICE(cuEventQuery);
    bool is_known;
    const auto mark = mark_of(event, is_known);
    if (!is_known) return INVALID_HANDLE;
    return !mark || mark->passed ? SUCCESS : NOT_READY;
}

CUresult cuEventSynchronize(Event *event) {
    ENTER_CONTEXT(cuEventSynchronize);
    bool is_known;
    const auto mark = mark_of(event, is_known);
    if (!is_known) return INVALID_HANDLE;
    wait_for(mark);
    return SUCCESS;
}
}
