/// @file Timing on a GPU: an operation and a bare kernel of the same traffic in turn, on rotating buffers, medians.
///
/// Not Google Benchmark: its loop times one thing at a time and chooses how often, while a ratio to the floor is only worth something when both are
/// timed in turn, on the same clocks, and over buffers that together leave the L2 cache.
#pragma once

#include <gradcomp/exec/cuda/device.cuh>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
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
    target gate = {}, aim = {};
    std::size_t launches = 0;    ///< kernels, copies and clears of one operation; with the floor's time they explain a miss at small sizes
    std::uint32_t fallbacks = 0; ///< selections whose sample missed, of all rounds
    const char* missing = ""; ///< why there is no figure

    const char* verdict() const { return *missing != 0 ? "not run" : !gate.exists() ? "no gate" : !gate.met(us, floor_us) ? "gate missed" : aim.met(us, floor_us) ? "aim met" : "gate met"; }
    void print(std::FILE* to, bool last) const
    {
        std::fprintf(to,
            "  {\"name\": \"%s\", \"d\": %zu, \"result\": \"%s\", \"missing\": \"%s\", \"us\": %.3f, \"floor_us\": %.3f, \"floor_ratio\": %.4f, \"predicted_us\": %.3f, "
            "\"bytes_per_element\": %.4f, \"floor_tb_per_s\": %.3f, \"gate\": %.3f, \"gate_us\": %.1f, \"aim\": %.3f, \"aim_us\": %.1f, \"launches\": %zu, \"fallbacks\": %u}%s\n",
            name.c_str(), elements, verdict(), missing, us, floor_us, floor_us > 0 ? us / floor_us : 0.0, predicted_us, bytes,
            floor_us > 0 ? bytes * static_cast<double>(elements) / floor_us / 1e6 : 0.0, gate.ratio, gate.us, aim.ratio, aim.us, launches, fallbacks, last ? "" : ",");
    }
    void show() const
    {
        if (*missing != 0) std::printf("%-46s d %11zu  not run: %s\n", name.c_str(), elements, missing);
        else if (floor_us > 0)
            std::printf("%-46s d %11zu  %10.2f us  predicted %10.2f us  floor %10.2f us  ratio %6.3f  gate %5.2f %5.1f us  aim %5.2f %5.1f us  %zu launches  %s\n", name.c_str(), elements, us,
                predicted_us, floor_us, us / floor_us, gate.ratio, gate.us, aim.ratio, aim.us, launches, verdict());
        else std::printf("%-46s d %11zu  %10.2f us\n", name.c_str(), elements, us);
        std::fflush(stdout);
    }
};

/// So many buffers of `bytes` each that a round through them leaves no part in a cache of 60 MB, and at least two.
inline std::size_t buffers_for(std::size_t bytes) { return std::clamp<std::size_t>((std::size_t{1} << 28) / std::max<std::size_t>(bytes, 1), 2, 64); }

/// What one call of op enqueues, counted by capturing it; 0 where it cannot be captured.
template <class Op> std::size_t count_launches(cudaStream_t stream, const Op& op)
{
    cudaGraph_t graph = nullptr;
    std::size_t nodes = 0;
    if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) return 0;
    try {
        op(0);
    } catch (const gradcomp::error&) { // something in it cannot be captured; the capture has to end all the same
    }
    const bool captured = cudaStreamEndCapture(stream, &graph) == cudaSuccess && cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess;
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError(); // a capture that was refused is no failure
    return captured ? nodes : 0;
}

/// The median microseconds of op(i) and of floor(i), run in turn, i numbering the buffers; the first two rounds do not count.
template <class Op, class Floor> void measure(record& found, cudaStream_t stream, std::size_t buffers, const Op& op, const Floor& floor)
{
    stopwatch time;
    std::vector<double> a, b;
    for (std::size_t round = 0; round < 23; ++round) {
        const double bare = time(stream, [&] { floor(round % buffers); }), full = time(stream, [&] { op(round % buffers); });
        if (round < 2) continue;
        a.push_back(full * 1e3);
        b.push_back(bare * 1e3);
    }
    found.us = median(a);
    found.floor_us = median(b);
    found.launches = count_launches(stream, op);
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
