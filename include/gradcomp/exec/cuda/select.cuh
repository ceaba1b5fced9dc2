/// @file Exact top-k on CUDA, fused with the sweep that forms p: a sample, one pass, then work on the candidates; a fixed number of launches.
///
///     sample     a bracket for each selection; resets counters                       one block of threads a selection
///     compact    one pass over the streams: candidates in index order                one block a tile
///     undo       puts back what left the memory, where the bracket missed
///     digits     radix selection of the threshold, one launch a digit               some blocks a selection: "parts"
///     count      winners of each part
///     write      the message in index order, and a memory that agrees with it
///
/// Whether the bracket missed is decided on the device: the launches from `undo` on then read p again instead of the list.
#pragma once

#include <gradcomp/exec/cuda/look_back.cuh>
#include <gradcomp/exec/cuda/scatter.cuh>
#include <gradcomp/exec/cuda/select_block.hpp>

namespace gradcomp::exec::detail {

inline constexpr int select_threads = 512;
inline constexpr std::uint32_t sample_line = 16;

/// A selection: what attach() fixes, and behind it what a step finds.
template <class T> struct device_top_k {
    std::size_t size, payload, position;
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

/// p of one element of the packed streams; bad ones as the sweep takes them.
template <class Rule> __device__ typename Rule::value_type form_at(const Rule& rule, std::size_t i, bool mends)
{
    inputs<Rule> in;
    in.gradient.at[0] = rule.gradient[i];
    for (int j = 0; j < Rule::inputs; ++j) in.x[j].at[0] = rule.in[j][i];
    auto g = static_cast<typename Rule::value_type>(in.gradient.at[0]);
    bool bad;
    return form(rule, g, neighbour<Rule>(in, 0), mends, bad);
}

/// Keys by place, as select_block.hpp's sources; the inverse of magnitude() for keys.
template <class T> struct key_source {
    const bits_t<T>* key;
    __device__ T operator()(std::size_t i) const { return __builtin_bit_cast(T, key[i]); }
};
template <class T> struct value_source {
    const T* value;
    __device__ T operator()(std::size_t i) const { return value[i]; }
};
/// p again, by position in the selection, after a sweep that sent nothing of it.
template <class Rule> struct again_source {
    Rule rule;
    const piece* pieces;
    std::uint32_t begin, end;
    bool mends;
    __device__ auto operator()(std::size_t position) const { return form_at(rule, packed_place(pieces, begin, end, position), mends); }
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

/// Brackets one selection a block of threads, and resets what the step counts. Margins as exec::cpu: 5 standard deviations below, counted by
/// lines, since neighbours are alike; the memory lets go at the estimate itself.
template <class Rule, class T>
__global__ void __launch_bounds__(select_threads) sample_kernel(Rule rule, select_memory<T> memory, device_step<T> at, choice_key key, bool mends)
{
    __shared__ select_shared<T, select_threads> shared;
    __shared__ unsigned long long sums[2];
    if (!begin(rule)) return;
    device_top_k<T>& s = memory.selections[blockIdx.x];
    const device_block<select_threads> block{shared.scan};
    for (int digit = 0; digit < radix<T>::digits; ++digit)
        for (int b = block.thread(); b < 2048; b += select_threads) memory.histogram(blockIdx.x, digit)[b] = 0;
    if (block.thread() == 0) {
        s.listed = 0;
        s.found[0] = {0, s.kept};
        s.limits = {0, bracket<T>::never, bracket<T>::never};
        sums[0] = sums[1] = 0;
    }
    if (s.sample_lines == 0) return; // small: everything is a candidate
    const std::uint32_t lines = s.sample_lines, n = lines * sample_line;
    const random_stream stream = key.stream(at.now->step, s.key, purpose::sample);
    bits_t<T>* const keys = memory.sample + s.samples;
    for (std::uint32_t k = threadIdx.x; k < n; k += select_threads) {
        const std::uint32_t line = k / sample_line;
        const std::size_t first = s.size / lines * line, length = s.size / lines;
        const std::size_t place = (first + static_cast<std::size_t>(std::uint64_t{stream.block(line / 4).at[line % 4]} * length >> 32)) / sample_line * sample_line + k % sample_line;
        keys[k] = magnitude(form_at(rule, packed_place(memory.pieces, s.begin, s.end, place < s.size ? place : s.size - 1), mends));
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

template <class T> __global__ void reset_tiles_kernel(look_back_state tiles, unsigned count) { tiles.reset(count); }

/// One pass over the streams.
template <class Rule, class T>
__global__ void __launch_bounds__(tile_threads, 4)
compact_kernel(packed_rule<Rule> over, const tile_place* tiles, select_memory<T> memory, bool mends, device_counts* counts)
{
    using scan = cub::BlockScan<std::uint64_t, tile_threads, cub::BLOCK_SCAN_WARP_SCANS>;
    __shared__ union {
        typename scan::TempStorage scan;
        look_back_state::storage prefix;
    } shared;
    __shared__ std::uint32_t before_tile;
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const piece at = memory.pieces[place.piece];
    const tile_range range = range_of(at, place);
    if (over.gradients != nullptr) over.rule.gradient = over.gradients[range.tensor] - at.offset;
    device_top_k<T>& s = memory.selections[range.selection];
    bracket<T> limits = s.limits;
    if constexpr (!lane_settles<Rule>) limits.high = bracket<T>::never;

    const int thread = static_cast<int>(threadIdx.x);
    compact_lane<T> lane;
    if (is_whole(over.rule, range)) lane.template sweep<device_access, true>(over.rule, range, thread, mends, limits);
    else lane.template sweep<device_access, false>(over.rule, range, thread, mends, limits);

    lane_counts before, total;
    scan(shared.scan).ExclusiveSum(lane.counts().packed, before.packed, total.packed);
    // The scan adds whole words: field v holds the counts of pack v, below 4096 each, so no field runs into the next.
    __syncthreads();
    if (thread < 32) {
        const bool starts = range.first == 0; // tiles of empty tensors do not exist, so the first tile of a selection holds its position 0
        const std::uint32_t earlier = memory.tiles.before(shared.prefix, blockIdx.x, starts, total.total());
        if (thread == 0) {
            before_tile = earlier;
            if (range.first + (range.end - range.begin) == s.size) s.listed = earlier + total.total();
        }
    }
    __syncthreads();
    std::uint32_t offset = before_tile;
    lane.emit(over.rule, range, thread, before, total, offset, static_cast<std::uint32_t>(s.position), limits.high, memory.list(s));
    if (mends) count_bad(lane.bad, counts);
}

/// Where the bracket missed: what left the memory returns to it.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) undo_kernel(Rule rule, select_memory<T> memory, device_counts* counts)
{
    const select_part part = memory.parts[blockIdx.x];
    const device_top_k<T>& s = memory.selections[part.selection];
    if (!s.missed() || !begin(rule)) return;
    if (part.part == 0 && threadIdx.x == 0) atomicAdd(&counts->fallbacks, 1u);
    if constexpr (lane_settles<Rule>) {
        const lane_list<T> list = memory.list(s);
        const std::uint32_t stored = s.listed < s.capacity ? s.listed : s.capacity;
        for (std::uint32_t j = part.part * select_threads + threadIdx.x; j < stored; j += s.parts * select_threads)
            if (magnitude(list.value[j]) >= s.limits.high)
                rule.settle(packed_place(memory.pieces, s.begin, s.end, list.index[j] - s.position), list.value[j], T(0));
    }
}

/// Calls work(source, begin, end) for this block's part: of the list, or of p where the bracket missed.
template <class Rule, class T, class Work> __device__ void over_part(Rule& rule, const select_memory<T>& memory, const device_top_k<T>& s, std::uint32_t part, bool mends, const Work& work)
{
    const std::size_t n = s.missed() ? s.size : s.listed, share = (n + s.parts - 1) / s.parts;
    const std::size_t from = share * part < n ? share * part : n, to = from + share < n ? from + share : n;
    if (s.missed()) {
        begin(rule);
        using again_type = decltype(rule.again());
        work(again_source<again_type>{rule.again(), memory.pieces, s.begin, s.end, mends}, from, to);
    } else {
        work(value_source<T>{memory.list(s).value}, from, to);
    }
}

/// One digit of the threshold. Every part narrows by the digit before; the first one notes it.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) digit_kernel(Rule rule, select_memory<T> memory, int digit, bool mends)
{
    __shared__ select_shared<T, select_threads> shared;
    const select_part part = memory.parts[blockIdx.x];
    device_top_k<T>& s = memory.selections[part.selection];
    const device_block<select_threads> block{shared.scan};
    digit_search<T> found = s.found[digit > 0 ? digit - 1 : 0];
    if (digit > 0) {
        found = narrow<T>(block, shared.found, memory.histogram(part.selection, digit - 1), found, digit - 1);
        if (part.part == 0 && block.thread() == 0) s.found[digit] = found;
    }
    over_part(rule, memory, s, part.part, mends, [&](const auto& source, std::size_t from, std::size_t to) {
        if (from == to) return;
        count_digits<T>(block, shared.histogram, found, source, from, to, digit);
        for (int b = block.thread(); b < 2048; b += select_threads)
            if (shared.histogram[b] > 0) atomicAdd(&memory.histogram(part.selection, digit)[b], shared.histogram[b]);
    });
}

/// The winners of each part.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) count_kernel(Rule rule, select_memory<T> memory, bool mends)
{
    __shared__ select_shared<T, select_threads> shared;
    __shared__ part_counts sum;
    const select_part part = memory.parts[blockIdx.x];
    device_top_k<T>& s = memory.selections[part.selection];
    const device_block<select_threads> block{shared.scan};
    constexpr int last = radix<T>::digits - 1;
    const digit_search<T> found = narrow<T>(block, shared.found, memory.histogram(part.selection, last), s.found[last], last);
    if (block.thread() == 0) {
        sum.above = sum.ties = 0;
        if (part.part == 0) s.found[last + 1] = found;
    }
    block.sync();
    over_part(rule, memory, s, part.part, mends, [&](const auto& source, std::size_t from, std::size_t to) {
        std::uint32_t above, ties;
        count_winners<T>(block, source, from, to, found.prefix, above, ties);
        if (above > 0) block.add(sum.above, above);
        if (ties > 0) block.add(sum.ties, ties);
    });
    block.sync();
    if (block.thread() == 0) memory.counts[blockIdx.x] = sum;
}

/// The message, and a memory that agrees with it.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) write_kernel(Rule rule, select_memory<T> memory, T* message, std::uint32_t* index, bool mends)
{
    __shared__ select_shared<T, select_threads> shared;
    __shared__ part_counts before;
    const select_part part = memory.parts[blockIdx.x];
    const device_top_k<T>& s = memory.selections[part.selection];
    const device_block<select_threads> block{shared.scan};
    if (block.thread() == 0) before.above = before.ties = 0;
    block.sync();
    for (std::uint32_t p = threadIdx.x; p < part.part; p += select_threads) {
        const part_counts c = memory.counts[s.first_part + p];
        if (c.above > 0) block.add(before.above, c.above);
        if (c.ties > 0) block.add(before.ties, c.ties);
    }
    block.sync();
    if (!begin(rule)) return;
    const digit_search<T> found = s.found[radix<T>::digits];
    const bool missed = s.missed();
    const lane_list<T> list = memory.list(s);
    const bits_t<T> left = missed ? bracket<T>::never : s.limits.high;
    const auto place = [&](std::size_t i) { return missed ? packed_place(memory.pieces, s.begin, s.end, i) : packed_place(memory.pieces, s.begin, s.end, list.index[i] - s.position); };
    const auto take = [&](std::size_t i, T x, std::uint32_t slot) {
        message[s.payload + slot] = x;
        index[s.payload + slot] = missed ? static_cast<std::uint32_t>(s.position + i) : list.index[i];
        if constexpr (lane_settles<Rule>)
            if (magnitude(x) < left) rule.settle(place(i), x, x); // a winner that stayed in the memory
    };
    const auto pass = [&](std::size_t i, T x) {
        if constexpr (lane_settles<Rule>)
            if (magnitude(x) >= left) rule.settle(place(i), x, T(0)); // a loser that left it
    };
    const std::uint32_t slot = before.above + (before.ties < found.rank ? before.ties : found.rank);
    over_part(rule, memory, s, part.part, mends, [&](const auto& source, std::size_t from, std::size_t to) {
        take_winners<T>(block, source, from, to, found.prefix, found.rank, before.ties, slot, take, pass);
    });
}

} // namespace gradcomp::exec::detail
