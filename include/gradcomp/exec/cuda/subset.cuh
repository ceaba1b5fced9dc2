/// @file Random coordinates on CUDA: one bit an element, then one pass that sends the marked ones in index order.
#pragma once

#include <gradcomp/exec/cuda/indexed_messages.cuh>
#include <gradcomp/exec/cuda/look_back.cuh>
#include <gradcomp/exec/engines.hpp>

#include <vector>

namespace gradcomp::exec {
namespace detail {

/// A selection's subset as kernels see it.
template <class T> struct device_subset {
    device_selection at;
    std::size_t words = 0; ///< its first word of bits
    std::uint32_t key = 0;
    T factor = 1;
};

/// Marks the coordinates of a step, a tile of the message a block of threads; the bits were cleared before.
template <class T> __global__ void __launch_bounds__(apply_threads) mark_kernel(const tile_place* tiles, const device_subset<T>* subsets, const step_state<T>* now, choice_key key, std::uint32_t* bits)
{
    const tile_place place = tiles[blockIdx.x];
    const device_subset<T> s = subsets[place.piece];
    const keyed_permutation order(static_cast<std::uint32_t>(s.at.size), key.stream(now->step, s.key, purpose::rand_k));
    const std::size_t first = place.number * tile_elements, end = first + tile_elements < s.at.kept ? first + tile_elements : s.at.kept;
    for (std::size_t j = first + threadIdx.x; j < end; j += apply_threads) {
        const std::uint32_t i = order(static_cast<std::uint32_t>(j));
        atomicOr(&bits[s.words + i / 32], 1u << (i % 32));
    }
}

/// One pass over the streams; a value's place in the message is the number of marked ones before it.
template <class Rule, class T>
__global__ void __launch_bounds__(tile_threads, sweep_blocks<T>)
marked_kernel(packed_rule<Rule> over, const piece* pieces, const tile_place* tiles, const device_subset<T>* subsets, const std::uint32_t* bits, look_back_state state, T* message,
    std::uint32_t* index, bool mends, device_counts* counts)
{
    using scan = cub::BlockScan<std::uint64_t, tile_threads, cub::BLOCK_SCAN_WARP_SCANS>;
    __shared__ union {
        typename scan::TempStorage scan;
        look_back_state::storage prefix;
    } shared;
    __shared__ listed_counts before_tile;
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const piece at = pieces[place.piece];
    const tile_range range = range_of(at, place);
    if (over.gradients != nullptr) over.rule.gradient = over.gradients[range.tensor] - at.offset;
    const device_subset<T> s = subsets[range.selection];
    const pick_marked<T> pick{bits + s.words, s.factor};
    const int thread = static_cast<int>(threadIdx.x);
    compact_lane<T> lane;
    if (is_whole(over.rule, range)) lane.template sweep<device_access, true>(over.rule, range, thread, mends, pick);
    else lane.template sweep<device_access, false>(over.rule, range, thread, mends, pick);
    typename compact_lane<T>::places before, total;
    scan(shared.scan).ExclusiveSum(lane.above().packed, before.above.packed, total.above.packed);
    __syncthreads();
    if (thread < 32) {
        const listed_counts earlier = state.before(shared.prefix, blockIdx.x, range.first == 0, {total.above.total(), 0});
        if (thread == 0) before_tile = earlier;
    }
    __syncthreads();
    lane.emit(over.rule, range, thread, before, total, before_tile, pick,
        {index + s.at.payload, message + s.at.payload, static_cast<std::uint32_t>(s.at.kept)});
    if (mends) count_bad(lane.bad, counts);
}

} // namespace detail

/// Random coordinates. Device memory: one bit an element and 4 bytes a kept one.
template <class T> class subset_engine<cuda_stream, T> : public device_indexed_messages<T> {
public:
    template <class FactorOf> subset_engine(const cuda_stream&, const layout& where, const FactorOf& factor_of) : device_indexed_messages<T>(where), chosen_(where.kept)
    {
        std::vector<detail::device_subset<T>> all;
        std::size_t words = 0;
        for (const selection& s : where.selections) {
            all.push_back({{s.size, s.kept, s.payload, static_cast<std::uint32_t>(s.begin), static_cast<std::uint32_t>(s.end)}, words, s.key, factor_of(s)});
            words += (s.size + 31) / 32;
        }
        bits_ = device_buffer<std::uint32_t>(words);
        on_device_ = device_buffer<detail::device_subset<T>>(all.size());
        on_device_.fill_from(all.data(), all.size());
        look_back_ = device_buffer<std::byte>(this->tiles_.count() > 0 ? look_back_state::bytes(this->tiles_.count()) : 0);
    }

    /// Enqueues a memset and three launches, and with indices another of each.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>& at, const choice_key& key, T* message, std::byte* index,
        const sweep_options& options)
    {
        const unsigned tiles = this->tiles_.count();
        if (tiles == 0) return {};
        const look_back_state state(look_back_.data(), tiles);
        clear(on, reinterpret_cast<std::byte*>(bits_.data()), bits_.size_bytes());
        detail::reset_tiles_kernel<T><<<detail::blocks_for(tiles, 256), 256, 0, on.stream()>>>(state, tiles);
        detail::mark_kernel<T><<<this->messages_.count(), detail::apply_threads, 0, on.stream()>>>(this->messages_.tiles(), on_device_.data(), at.now, key, bits_.data());
        detail::marked_kernel<<<tiles, tile_threads, 0, on.stream()>>>(rules, this->tiles_.pieces(), this->tiles_.tiles(), on_device_.data(), bits_.data(), state, message, chosen_.data(),
            options.bad_elements != non_finite::propagate, on.counts());
        detail::check_launch("rand_k");
        if (index != nullptr) this->write(on, chosen_.data(), index);
        return {};
    }
    /// By the coordinates that encode() noted last.
    template <class Target> void decode(const cuda_stream& on, const layout& where, const Target& target, const T* message) const 
    {
        this->scatter_from(on, where, target, message, plain_indices{chosen_.data()});
    }
    template <class Target> void decode_all(const cuda_stream& on, const layout& where, const Target& target, const gathered_messages& all) const
    {
        this->scatter_from(on, where, target, all, plain_indices{chosen_.data()});
    }

private:
    device_buffer<detail::device_subset<T>> on_device_;
    device_buffer<std::uint32_t> bits_, chosen_;
    device_buffer<std::byte> look_back_;
};

} // namespace gradcomp::exec
