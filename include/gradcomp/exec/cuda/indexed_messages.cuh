/// @file Messages that name their coordinates: the check of a peer's indices, and scattering, one launch for all selections.
#pragma once

#include <gradcomp/exec/cuda/scatter.cuh>

namespace gradcomp::exec {

/// Messages that name their coordinates, by indices that count within the layout.
template <class T> class device_indexed_messages {
public:
    explicit device_indexed_messages(const layout& where) : tiles_(where), messages_(where), selections_(selections_on_device(where)) {}

    /// Enqueues the check of what a peer sent; a message that cannot be right is noted, and then rejected by every rank that got it.
    void check(const cuda_stream& on, const layout&, const std::uint32_t* index) const
    {
        if (messages_.count() == 0) return;
        detail::check_indices_kernel<detail::apply_threads><<<messages_.count(), detail::apply_threads, 0, on.stream()>>>(messages_.tiles(), selections_.data(), index, on.counts());
        detail::check_launch("check_indices_kernel");
    }
    template <class Target> void scatter(const cuda_stream& on, const layout&, const Target& target, const T* message, const std::uint32_t* index) const
    {
        if (messages_.count() == 0) return;
        detail::scatter_kernel<T><<<messages_.count(), detail::apply_threads, 0, on.stream()>>>(target, tiles_.pieces(), messages_.tiles(), selections_.data(), message, index);
        detail::check_launch("scatter_kernel");
    }

protected:
    device_tiles tiles_;
    message_tiles messages_;
    device_buffer<device_selection> selections_;
};

} // namespace gradcomp::exec
