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

#include <gradcomp/exec/cuda/sample.cuh>

namespace gradcomp::exec::detail {

template <class T> struct value_source {
    const T* value;
    __device__ T operator()(std::size_t i) const { return value[i]; }
};
/// p again, by position in the selection, after a sweep that sent nothing of it.
template <class Rule> struct again_source {
    const packed_rule<Rule>& over;
    const piece* pieces;
    std::uint32_t begin, end;
    bool mends;
    __device__ auto operator()(std::size_t position) const
    {
        const piece& at = pieces[piece_of(pieces, begin, end, position)];
        return form_at(at_piece(over, at).again(), at.offset + (position - at.first), mends);
    }
};

/// One pass over the streams.
template <class Rule, class T>
__global__ void __launch_bounds__(tile_threads, sweep_blocks<T>)
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
    if constexpr (!lane_leaves_early<Rule>) limits.high = bracket<T>::never;

    const int thread = static_cast<int>(threadIdx.x);
    compact_lane<T> lane;
    const pick_large<T> pick{limits.low, limits.high};
    if (is_whole(over.rule, range)) lane.template sweep<device_access, true>(over.rule, range, thread, mends, pick);
    else lane.template sweep<device_access, false>(over.rule, range, thread, mends, pick);

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
    lane.emit(over.rule, range, thread, before, total, offset, pick, memory.list(s));
    if (mends) count_bad(lane.bad, counts);
}

/// Where the bracket missed: what left the memory returns to it.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) undo_kernel(Rule rule, select_memory<T> memory, device_counts* counts)
{
    const select_part part = memory.parts[blockIdx.x];
    const device_top_k<T>& s = memory.selections[part.selection];
    if (!s.missed() || !begin(rule)) return;
    if (part.part == 0 && threadIdx.x == 0) atomicAdd(&counts->fallbacks, 1u);
    if constexpr (lane_leaves_early<Rule>) {
        const lane_list<T> list = memory.list(s);
        const std::uint32_t stored = s.listed < s.capacity ? s.listed : s.capacity;
        for (std::uint32_t j = part.part * select_threads + threadIdx.x; j < stored; j += s.parts * select_threads)
            if (magnitude(list.value[j]) >= s.limits.high)
                rule.settle(packed_place(memory.pieces, s.begin, s.end, list.index[j]), list.value[j], T(0));
    }
}

/// Calls work(source, begin, end) for this block's part: of the list, or of p where the bracket missed.
template <class Rule, class T, class Work> __device__ void over_part(packed_rule<Rule>& over, const select_memory<T>& memory, const device_top_k<T>& s, std::uint32_t part, bool mends, const Work& work)
{
    const std::size_t n = s.missed() ? s.size : s.listed, share = (n + s.parts - 1) / s.parts;
    const std::size_t from = share * part < n ? share * part : n, to = from + share < n ? from + share : n;
    if (s.missed()) {
        begin(over.rule);
        work(again_source<Rule>{over, memory.pieces, s.begin, s.end, mends}, from, to);
    } else {
        work(value_source<T>{memory.list(s).value}, from, to);
    }
}

/// One digit of the threshold. Every part narrows by the digit before; the first one notes it.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) digit_kernel(packed_rule<Rule> over, select_memory<T> memory, int digit, bool mends)
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
    over_part(over, memory, s, part.part, mends, [&](const auto& source, std::size_t from, std::size_t to) {
        if (from == to) return;
        count_digits<T>(block, shared.histogram, found, source, from, to, digit);
        for (int b = block.thread(); b < 2048; b += select_threads)
            if (shared.histogram[b] > 0) atomicAdd(&memory.histogram(part.selection, digit)[b], shared.histogram[b]);
    });
}

/// The winners of each part.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) count_kernel(packed_rule<Rule> over, select_memory<T> memory, bool mends)
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
    over_part(over, memory, s, part.part, mends, [&](const auto& source, std::size_t from, std::size_t to) {
        std::uint32_t above, ties;
        count_winners<T>(block, source, from, to, found.prefix, above, ties);
        if (above > 0) block.add(sum.above, above);
        if (ties > 0) block.add(sum.ties, ties);
    });
    block.sync();
    if (block.thread() == 0) memory.counts[blockIdx.x] = sum;
}

/// The message, and a memory that agrees with it.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) write_kernel(packed_rule<Rule> over, select_memory<T> memory, T* message, std::uint32_t* index, bool mends)
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
    if (!begin(over.rule)) return;
    const Rule& rule = over.rule;
    const digit_search<T> found = s.found[radix<T>::digits];
    const bool missed = s.missed();
    const lane_list<T> list = memory.list(s);
    const bits_t<T> left = missed || !lane_leaves_early<Rule> ? bracket<T>::never : s.limits.high;
    const auto place = [&](std::size_t i) { return packed_place(memory.pieces, s.begin, s.end, missed ? i : list.index[i]); };
    const auto take = [&](std::size_t i, T x, std::uint32_t slot) {
        message[s.payload + slot] = x;
        index[s.payload + slot] = missed ? static_cast<std::uint32_t>(i) : list.index[i];
        if constexpr (lane_settles<Rule>)
            if (magnitude(x) < left) rule.settle(place(i), x, x); // a winner that stayed in the memory
    };
    const auto pass = [&](std::size_t i, T x) {
        if constexpr (lane_leaves_early<Rule>)
            if (magnitude(x) >= left) rule.settle(place(i), x, T(0)); // a loser that left it
    };
    const std::uint32_t slot = before.above + (before.ties < found.rank ? before.ties : found.rank);
    over_part(over, memory, s, part.part, mends, [&](const auto& source, std::size_t from, std::size_t to) {
        take_winners<T>(block, source, from, to, found.prefix, found.rank, before.ties, slot, take, pass);
    });
}

} // namespace gradcomp::exec::detail
