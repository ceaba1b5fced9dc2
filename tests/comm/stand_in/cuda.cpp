#include "cuda.hpp"

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

/// One recording of an event.
struct mark {
    std::mutex mutex;
    std::condition_variable changed;
    bool reached = false;

    void reach()
    {
        const std::lock_guard lock(mutex);
        reached = true;
        changed.notify_all();
    }
    void wait()
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return reached; });
    }
};

struct block {
    std::size_t bytes;
    cudaMemoryType kind;
};
std::mutex blocks_mutex;
std::map<const char*, block>& blocks()
{
    static auto* const all = new std::map<const char*, block>; // never ends: blocks that are given up on purpose stay known, to LeakSanitizer too
    return *all;
}

cudaError_t take(void** at, std::size_t bytes, cudaMemoryType kind)
{
    stand_in::cuda_world& world = stand_in::cuda();
    if (world.fail_allocation >= 0 && world.fail_allocation-- == 0) return cudaErrorMemoryAllocation;
    *at = std::malloc(bytes + 1);
    std::memset(*at, 0xff, bytes); // fresh device memory holds anything
    const std::lock_guard lock(blocks_mutex);
    blocks()[static_cast<const char*>(*at)] = {bytes, kind};
    ++world.allocations;
    return cudaSuccess;
}

cudaError_t give_back(void* at)
{
    if (at == nullptr) return cudaSuccess;
    const std::lock_guard lock(blocks_mutex);
    if (blocks().erase(static_cast<const char*>(at)) == 0) return cudaErrorInvalidValue;
    --stand_in::cuda().allocations;
    std::free(at);
    return cudaSuccess;
}

thread_local int device_of_thread = 0;

} // namespace

struct CUgraph_st {
    std::vector<std::function<void()>> works;
};
struct CUgraphExec_st {
    std::vector<std::function<void()>> works;
};

struct CUstream_st {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> queue;
    bool busy = false, ending = false, capturing = false;
    CUgraph_st captured;
    std::thread worker{[this] { work(); }};

    void work()
    {
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [&] { return ending || !queue.empty(); });
            if (queue.empty()) return;
            const std::function<void()> next = std::move(queue.front());
            queue.pop_front();
            busy = true;
            lock.unlock();
            next();
            lock.lock();
            busy = false;
            changed.notify_all();
        }
    }
    void add(std::function<void()> what)
    {
        const std::lock_guard lock(mutex);
        if (capturing) {
            captured.works.push_back(std::move(what));
            return;
        }
        queue.push_back(std::move(what));
        changed.notify_all();
    }
    bool idle()
    {
        const std::lock_guard lock(mutex);
        return queue.empty() && !busy;
    }
    ~CUstream_st()
    {
        {
            const std::lock_guard lock(mutex);
            ending = true;
            changed.notify_all();
        }
        worker.join();
    }
};

struct CUevent_st {
    std::mutex mutex;
    std::shared_ptr<mark> last;
};

namespace {

CUstream_st& real(cudaStream_t stream)
{
    if (stream != nullptr) return *stream;
    static CUstream_st null_stream;
    return null_stream;
}

} // namespace

namespace stand_in {

cuda_world& cuda()
{
    static cuda_world world;
    return world;
}

void launch(cudaStream_t stream, std::function<void()> work) { real(stream).add(std::move(work)); }

} // namespace stand_in

extern "C" {

cudaError_t cudaGetDeviceCount(int* count)
{
    *count = stand_in::cuda().devices;
    return stand_in::cuda().driver;
}
cudaError_t cudaGetDevice(int* device)
{
    *device = device_of_thread;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= stand_in::cuda().devices) return cudaErrorInvalidDevice;
    device_of_thread = device;
    return cudaSuccess;
}
cudaError_t cudaPeekAtLastError() { return stand_in::cuda().earlier; }
const char* cudaGetErrorName(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    default: return "cudaErrorUnknown";
    }
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

cudaError_t cudaMalloc(void** at, size_t bytes) { return take(at, bytes, cudaMemoryTypeDevice); }
cudaError_t cudaMallocHost(void** at, size_t bytes) { return take(at, bytes, cudaMemoryTypeHost); }
cudaError_t cudaFree(void* at) { return give_back(at); }
cudaError_t cudaFreeHost(void* at) { return give_back(at); }
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* found, const void* at)
{
    const std::lock_guard lock(blocks_mutex);
    auto next = blocks().upper_bound(static_cast<const char*>(at));
    found->type = cudaMemoryTypeUnregistered;
    if (next == blocks().begin()) return cudaSuccess;
    --next;
    if (static_cast<const char*>(at) < next->first + next->second.bytes) found->type = next->second.kind;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int)
{
    *stream = new CUstream_st;
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    delete stream;
    return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    if (real(stream).capturing) return cudaErrorStreamCaptureUnsupported;
    if (stand_in::cuda().stream_failure != cudaSuccess) return stand_in::cuda().stream_failure;
    return real(stream).idle() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    std::unique_lock lock(real(stream).mutex);
    real(stream).changed.wait(lock, [&] { return real(stream).queue.empty() && !real(stream).busy; });
    return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status)
{
    *status = real(stream).capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    real(stream).captured.works.clear();
    real(stream).capturing = true;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph)
{
    real(stream).capturing = false;
    *graph = new CUgraph_st(std::move(real(stream).captured));
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long)
{
    *executable = new CUgraphExec_st{graph->works};
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    for (const auto& work : executable->works) real(stream).add(work);
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    delete executable;
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int)
{
    *event = new CUevent_st;
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    const auto here = std::make_shared<mark>();
    {
        const std::lock_guard lock(event->mutex);
        event->last = here;
    }
    real(stream).add([here] { here->reach(); });
    return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event)
{
    const std::lock_guard lock(event->mutex);
    if (!event->last) return cudaSuccess;
    const std::lock_guard of_mark(event->last->mutex);
    return event->last->reached ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int)
{
    std::shared_ptr<mark> awaited;
    {
        const std::lock_guard lock(event->mutex);
        awaited = event->last;
    }
    if (awaited) real(stream).add([awaited] { awaited->wait(); });
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream)
{
    real(stream).add([=] { std::memcpy(to, from, bytes); });
    return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height, cudaMemcpyKind, cudaStream_t stream)
{
    if (width > to_pitch || width > from_pitch) return cudaErrorInvalidPitchValue;
    real(stream).add([=] {
        for (size_t row = 0; row < height; ++row)
            std::memcpy(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
    });
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, cudaStream_t stream)
{
    real(stream).add([=] { std::memset(at, value, bytes); });
    return cudaSuccess;
}

} // extern "C"
