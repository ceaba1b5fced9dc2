/// @file The messages of all ranks, each with indices of its own, scattered in one launch: a block of threads has 65536 elements and takes rank after rank.
#pragma once

#include <gradcomp/exec/cuda/index_forms.hpp>
#include <gradcomp/exec/cuda/look_back.cuh>
#include <gradcomp/exec/cuda/scatter.cuh>

namespace gradcomp::exec {

/// Messages that one launch takes; of more ranks, several launches follow each other.
inline constexpr unsigned gathered_together = 16;

/// Indices in some ranks' messages as kernels see them.
struct gathered_indices {
    const placed_indices* places;
    std::uint32_t* starts;       ///< of tiles, rank after rank
    std::size_t tiles;           ///< of all selections
    gathered_messages all;       ///< values, from each message's first byte on
    std::size_t index, counts;   ///< where indices, and how many of each selection there are, stand in a message
    bool counted;                ///< whether `counts` are given; else all places are taken

    __device__ const std::byte* wire(std::size_t rank, const placed_indices& at) const { return all.at(rank) + index + at.wire; }
    __device__ std::uint32_t* starts_of(std::size_t rank, const placed_indices& at) const { return starts + rank * tiles + at.first_tile; }
    __device__ std::size_t count(std::size_t rank, std::uint32_t selection, std::size_t kept) const
    {
        if (!counted) return kept;
        const std::size_t said = reinterpret_cast<const std::uint32_t*>(all.at(rank) + counts)[selection];
        return said < kept ? said : kept;
    }
};

namespace detail {

/// Where the tiles of each selection begin in each message; a block of threads for each. That counts add up was checked.
template <int Threads> __global__ void __launch_bounds__(Threads) place_gathered_kernel(const device_selection* selections, gathered_indices from)
{
    __shared__ typename device_block<Threads>::scan::TempStorage shared;
    const placed_indices& at = from.places[blockIdx.x];
    if (at.form.tiles == 0) return;
    const device_block<Threads> block{shared};
    const std::size_t count = from.count(blockIdx.y, blockIdx.x, selections[blockIdx.x].kept);
    sum_counts(block, reinterpret_cast<const std::uint32_t*>(from.wire(blockIdx.y, at)), at.form.tiles, count, from.starts_of(blockIdx.y, at));
}

/// An element gets its values in the order of ranks, for a barrier stands between them and no rank names an element twice.
template <class T, class Target>
__global__ void __launch_bounds__(apply_threads) scatter_gathered_kernel(Target to, const piece* pieces, const tile_place* tiles, const device_selection* selections, gathered_indices from)
{
    __shared__ index_span spans[gathered_together];
    if (!begin(to)) return;
    const tile_place place = tiles[blockIdx.x];
    const device_selection s = selections[place.piece];
    const placed_indices at = from.places[place.piece];
    if (threadIdx.x < from.all.count)
        spans[threadIdx.x] = indices_in_tile(at.form, from.starts_of(threadIdx.x, at), from.count(threadIdx.x, place.piece, s.kept), from.wire(threadIdx.x, at), place.number);
    __syncthreads();
    for (std::size_t rank = 0; rank < from.all.count; ++rank) {
        const T* const value = reinterpret_cast<const T*>(from.all.at(rank)) + s.payload;
        const std::byte* const wire = from.wire(rank, at);
        for (std::size_t j = spans[rank].begin + threadIdx.x; j < spans[rank].end; j += apply_threads)
            to(packed_place(pieces, s.begin, s.end, index_in_tile(at.form, wire, place.number, j)), value[j]);
        __syncthreads();
    }
}

} // namespace detail

/// What scattering gathered messages of a layout takes. Device memory: 72 bytes for 65536 elements.
class gathered_scatter {
public:
    gathered_scatter(const layout& where, std::size_t starts) : starts_(starts * gathered_together), tiles_of_all_(starts)
    {
        std::vector<tile_place> tiles;
        for (std::size_t n = 0; n < where.selections.size(); ++n)
            for (std::size_t t = 0; where.selections[n].kept > 0 && t * index_tile < where.selections[n].size; ++t) tiles.push_back({static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(t)});
        tiles_ = device_buffer<tile_place>(tiles.size());
        tiles_.fill_from(tiles.data(), tiles.size());
    }

    /// Enqueues one or two launches for 16 ranks. @param index, counts where these stand in a message; `counted` says whether counts do
    template <class T, class Target>
    void scatter(const cuda_stream& on, const Target& target, const piece* pieces, const device_buffer<device_selection>& selections, const device_buffer<placed_indices>& places,
        const gathered_messages& all, std::size_t index, std::size_t counts, bool counted)
    {
        const auto count = static_cast<unsigned>(tiles_.size());
        for (std::size_t rank = 0; count > 0 && rank < all.count; rank += gathered_together) {
            const std::size_t rest = all.count - rank, some = rest < gathered_together ? rest : gathered_together;
            const gathered_indices from{places.data(), starts_.data(), tiles_of_all_, {all.at(rank), all.stride, some}, index, counts, counted};
            if (tiles_of_all_ > 0)
                detail::place_gathered_kernel<detail::apply_threads>
                    <<<dim3(static_cast<unsigned>(places.size()), static_cast<unsigned>(some)), detail::apply_threads, 0, on.stream()>>>(selections.data(), from);
            detail::scatter_gathered_kernel<T><<<count, detail::apply_threads, 0, on.stream()>>>(target, pieces, tiles_.data(), selections.data(), from);
            detail::check_launch("scatter_gathered_kernel");
        }
    }

private:
    device_buffer<std::uint32_t> starts_;
    std::size_t tiles_of_all_;
    device_buffer<tile_place> tiles_;
};

} // namespace gradcomp::exec
