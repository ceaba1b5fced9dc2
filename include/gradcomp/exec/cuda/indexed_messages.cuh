/// @file Messages that name their coordinates: indices to and from their form on the wire, the check of a peer's, and scattering; launches for all selections.
#pragma once

#include <gradcomp/exec/cuda/gathered_indices.cuh>
#include <gradcomp/exec/cuda/scatter.cuh>

#include <optional>

namespace gradcomp::exec {

/// Plain indices of a layout's selections, one behind the other, each counted within its own.
struct plain_indices {
    const std::uint32_t* index;
    __device__ std::size_t operator()(const device_selection& s, std::uint32_t, std::size_t j) const { return index[s.payload + j]; }
    __device__ std::size_t count(const device_selection& s, std::uint32_t) const { return s.kept; }
};
/// Indices in a message; where `counts` are given, fewer than there is room for.
struct wire_indices {
    const placed_indices* places;
    const std::uint32_t* starts; ///< of tiles
    const std::byte* wire;
    const std::uint32_t* counts;

    __device__ std::size_t operator()(const device_selection&, std::uint32_t number, std::size_t j) const
    {
        const placed_indices& s = places[number];
        return read_index(s.form, starts + s.first_tile, wire + s.wire, j);
    }
    __device__ std::size_t count(const device_selection& s, std::uint32_t number) const { return counts == nullptr || counts[number] > s.kept ? s.kept : counts[number]; }
};

namespace detail {

/// Plain indices to the wire; the region was zeroed before.
template <int Threads>
__global__ void __launch_bounds__(Threads)
write_indices_kernel(const tile_place* tiles, const device_selection* selections, const placed_indices* places, const std::uint32_t* counts, const std::uint32_t* index, std::byte* wire)
{
    each_place(tiles, selections, [&](const device_selection& s, std::uint32_t number, std::size_t j) {
        const std::size_t count = counts == nullptr ? s.kept : counts[number];
        const placed_indices& at = places[number];
        if (j < count) write_index(at.form, index + s.payload, count, j, wire + at.wire, [](std::uint32_t& counter, std::uint32_t x) { atomicAdd(&counter, x); });
    });
}

/// Where the tiles of each selection begin among its indices, one block of threads a selection; notes counts that do not add up.
template <int Threads>
__global__ void __launch_bounds__(Threads) place_indices_kernel(const device_selection* selections, wire_indices from, std::uint32_t* starts, device_counts* counts)
{
    __shared__ typename device_block<Threads>::scan::TempStorage shared;
    const placed_indices& s = from.places[blockIdx.x];
    if (s.form.tiles == 0) return;
    const device_block<Threads> block{shared};
    const bool right = sum_counts(block, reinterpret_cast<const std::uint32_t*>(from.wire + s.wire), s.form.tiles, from.count(selections[blockIdx.x], blockIdx.x), starts + s.first_tile);
    if (!right && threadIdx.x == 0) counts->unreadable = counts->verdict = 1;
}

/// Notes a message whose indices are out of range or do not ascend, whose counts are above the room, or whose room is not zero, with the values there where
/// `message` is given; nothing of it is applied then.
template <class T>
__global__ void __launch_bounds__(apply_threads)
check_indices_kernel(const tile_place* tiles, const device_selection* selections, wire_indices from, const T* message, device_counts* counts)
{
    bool wrong = false;
    each_place(tiles, selections, [&](const device_selection& s, std::uint32_t number, std::size_t j) {
        const placed_indices& at = from.places[number];
        const std::size_t count = from.count(s, number);
        wrong |= from.counts != nullptr && from.counts[number] > s.kept;
        wrong |= !is_index_right(at.form, count, from.starts + at.first_tile, from.wire + at.wire, j);
        if (message != nullptr && j >= count) wrong |= bits_of(message[s.payload + j]) != 0;
    });
    if (__syncthreads_or(wrong) && threadIdx.x == 0) counts->unreadable = counts->verdict = 1;
}

template <class T, class Target, class Indices>
__global__ void __launch_bounds__(apply_threads)
scatter_kernel(Target to, const piece* pieces, const tile_place* tiles, const device_selection* selections, gathered_messages all, Indices from)
{
    if (!begin(to)) return;
    each_place(tiles, selections, [&](const device_selection& s, std::uint32_t number, std::size_t j) {
        if (j >= from.count(s, number)) return;
        const std::size_t i = packed_place(pieces, s.begin, s.end, from(s, number, j));
        for (std::size_t rank = 0; rank < all.count; ++rank) to(i, reinterpret_cast<const T*>(all.at(rank))[s.payload + j]);
    });
}

} // namespace detail

/// Messages that name their coordinates. Device memory: a few words a selection, and 76 bytes for 65536 elements.
template <class T> class device_indexed_messages {
public:
    explicit device_indexed_messages(const layout& where) : tiles_(where), messages_(where), selections_(selections_on_device(where)), index_bytes_(gradcomp::index_bytes(where))
    {
        const std::vector<placed_indices> places = placed_indices_of(where);
        std::size_t tiles = 0;
        for (const placed_indices& s : places) tiles += s.form.tiles;
        places_ = device_buffer<placed_indices>(places.size());
        places_.fill_from(places.data(), places.size());
        starts_ = device_buffer<std::uint32_t>(tiles);
        gathered_.emplace(where, tiles);
    }
    std::size_t index_bytes() const { return index_bytes_; }

    /// Enqueues the check of what a peer sent; a message that cannot be right is noted, and then rejected by every rank that got it.
    void check(const cuda_stream& on, const layout&, const std::byte* index) const { check_counted(on, nullptr, index, nullptr); }
    template <class Target> void scatter(const cuda_stream& on, const layout& where, const Target& target, const T* message, const std::byte* index) const
    {
        scatter_from(on, where, target, message, read(on, index));
    }

    /// The messages of all ranks; indices stand `index` bytes behind each one's first, as values do at it.
    template <class Target> void scatter_all(const cuda_stream& on, const layout&, const Target& target, const gathered_messages& all, std::size_t index) const
    {
        gathered_->scatter<T>(on, target, tiles_.pieces(), selections_, places_, all, index, 0, false);
    }

    /// Enqueues what reading indices of a message takes. `counts` of them, where that is given.
    wire_indices read(const cuda_stream& on, const std::byte* index, const std::uint32_t* counts = nullptr) const
    {
        const wire_indices from{places_.data(), starts_.data(), index, counts};
        if (starts_.size() == 0) return from;
        detail::place_indices_kernel<detail::apply_threads>
            <<<static_cast<unsigned>(places_.size()), detail::apply_threads, 0, on.stream()>>>(selections_.data(), from, starts_.data(), on.counts());
        detail::check_launch("place_indices_kernel");
        return from;
    }
    /// Enqueues the writing of plain indices to a message. `counts` of them, where that is given.
    void write(const cuda_stream& on, const std::uint32_t* plain, std::byte* index, const std::uint32_t* counts = nullptr) const
    {
        clear(on, index, index_bytes_);
        write_cleared(on, plain, index, counts);
    }
    /// The same where all bytes of the indices are zero already.
    void write_cleared(const cuda_stream& on, const std::uint32_t* plain, std::byte* index, const std::uint32_t* counts = nullptr) const
    {
        if (messages_.count() == 0) return;
        detail::write_indices_kernel<detail::apply_threads>
            <<<messages_.count(), detail::apply_threads, 0, on.stream()>>>(messages_.tiles(), selections_.data(), places_.data(), counts, plain, index);
        detail::check_launch("write_indices_kernel");
    }

protected:
    /// @param message of values, where those behind the last index must be zero, too; else null
    void check_counted(const cuda_stream& on, const T* message, const std::byte* index, const std::uint32_t* counts) const
    {
        if (messages_.count() == 0) return;
        detail::check_indices_kernel<T>
            <<<messages_.count(), detail::apply_threads, 0, on.stream()>>>(messages_.tiles(), selections_.data(), read(on, index, counts), message, on.counts());
        detail::check_launch("check_indices_kernel");
    }
    template <class Target, class Indices> void scatter_from(const cuda_stream& on, const layout& where, const Target& target, const T* message, const Indices& from) const
    {
        scatter_from(on, where, target, gathered_messages{.first = reinterpret_cast<const std::byte*>(message)}, from);
    }
    /// The same places in all ranks' messages.
    template <class Target, class Indices> void scatter_from(const cuda_stream& on, const layout& where, const Target& target, const gathered_messages& all, const Indices& from) const
    {
        if constexpr (is_dense<Target>) clear_dense(on, where, target.to);
        if (messages_.count() == 0) return;
        detail::scatter_kernel<T><<<messages_.count(), detail::apply_threads, 0, on.stream()>>>(target, tiles_.pieces(), messages_.tiles(), selections_.data(), all, from);
        detail::check_launch("scatter_kernel");
    }

    template <class Target> void scatter_counted(const cuda_stream& on, const Target& target, const gathered_messages& all, std::size_t index, std::size_t counts) const
    {
        gathered_->scatter<T>(on, target, tiles_.pieces(), selections_, places_, all, index, counts, true);
    }

    device_tiles tiles_;
    message_tiles messages_;
    device_buffer<device_selection> selections_;

private:
    std::size_t index_bytes_;
    device_buffer<placed_indices> places_;
    mutable device_buffer<std::uint32_t> starts_;
    mutable std::optional<gathered_scatter> gathered_;
};

} // namespace gradcomp::exec
