/// @file Timing on a GPU: an operation and a bare kernel of the same traffic in turn, as replays of captured graphs, on rotating buffers, medians.
///
/// Not Google Benchmark: its loop times one thing at a time and chooses how often, while a ratio to the floor is only worth something when both are
/// timed in turn, on the same clocks, and over buffers that together leave the L2 cache.
#pragma once

#include <gradcomp/exec/cuda/device.cuh>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace gpu_bench {

/// Milliseconds of one call on a stream.
class stopwatch {
public:
    stopwatch()
    {
        gradcomp::exec::detail::check_cuda(cudaEventCreate(&begin_), "cudaEventCreate");
        gradcomp::exec::detail::check_cuda(cudaEventCreate(&end_), "cudaEventCreate");
    }
    stopwatch(const stopwatch&) = delete;
    ~stopwatch()
    {
        cudaEventDestroy(begin_);
        cudaEventDestroy(end_);
    }
    template <class F> double operator()(cudaStream_t stream, const F& f)
    {
        cudaEventRecord(begin_, stream);
        f();
        cudaEventRecord(end_, stream);
        gradcomp::exec::detail::check_cuda(cudaEventSynchronize(end_), "timed work");
        float ms = 0;
        cudaEventElapsedTime(&ms, begin_, end_);
        return ms;
    }

private:
    cudaEvent_t begin_{}, end_{};
};

inline double median(std::vector<double> x)
{
    std::nth_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(x.size() / 2), x.end());
    return x[x.size() / 2];
}

/// What a figure must reach: a multiple of its floor, or microseconds; 0: nothing.
struct target {
    double ratio = 0, us = 0;
    bool met(double us_found, double floor_us) const { return (ratio == 0 || us_found <= ratio * floor_us) && (us == 0 || us_found <= us); }
    bool exists() const { return ratio > 0 || us > 0; }
};

/// One figure: medians in microseconds. `predicted_us` is what its bytes take at the bandwidth that plain streams reached in this run.
struct record {
    std::string name;
    std::size_t elements;
    double bytes; ///< of the floor, an element; 0: a rival, without a floor
    double us = 0, floor_us = 0, predicted_us = 0;
    double launched_us = 0;      ///< the same launched one by one by the host
    target gate = {}, aim = {};
    std::size_t launches = 0;    ///< kernels, copies and clears of one operation; with the floor's time they explain a miss at small sizes. 0: not captured
    std::uint32_t fallbacks = 0; ///< selections whose sample missed, of all rounds
    std::string missing = {};    ///< why there is no figure
    bool failed = false;         ///< it gave a wrong result

    const char* verdict() const { return failed ? "failed" : !missing.empty() ? "not run" : !gate.exists() ? "no gate" : !gate.met(us, floor_us) ? "gate missed" : aim.met(us, floor_us) ? "aim met" : "gate met"; }
    void print(std::FILE* to, bool last) const
    {
        std::fprintf(to,
            "  {\"name\": \"%s\", \"d\": %zu, \"result\": \"%s\", \"missing\": \"%s\", \"us\": %.3f, \"floor_us\": %.3f, \"floor_ratio\": %.4f, \"launched_us\": %.3f, \"predicted_us\": %.3f, "
            "\"bytes_per_element\": %.4f, \"floor_tb_per_s\": %.3f, \"gate\": %.3f, \"gate_us\": %.1f, \"aim\": %.3f, \"aim_us\": %.1f, \"launches\": %zu, \"fallbacks\": %u}%s\n",
            name.c_str(), elements, verdict(), missing.c_str(), us, floor_us, floor_us > 0 ? us / floor_us : 0.0, launched_us, predicted_us, bytes,
            floor_us > 0 ? bytes * static_cast<double>(elements) / floor_us / 1e6 : 0.0, gate.ratio, gate.us, aim.ratio, aim.us, launches, fallbacks, last ? "" : ",");
    }
    void show() const
    {
        if (!missing.empty()) std::printf("%-46s d %11zu  %s: %s\n", name.c_str(), elements, verdict(), missing.c_str());
        else if (floor_us > 0)
            std::printf("%-46s d %11zu  %10.2f us  predicted %10.2f us  floor %10.2f us  ratio %6.3f  gate %5.2f %5.1f us  aim %5.2f %5.1f us  %zu launches  %s\n", name.c_str(), elements, us,
                predicted_us, floor_us, us / floor_us, gate.ratio, gate.us, aim.ratio, aim.us, launches, verdict());
        else std::printf("%-46s d %11zu  %10.2f us\n", name.c_str(), elements, us);
        std::fflush(stdout);
    }
};

/// So many buffers of `bytes` each that a round through them leaves no part in a cache of 60 MB, and at least two.
inline std::size_t buffers_for(std::size_t bytes) { return std::clamp<std::size_t>((std::size_t{1} << 28) / std::max<std::size_t>(bytes, 1), 2, 64); }

/// Operations captured in graphs, each on its own places of the rotation, ready to be replayed.
class replays {
public:
    replays() = default;
    replays(replays&& other) noexcept : ready_(std::exchange(other.ready_, {})), nodes_(other.nodes_) {}
    replays& operator=(replays&&) = delete;
    ~replays()
    {
        for (const cudaGraphExec_t one : ready_) cudaGraphExecDestroy(one);
    }
    /// Captures op(first) to op(first + count - 1), one behind the other. @return false where something in them cannot be captured
    template <class Op> bool add(cudaStream_t stream, std::size_t first, std::size_t count, const Op& op)
    {
        cudaGraph_t graph = nullptr;
        cudaGraphExec_t ready = nullptr;
        if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) return cudaGetLastError(), false;
        bool captured = true;
        try {
            for (std::size_t i = first; i < first + count; ++i) op(i);
        } catch (const gradcomp::error&) { // the capture has to end all the same
            captured = false;
        }
        captured = cudaStreamEndCapture(stream, &graph) == cudaSuccess && captured && cudaGraphGetNodes(graph, nullptr, &nodes_) == cudaSuccess
                && cudaGraphInstantiate(&ready, graph, 0) == cudaSuccess && cudaGraphUpload(ready, stream) == cudaSuccess;
        if (graph != nullptr) cudaGraphDestroy(graph);
        if (ready != nullptr) ready_.push_back(ready);
        cudaGetLastError(); // a capture that was refused is no failure
        return captured;
    }
    std::size_t size() const { return ready_.size(); }
    std::size_t nodes() const { return nodes_; } ///< of each
    void operator()(cudaStream_t stream, std::size_t i) const { gradcomp::exec::detail::check_cuda(cudaGraphLaunch(ready_[i], stream), "cudaGraphLaunch"); }

private:
    std::vector<cudaGraphExec_t> ready_;
    std::size_t nodes_ = 0;
};

/// Graphs of `chain` operations that together are a round through the buffers; none where they cannot be captured.
template <class Op> replays capture(cudaStream_t stream, std::size_t buffers, std::size_t chain, const Op& op)
{
    replays all;
    for (std::size_t first = 0; first + chain <= buffers; first += chain)
        if (!all.add(stream, first, chain, op)) return {};
    return all;
}

/// The median microseconds of op(i) and of floor(i), in turn, i numbering the buffers; the first two rounds do not count.
///
/// Both are replays of graphs, as steps are whose launches matter; small ones stand eight in a row in a graph, as kernels do in a step, so that starting a
/// graph is not what is timed. `launched_us` is op(i) alone, launched by the host: what a step costs that is not captured.
template <class Op, class Floor> void measure(record& found, cudaStream_t stream, std::size_t buffers, const Op& op, const Floor& floor)
{
    stopwatch time;
    const std::size_t chain = buffers >= 16 ? 8 : 1;
    for (std::size_t i = 0; i < buffers; ++i) op(i), floor(i); // kernels are loaded when they are first launched, which no capture may see
    gradcomp::exec::detail::check_cuda(cudaStreamSynchronize(stream), "warm-up");
    const replays full = capture(stream, buffers, chain, op), bare = capture(stream, buffers, chain, floor);
    std::vector<double> a, b, c;
    for (std::size_t round = 0; round < 23; ++round) {
        const bool replayed = full.size() > 0 && bare.size() > 0;
        const double floor_ms = replayed ? time(stream, [&] { bare(stream, round % bare.size()); }) / static_cast<double>(chain) : time(stream, [&] { floor(round % buffers); });
        const double ms = replayed ? time(stream, [&] { full(stream, round % full.size()); }) / static_cast<double>(chain) : time(stream, [&] { op(round % buffers); });
        const double launched = time(stream, [&] { op(round % buffers); });
        if (round < 2) continue;
        a.push_back(ms * 1e3);
        b.push_back(floor_ms * 1e3);
        c.push_back(launched * 1e3);
    }
    found.us = median(a);
    found.floor_us = median(b);
    found.launched_us = median(c);
    found.launches = full.nodes() / chain; // 0: could not be captured
}

/// The same for a rival, which has no floor.
template <class Op> void measure(record& found, cudaStream_t stream, const Op& op)
{
    stopwatch time;
    std::vector<double> a;
    for (int round = 0; round < 9; ++round)
        if (const double ms = time(stream, op); round >= 2) a.push_back(ms * 1e3);
    found.us = median(a);
}

} // namespace gpu_bench
