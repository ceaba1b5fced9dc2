/// @file Timing on a GPU: an operation and a bare kernel of the same traffic in turn, on rotating buffers, medians.
#pragma once

#include <gradcomp/exec/cuda/device.cuh>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace gpu_bench {

/// Milliseconds of one call on a stream.
class stopwatch {
public:
    stopwatch()
    {
        cudaEventCreate(&begin_);
        cudaEventCreate(&end_);
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

/// One figure: medians in microseconds, and what the traffic alone predicts at the bandwidth that the floor reached in this run.
struct record {
    std::string name;
    std::size_t elements;
    double bytes;        ///< of the floor, an element
    double us, floor_us; ///< 0: no floor, a rival
    double gate, aim;    ///< of us / floor_us; 0: none

    void print(std::FILE* to, bool last) const
    {
        const double bandwidth = floor_us > 0 ? bytes * static_cast<double>(elements) / floor_us / 1e6 : 0; // TB/s
        std::fprintf(to,
            "  {\"name\": \"%s\", \"d\": %zu, \"us\": %.3f, \"floor_us\": %.3f, \"floor_ratio\": %.4f, \"bytes_per_element\": %.4f, \"floor_tb_per_s\": %.3f, \"gate\": %.3f, \"aim\": %.3f}%s\n",
            name.c_str(), elements, us, floor_us, floor_us > 0 ? us / floor_us : 0.0, bytes, bandwidth, gate, aim, last ? "" : ",");
    }
};

/// Runs op(i) and floor(i) in turn, i numbering the buffers; the first two rounds do not count.
template <class Op, class Floor> record measure(const std::string& name, std::size_t n, double bytes, double gate, double aim, cudaStream_t stream, std::size_t buffers, Op op, Floor floor)
{
    stopwatch time;
    std::vector<double> a, b;
    for (std::size_t round = 0; round < 23; ++round) {
        const double bare = time(stream, [&] { floor(round % buffers); }), full = time(stream, [&] { op(round % buffers); });
        if (round < 2) continue;
        a.push_back(full * 1e3);
        b.push_back(bare * 1e3);
    }
    const record found{name, n, bytes, median(a), median(b), gate, aim};
    std::printf("%-46s d %11zu  %10.2f us  floor %10.2f us  ratio %6.3f  gate %5.2f%s\n", name.c_str(), n, found.us, found.floor_us, found.us / found.floor_us, gate,
        gate > 0 && found.us > gate * found.floor_us ? "  MISSED" : "");
    return found;
}

} // namespace gpu_bench
