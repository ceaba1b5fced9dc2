/// @file Exact top-k on CUDA, fused with the sweep that forms p: a sample, one pass, then work on the candidates; a fixed number of launches.
///
///     gather     the sample, a key a thread; resets the look-back                    many blocks of threads
///     bracket    a bracket for each selection; resets counters                       one block a selection
///     compact    one pass over the streams: candidates in index order                one block a tile
///     digits     radix selection of the threshold, one launch a digit               some blocks a selection: "parts"
///     count      winners of each part
///     write      the message in index order, and a memory that agrees with it
///
/// Whether the bracket missed is decided on the device: the first digit's launch then puts back what left the memory, and all from it on read p again instead
/// of the list.
#pragma once

#include <gradcomp/exec/cuda/sample.cuh>

namespace gradcomp::exec::detail {

template <class T> struct value_source {
    const T* value;
    __device__ T operator()(std::size_t i) const { return value[i]; }
};
/// p again, by position in the selection, after a sweep that sent nothing of it; of one piece.
template <class Again> struct again_source {
    Again rule;
    std::size_t shift; ///< from a position to the packed element; wraps
    bool mends;
    __device__ auto operator()(std::size_t position) const { return form_at(rule, position + shift, mends); }
};

/// Which limits the pass lists and lets go by. The same in every launch behind it.
template <class Rule, class T> __device__ bits_t<T> leaving_of(const device_top_k<T>& s)
{
    if constexpr (lane_leaves_early<Rule>) return leaving_from(s.limits);
    else return bracket<T>::never;
}

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
    __shared__ listed_counts before_tile;
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const piece at = memory.pieces[place.piece];
    const tile_range range = range_of(at, place);
    if (over.gradients != nullptr) over.rule.gradient = over.gradients[range.tensor] - at.offset;
    device_top_k<T>& s = memory.selections[range.selection];
    const bits_t<T> low = s.limits.low;

    const int thread = static_cast<int>(threadIdx.x);
    compact_lane<T> lane;
    const pick_large<T> pick{low, leaving_of<Rule>(s), equal_up_to<T>(low, s.equal_room == s.lists_all), s.equal_room};
    if (is_whole(over.rule, range)) lane.template sweep<device_access, true>(over.rule, range, thread, mends, pick);
    else lane.template sweep<device_access, false>(over.rule, range, thread, mends, pick);

    typename compact_lane<T>::places before, total;
    scan(shared.scan).ExclusiveSum(lane.above().packed, before.above.packed, total.above.packed);
    // The scan adds whole words: field v holds the counts of pack v, at most 1024 each, so no field runs into the next.
    if (__syncthreads_or(static_cast<int>(lane.hits >> 16))) { // a few equal `low` where numbers are continuous: most tiles have none to order
        scan(shared.scan).ExclusiveSum(lane.equal().packed, before.equal.packed, total.equal.packed);
        __syncthreads();
    }
    if (thread < 32) {
        const bool starts = range.first == 0; // tiles of empty tensors do not exist, so the first tile of a selection holds its position 0
        const listed_counts here{total.above.total(), total.equal.total()}, earlier = memory.tiles.before(shared.prefix, blockIdx.x, starts, here);
        if (thread == 0) {
            before_tile = earlier;
            if (range.first + (range.end - range.begin) == s.size) s.listed = listed_counts{earlier.above + here.above, earlier.equal + here.equal}.listed(s.equal_room);
        }
    }
    __syncthreads();
    lane.emit(over.rule, range, thread, before, total, before_tile, pick, memory.list(s));
    if (mends) count_bad(lane.bad, counts);
}

/// Positions [begin, end) of a part: of the list, or of the selection where the bracket missed.
struct part_range {
    std::size_t begin, end;
};
template <class T> __device__ part_range range_of_part(const device_top_k<T>& s, std::uint32_t part)
{
    const std::size_t n = s.missed() ? s.size : s.listed, share = (n + s.parts - 1) / s.parts;
    const std::size_t begin = share * part < n ? share * part : n;
    return {begin, begin + share < n ? begin + share : n};
}

/// Where the bracket missed: what left the memory in this part returns to it. The list ascends, so a part's own elements stand side by side in it; no other
/// block of threads reads or writes them in this launch. What found no place in the list returned in the pass.
template <class Rule, class T> __device__ void put_back(const Rule& rule, const select_memory<T>& memory, const device_top_k<T>& s, const part_range& part)
{
    if constexpr (lane_leaves_early<Rule>) {
        const lane_list<T> list = memory.list(s);
        const bits_t<T> left = leaving_of<Rule>(s);
        const std::uint32_t stored = s.listed < s.capacity ? s.listed : s.capacity, end = first_not_below(list.index, stored, part.end);
        for (std::uint32_t j = first_not_below(list.index, stored, part.begin) + threadIdx.x; j < end; j += select_threads)
            if (magnitude(list.value[j]) >= left) rule.settle(packed_place(memory.pieces, s.begin, s.end, list.index[j]), list.value[j], T(0));
    }
}

/// Calls work(source, begin, end) for this block's part: of the list, or, where the bracket missed, of p, piece by piece.
template <class Rule, class T, class Work> __device__ void over_part(const packed_rule<Rule>& over, const select_memory<T>& memory, const device_top_k<T>& s, const part_range& part, bool mends, const Work& work)
{
    if (!s.missed()) return work(value_source<T>{memory.list(s).value}, part.begin, part.end);
    each_piece_between(memory.pieces, s.begin, s.end, part.begin, part.end, [&](const piece& at, std::size_t from, std::size_t to) {
        const auto again = at_piece(over, at).again();
        work(again_source<std::remove_const_t<decltype(again)>>{again, at.offset - at.first, mends}, from, to);
    });
}

/// One digit of the threshold. Every part narrows by the digit before; the first one notes it.
template <class Rule, class T>
__global__ void __launch_bounds__(select_threads) digit_kernel(packed_rule<Rule> over, select_memory<T> memory, int digit, bool mends, device_counts* counts)
{
    __shared__ select_shared<T, select_threads> shared;
    const select_part part = memory.parts[blockIdx.x];
    device_top_k<T>& s = memory.selections[part.selection];
    if (s.kept == 0 || !begin(over.rule)) return;
    const part_range range = range_of_part(s, part.part);
    const device_block<select_threads> block{shared.scan};
    digit_search<T> found = s.found[digit > 0 ? digit - 1 : 0];
    if (digit > 0) {
        found = narrow<T>(block, shared.found, memory.histogram(part.selection, digit - 1), found, digit - 1);
        if (part.part == 0 && block.thread() == 0) s.found[digit] = found;
    } else if (s.missed()) {
        if (part.part == 0 && block.thread() == 0) atomicAdd(&counts->fallbacks, 1u);
        put_back(over.rule, memory, s, range);
    }
    clear_digits<T>(block, shared.histogram); // its barrier also lets this block see what it put back
    over_part(over, memory, s, range, mends, [&](const auto& source, std::size_t from, std::size_t to) { count_digits<T>(block, shared.histogram, found, source, from, to, digit); });
    block.sync();
    for (int b = block.thread(); b < 2048; b += select_threads)
        if (shared.histogram[b] > 0) atomicAdd(&memory.histogram(part.selection, digit)[b], shared.histogram[b]);
}

/// The winners of each part.
template <class Rule, class T> __global__ void __launch_bounds__(select_threads) count_kernel(packed_rule<Rule> over, select_memory<T> memory, bool mends)
{
    __shared__ select_shared<T, select_threads> shared;
    __shared__ part_counts sum;
    const select_part part = memory.parts[blockIdx.x];
    device_top_k<T>& s = memory.selections[part.selection];
    if (s.kept == 0 || !begin(over.rule)) return;
    const device_block<select_threads> block{shared.scan};
    constexpr int last = radix<T>::digits - 1;
    const digit_search<T> found = narrow<T>(block, shared.found, memory.histogram(part.selection, last), s.found[last], last);
    if (block.thread() == 0) {
        sum.above = sum.ties = 0;
        if (part.part == 0) s.found[last + 1] = found;
    }
    block.sync();
    std::uint32_t above = 0, ties = 0;
    over_part(over, memory, s, range_of_part(s, part.part), mends, [&](const auto& source, std::size_t from, std::size_t to) { count_winners<T>(block, source, from, to, found.prefix, above, ties); });
    if (above > 0) block.add(sum.above, above);
    if (ties > 0) block.add(sum.ties, ties);
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
    if (s.kept == 0 || !begin(over.rule)) return;
    const device_block<select_threads> block{shared.scan};
    if (block.thread() == 0) before.above = before.ties = 0;
    block.sync();
    for (std::uint32_t p = threadIdx.x; p < part.part; p += select_threads) {
        const part_counts c = memory.counts[s.first_part + p];
        if (c.above > 0) block.add(before.above, c.above);
        if (c.ties > 0) block.add(before.ties, c.ties);
    }
    block.sync();
    const Rule& rule = over.rule;
    const digit_search<T> found = s.found[radix<T>::digits];
    const bool missed = s.missed();
    const lane_list<T> list = memory.list(s);
    const bits_t<T> left = missed ? bracket<T>::never : leaving_of<Rule>(s);
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
    std::uint32_t ties = before.ties, slot = before.above + (ties < found.rank ? ties : found.rank);
    over_part(over, memory, s, range_of_part(s, part.part), mends,
        [&](const auto& source, std::size_t from, std::size_t to) { take_winners<T>(block, source, from, to, found.prefix, found.rank, ties, slot, take, pass); });
}

} // namespace gradcomp::exec::detail
