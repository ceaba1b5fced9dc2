/// @file Fair timing: every operation takes turns with a bare kernel of the same memory traffic, and the ratio of the two is the figure.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace bench {

/// One line of results.json, results.csv and results.md.
struct record {
    std::string name, operation, data, floor; ///< floor: what the ratio is to
    std::uint64_t elements = 0;
    double ratio = 0;
    int threads = 1, repetitions = 0;
    double gate = 0, aim = 0; ///< of floor_ratio; 0: none
    double milliseconds = 0, milliseconds_min = 0, floor_milliseconds = 0, floor_ratio = 0, floor_ratio_min = 0, bytes_per_element = 0;
    std::uint64_t fallbacks = 0;
    double load = 0;
};
inline std::vector<record>& records()
{
    static std::vector<record> all;
    return all;
}

/// What the command line says.
struct settings {
    int repetitions = 15;
    bool full = false; ///< also the sizes that take minutes
};

/// Every *_bench.cpp adds one function that registers its benchmarks: `static const bench::room here(register_them);`.
inline std::vector<void (*)(const settings&)>& rooms()
{
    static std::vector<void (*)(const settings&)> all;
    return all;
}
struct room {
    explicit room(void (*add)(const settings&)) { rooms().push_back(add); }
};

/// Zeroed memory on huge pages, so that no figure depends on how many TLB entries a kernel happens to need.
template <class T> class huge_array {
public:
    explicit huge_array(std::size_t n) : n_(n)
    {
        constexpr std::size_t page = std::size_t{2} << 20;
        const std::size_t bytes = (n * sizeof(T) + page) / page * page;
        at_.reset(static_cast<T*>(std::aligned_alloc(page, bytes)));
        if (!at_) throw std::bad_alloc();
#if defined(__linux__)
        madvise(at_.get(), bytes, MADV_HUGEPAGE);
#endif
        std::memset(static_cast<void*>(at_.get()), 0, bytes);
    }
    T* data() const { return at_.get(); }
    std::size_t size() const { return n_; }
    T& operator[](std::size_t i) const { return at_.get()[i]; }
    void clear() const { std::memset(static_cast<void*>(at_.get()), 0, n_ * sizeof(T)); }

private:
    struct release {
        void operator()(T* p) const { std::free(p); }
    };
    std::size_t n_;
    std::unique_ptr<T, release> at_;
};

/// Seconds of this thread's own time: what other programs do counts less. For teams of threads, time on the wall.
inline double seconds(int threads)
{
#if defined(CLOCK_THREAD_CPUTIME_ID)
    if (threads == 1) {
        timespec t{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
    }
#endif
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
template <class F> double time_of(int threads, F&& f)
{
    const double start = seconds(threads);
    f();
    return seconds(threads) - start;
}

inline double load_average()
{
    double load[1] = {0};
    return getloadavg(load, 1) == 1 ? load[0] : -1;
}

inline double median(std::vector<double> x)
{
    if (x.empty()) return 0;
    std::sort(x.begin(), x.end());
    return x[x.size() / 2];
}
inline double smallest(const std::vector<double>& x) { return x.empty() ? 0 : *std::min_element(x.begin(), x.end()); }

/// Runs floor and operation in turn, as often as `state` says, and files the record. Both are called once before, untimed.
///
/// @param floors bare kernels of the same traffic, in the very buffers of the operation (where the pages of two arrays happen
///        to lie makes them up to twice as slow as each other); the fastest of a turn counts
/// @param prepare called untimed before each operation; @param operate the operation; @param as the record, its figures still empty
template <class Prepare, class Operate>
void take_turns(benchmark::State& state, const std::vector<std::function<void()>>& floors, Prepare prepare, Operate operate, record& as)
{
    std::vector<double> floor_times, times, ratios;
    for (const auto& floor : floors) floor();
    prepare();
    operate();
    for (auto _ : state) {
        double bare = std::numeric_limits<double>::max();
        for (const auto& floor : floors) bare = std::min(bare, time_of(as.threads, floor));
        prepare();
        const double spent = time_of(as.threads, operate);
        state.SetIterationTime(spent);
        floor_times.push_back(bare);
        times.push_back(spent);
        ratios.push_back(spent / bare);
    }
    as.repetitions = static_cast<int>(times.size());
    as.milliseconds = median(times) * 1e3;
    as.milliseconds_min = smallest(times) * 1e3;
    as.floor_milliseconds = median(floor_times) * 1e3;
    as.floor_ratio = median(ratios);
    as.floor_ratio_min = smallest(ratios);
    as.load = load_average();
    state.counters["floor_ratio"] = as.floor_ratio;
    state.counters["floor_ratio_min"] = as.floor_ratio_min;
    state.counters["bytes_per_element"] = as.bytes_per_element;
    state.counters["fallbacks"] = static_cast<double>(as.fallbacks);
    state.counters["load"] = as.load;
    records().push_back(as);
}

} // namespace bench
