/// @file Decoding on CUDA: the values of a message go to a target, a scalar function of (element, value); one launch for all selections.
#pragma once

#include <gradcomp/exec/cuda/apply.hpp>
#include <gradcomp/exec/cuda/gather_blocks.hpp>
#include <gradcomp/exec/cuda/sweep.cuh>
#include <gradcomp/exec/engines.hpp>

#include <algorithm>

namespace gradcomp::exec {

/// The message of a layout, cut into tiles of one selection each.
class message_tiles {
public:
    message_tiles() = default;
    explicit message_tiles(const layout& where)
    {
        std::vector<tile_place> tiles;
        for (std::size_t n = 0; n < where.selections.size(); ++n)
            for (std::size_t t = 0; t * tile_elements < where.selections[n].kept; ++t) tiles.push_back({static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(t)});
        tiles_ = device_buffer<tile_place>(tiles.size());
        tiles_.fill_from(tiles.data(), tiles.size());
    }
    const tile_place* tiles() const { return tiles_.data(); }
    unsigned count() const { return static_cast<unsigned>(tiles_.size()); }

private:
    device_buffer<tile_place> tiles_; ///< `piece` is the selection
};

/// What decoding knows of a selection.
struct device_selection {
    std::size_t size = 0, kept = 0, payload = 0;
    std::uint32_t begin = 0, end = 0; ///< its pieces
};

/// The selections of a layout in device memory.
inline device_buffer<device_selection> selections_on_device(const layout& where)
{
    std::vector<device_selection> all;
    for (const selection& s : where.selections)
        all.push_back({s.size, s.kept, s.payload, static_cast<std::uint32_t>(s.begin), static_cast<std::uint32_t>(s.end)});
    device_buffer<device_selection> memory(all.size());
    memory.fill_from(all.data(), all.size());
    return memory;
}

namespace detail {

inline constexpr int apply_threads = apply_lanes;

template <class F> __global__ void __launch_bounds__(apply_threads) for_each_kernel(F f, std::size_t n)
{
    if (!begin(f)) return;
    const std::size_t first = std::size_t{blockIdx.x} * tile_elements + threadIdx.x;
    for (std::size_t i = first; i < n && i < first + tile_elements; i += apply_threads) f(i);
}

/// A dense message: the elements of a tile in tensor order.
template <class T, class Target>
__global__ void __launch_bounds__(apply_threads) apply_kernel(Target to, const piece* pieces, const tile_place* tiles, const device_selection* selections, gathered_messages all)
{
    if (!begin(to)) return;
    const tile_place place = tiles[blockIdx.x];
    const tile_range range = range_of(pieces[place.piece], place);
    apply_lane<device_access, T>(to, range, static_cast<int>(threadIdx.x), all, selections[range.selection].payload + range.first);
}

/// A message of random blocks: each thread asks which element its value belongs to.
template <class T, class Target>
__global__ void __launch_bounds__(apply_threads)
apply_blocks_kernel(Target to, const step_state<T>* now, choice_key key, const piece* pieces, const tile_place* tiles, const lane_choice* choices, gathered_messages all)
{
    __shared__ std::uint64_t start;
    if (!begin(to)) return;
    const tile_place place = tiles[blockIdx.x];
    const lane_choice at = choices[place.piece];
    const random_stream stream = key.stream(now->step, at.key, purpose::random_block);
    if (at.choice.block == 0 && threadIdx.x == 0) start = at.choice.start(stream);
    __syncthreads();
    const std::size_t first = place.number * tile_elements, end = first + tile_elements < at.choice.kept ? first + tile_elements : at.choice.kept;
    const std::uint64_t from = at.choice.block == 0 ? start : 0;
    const keyed_permutation order = at.choice.block == 0 ? keyed_permutation(1, stream) : at.choice.order(stream);
    for (std::size_t j = first + threadIdx.x; j < end; j += apply_threads) {
        const std::uint64_t position = element_of(at.choice, order, from, j);
        if (position >= at.choice.size) continue;
        const std::size_t i = packed_place(pieces, at.begin, at.end, position);
        for (std::size_t rank = 0; rank < all.count; ++rank) to(i, reinterpret_cast<const T*>(all.at(rank))[at.payload + j]);
    }
}

/// The number of a selection and what a kernel wants of each place in its message: f(selection, its number, place).
template <class F> __device__ void each_place(const tile_place* tiles, const device_selection* selections, const F& f)
{
    const tile_place place = tiles[blockIdx.x];
    const device_selection& at = selections[place.piece];
    const std::size_t first = place.number * tile_elements, end = first + tile_elements < at.kept ? first + tile_elements : at.kept;
    for (std::size_t j = first + threadIdx.x; j < end; j += apply_threads) f(at, place.piece, j);
}

struct zero_check {
    const std::byte* at;
    device_counts* counts;
    GRADCOMP_HD void operator()(std::size_t i) const
    {
        if (at[i] != std::byte{0}) counts->unreadable = counts->verdict = 1;
    }
};

} // namespace detail

/// f(i) for i in [0, n), independent of each other.
template <class F> void for_each(const cuda_stream& on, std::size_t n, const F& f)
{
    if (n == 0) return;
    detail::for_each_kernel<<<detail::blocks_for(n, tile_elements), detail::apply_threads, 0, on.stream()>>>(f, n);
    detail::check_launch("for_each_kernel");
}

/// Bytes that a message does not use are zeros.
inline void clear(const cuda_stream& on, std::byte* at, std::size_t bytes)
{
    if (bytes > 0) detail::check_cuda(cudaMemsetAsync(at, 0, bytes, on.stream()), "cudaMemsetAsync");
}
/// Enqueues a look at bytes [from, to) of a message, which must be 0.
inline void check_zeros(const cuda_stream& on, const std::byte* message, std::size_t from, std::size_t to)
{
    for_each(on, to - from, detail::zero_check{message + from, on.counts()});
}

/// Zeros in the elements of a layout's tensors; neighbours in memory at once.
template <class T> void clear_dense(const cuda_stream& on, const layout& where, T* to)
{
    for (std::size_t at = 0; at < where.segments.size();) {
        const std::size_t begin = where.segments[at].offset;
        std::size_t end = begin;
        for (; at < where.segments.size() && where.segments[at].offset == end; ++at) end += where.segments[at].size;
        clear(on, reinterpret_cast<std::byte*>(to + begin), (end - begin) * sizeof(T));
    }
}

} // namespace gradcomp::exec
