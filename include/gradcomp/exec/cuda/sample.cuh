/// @file The device memory of a top-k run, and the kernel that brackets each selection's threshold from a sample.
#pragma once

#include <gradcomp/exec/cuda/look_back.cuh>
#include <gradcomp/exec/cuda/scatter.cuh>
#include <gradcomp/exec/cuda/select_block.hpp>

namespace gradcomp::exec::detail {

inline constexpr int select_threads = 512;
inline constexpr std::uint32_t sample_line = 16;

/// A selection: what attach() fixes, and behind it what a step finds.
template <class T> struct device_top_k {
    std::size_t size, payload;
    std::size_t list, samples;            ///< its first places in the lists and in the sample
    std::uint32_t kept, capacity, sample_lines;
    std::uint32_t begin, end;             ///< pieces
    std::uint32_t first_part, parts, key;
    bracket<T> limits;
    std::uint32_t listed;                 ///< candidates, whether or not they fit
    digit_search<T> found[radix<T>::digits + 1];
    GRADCOMP_HD bool missed() const { return listed < kept || listed > capacity; }
};

/// One block of threads in the later launches: part `part` of selection `selection`.
struct select_part {
    std::uint32_t selection = 0, part = 0;
};
struct part_counts {
    std::uint32_t above = 0, ties = 0;
};

/// All of a top-k run's device memory, as kernels see it.
template <class T> struct select_memory {
    device_top_k<T>* selections;
    std::uint32_t* histograms; ///< radix digits times 2048 words a selection
    part_counts* counts;
    const select_part* parts;
    std::uint32_t* index;
    T* value;
    bits_t<T>* sample;
    look_back_state tiles;
    const piece* pieces;
    unsigned selection_count, tile_count;

    __device__ std::uint32_t* histogram(std::uint32_t selection, int digit) const { return histograms + (selection * radix<T>::digits + static_cast<std::uint32_t>(digit)) * 2048u; }
    __device__ lane_list<T> list(const device_top_k<T>& s) const { return {index + s.list, value + s.list, s.capacity}; }
};

/// Keys by place, as select_block.hpp's sources; the inverse of magnitude() for keys.
template <class T> struct key_source {
    const bits_t<T>* key;
    __device__ T operator()(std::size_t i) const { return __builtin_bit_cast(T, key[i]); }
};

template <class T, int Threads> struct select_shared {
    std::uint32_t histogram[2048];
    digit_search<T> found;
    typename device_block<Threads>::scan::TempStorage scan;
};

/// The key of a rank among n keys, by one block of threads.
template <class T, class Block, class Source> __device__ bits_t<T> key_of_rank(const Block& block, select_shared<T, Block::threads>& shared, const Source& source, std::size_t n, std::uint32_t rank)
{
    digit_search<T> found{0, rank};
    for (int digit = 0; digit < radix<T>::digits; ++digit) {
        count_digits<T>(block, shared.histogram, found, source, 0, n, digit);
        found = narrow<T>(block, shared.found, shared.histogram, found, digit);
    }
    return found.prefix;
}

/// What a step counts of a selection starts anew, by the block of threads of that number: everything is a candidate.
template <class T> __device__ void reset_selection(const select_memory<T>& memory, device_top_k<T>& s)
{
    for (int digit = 0; digit < radix<T>::digits; ++digit)
        for (int b = static_cast<int>(threadIdx.x); b < 2048; b += select_threads) memory.histogram(blockIdx.x, digit)[b] = 0;
    if (threadIdx.x > 0) return;
    s.listed = 0;
    s.found[0] = {0, s.kept};
    s.limits = {0, bracket<T>::never, bracket<T>::never};
}

/// Brackets one selection a block of threads, and resets what the step counts. Margins as exec::cpu: 5 standard deviations below, counted by
/// lines, since neighbours are alike; the memory lets go at the estimate itself.
template <class Rule, class T>
__global__ void __launch_bounds__(select_threads) sample_kernel(packed_rule<Rule> over, select_memory<T> memory, const std::uint32_t* step, choice_key key, bool mends)
{
    __shared__ select_shared<T, select_threads> shared;
    __shared__ unsigned long long sums[2];
    if (!begin(over.rule)) return;
    device_top_k<T>& s = memory.selections[blockIdx.x];
    const device_block<select_threads> block{shared.scan};
    reset_selection(memory, s);
    if (block.thread() == 0) sums[0] = sums[1] = 0;
    if (s.sample_lines == 0) return; // small: everything is a candidate
    const std::uint32_t lines = s.sample_lines, n = lines * sample_line;
    const random_stream stream = key.stream(*step, s.key, purpose::sample);
    bits_t<T>* const keys = memory.sample + s.samples;
    for (std::uint32_t k = threadIdx.x; k < n; k += select_threads) {
        const std::uint32_t line = k / sample_line;
        const std::size_t first = s.size / lines * line, length = s.size / lines;
        const std::size_t place = (first + static_cast<std::size_t>(std::uint64_t{stream.block(line / 4).at[line % 4]} * length >> 32)) / sample_line * sample_line + k % sample_line;
        keys[k] = magnitude(form_in(over, memory.pieces, s.begin, s.end, place < s.size ? place : s.size - 1, mends));
    }
    block.sync();
    const double share = static_cast<double>(s.kept) / static_cast<double>(s.size), rank = share * n;
    const auto middle_rank = static_cast<std::uint32_t>(rank < 1 ? 1 : rank);
    const bits_t<T> middle = key_of_rank<T>(block, shared, key_source<T>{keys}, n, middle_rank);
    for (std::uint32_t line = threadIdx.x; line < lines; line += select_threads) {
        unsigned hits = 0;
        for (std::uint32_t j = 0; j < sample_line; ++j) hits += keys[line * sample_line + j] >= middle;
        if (hits > 0) {
            atomicAdd(&sums[0], static_cast<unsigned long long>(hits));
            atomicAdd(&sums[1], static_cast<unsigned long long>(hits) * hits);
        }
    }
    block.sync();
    const double sum = static_cast<double>(sums[0]), even = rank * (1 - share), clustered = static_cast<double>(sums[1]) - sum * sum / lines;
    const double below = ceil(rank + 5 * sqrt(clustered > even ? clustered : even) + 4);
    const bits_t<T> low = below < n ? key_of_rank<T>(block, shared, key_source<T>{keys}, n, static_cast<std::uint32_t>(below)) : bits_t<T>(0);
    if (block.thread() == 0) s.limits = {low, rank >= 1 ? middle : bracket<T>::never, bracket<T>::never};
}

} // namespace gradcomp::exec::detail
