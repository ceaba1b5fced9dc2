/// @file The device memory of a top-k run, and the kernels that bracket each selection's threshold from a sample.
#pragma once

#include <gradcomp/exec/cuda/look_back.cuh>
#include <gradcomp/exec/cuda/sampled_bracket.hpp>
#include <gradcomp/exec/cuda/scatter.cuh>

namespace gradcomp::exec::detail {

inline constexpr int select_threads = 512;

/// A selection: what attach() fixes, and behind it what a step finds.
template <class T> struct device_top_k {
    std::size_t size, payload;
    std::size_t list, samples;            ///< its first places in the lists and in the sample
    std::uint32_t kept, capacity, sample_lines;
    std::uint32_t equal_room;             ///< candidates that only equal `low`: how many are listed; lists_all where all of them are
    std::uint32_t begin, end;             ///< pieces
    std::uint32_t first_part, parts, key;
    bracket<T> limits;
    std::uint32_t listed;                 ///< candidates, whether or not they fit
    digit_search<T> found[radix<T>::digits + 1];
    static constexpr std::uint32_t lists_all = ~std::uint32_t{0};
    GRADCOMP_HD bool missed() const { return listed < kept || listed > capacity; }
};

/// One block of threads in other launches: part `part` of selection `selection`.
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
    const select_part *parts, *sampled; ///< of the list; of the sample
    std::uint32_t* index;
    T* value;
    bits_t<T>* sample;
    look_back_state tiles;
    const piece* pieces;
    unsigned selection_count, tile_count, sampled_count;

    __device__ std::uint32_t* histogram(std::uint32_t selection, int digit) const { return histograms + (selection * radix<T>::digits + static_cast<std::uint32_t>(digit)) * 2048u; }
    __device__ lane_list<T> list(const device_top_k<T>& s) const { return {index + s.list, value + s.list, s.capacity}; }
};

/// What the kernels behind the pass share.
template <class T, int Threads> struct select_shared {
    std::uint32_t histogram[2048];
    digit_search<T> found;
    typename device_block<Threads>::scan::TempStorage scan;
};

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

/// A message's words that nothing else writes: zeroed on the way.
struct words_to_clear {
    std::uint32_t* at = nullptr;
    std::size_t count = 0;
};

inline constexpr int gather_threads = 256;

/// Everything that is ready before p is: the look-back's tiles, zeros in the message, and the sample, a key a thread, so that all of its loads are under way at
/// once. The grid covers the tiles, and the parts of the sample.
template <class Rule, class T>
__global__ void __launch_bounds__(gather_threads) gather_kernel(packed_rule<Rule> over, select_memory<T> memory, const std::uint32_t* step, choice_key key, words_to_clear zeros, bool mends)
{
    memory.tiles.reset(memory.tile_count);
    for (std::size_t w = std::size_t{blockIdx.x} * gather_threads + threadIdx.x; w < zeros.count; w += std::size_t{gridDim.x} * gather_threads) zeros.at[w] = 0;
    if (blockIdx.x >= memory.sampled_count || !begin(over.rule)) return;
    const select_part part = memory.sampled[blockIdx.x];
    const device_top_k<T>& s = memory.selections[part.selection];
    const std::uint32_t k = part.part * gather_threads + threadIdx.x, lines = s.sample_lines;
    if (k >= lines * sample_line) return;
    const std::size_t place = sampled_place(key.stream(*step, s.key, purpose::sample), s.size, lines, k);
    memory.sample[s.samples + k] = rank_key(form_in(over, memory.pieces, s.begin, s.end, place, mends));
}

/// Brackets one selection a block of threads, by the last step's bracket where the sample agrees with it, and resets what the step counts.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) bracket_kernel(Rule rule, select_memory<T> memory)
{
    __shared__ bracket_shared<T> shared;
    __shared__ typename device_block<select_threads>::scan::TempStorage scan;
    if (!begin(rule)) return;
    device_top_k<T>& s = memory.selections[blockIdx.x];
    const device_block<select_threads> block{scan};
    const bracket<T> last = s.limits;
    block.sync();
    reset_selection(memory, s);
    if (s.sample_lines == 0) return; // small: everything is a candidate
    const bracket<T> found = bracket_of(block, shared, memory.sample + s.samples, sample_plan(s.sample_lines, s.size, s.kept, s.capacity), last);
    if (block.thread() == 0) s.limits = found;
}

} // namespace gradcomp::exec::detail
