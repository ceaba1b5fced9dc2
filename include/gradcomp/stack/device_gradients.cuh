/// @file The gradients of a step on a GPU: packed, or one place a tensor, checked before anything is enqueued.
#pragma once

#include <gradcomp/core/tensors.hpp>
#include <gradcomp/exec/cuda/sweep.cuh>

#include <algorithm>
#include <span>
#include <vector>

namespace gradcomp::stack {
namespace detail {

/// Where the gradients of some tensors lie; as an argument of a launch it needs no copy, and a captured graph keeps it.
struct pointer_batch {
    static constexpr std::size_t most = 256;
    const void* at[most];
};
template <int Threads> __global__ void __launch_bounds__(Threads) set_pointers_kernel(pointer_batch from, unsigned count, const void** to)
{
    for (unsigned j = threadIdx.x; j < count; j += Threads) to[j] = from.at[j];
}

} // namespace detail

/// A step's gradients as its sweeps take them.
template <class Gradient> struct incoming_gradients {
    const Gradient* packed = nullptr;
    const Gradient* const* by_tensor = nullptr; ///< in device memory; null: packed
};

/// Checks what a caller hands to a step. Device memory: a pointer a tensor.
class device_gradients {
public:
    device_gradients(const tensor_list& tensors, int rank) : tensors_(&tensors), rank_(rank), places_(tensors.count()), known_(tensors.count() + 1) {}

    /// @throws error size_changed, invalid_argument, wrong_memory_space.
    template <class Gradient> incoming_gradients<Gradient> take(const exec::cuda_stream&, device_view<const Gradient> gradient)
    {
        if (gradient.size() != tensors_->total())
            throw error(error_code::size_changed, "gradient", std::to_string(gradient.size()), "must have the " + std::to_string(tensors_->total()) + " elements of the tensor list", {.rank = rank_});
        require_pointer(gradient, {}, known_.back());
        return {gradient.data(), nullptr};
    }
    /// Enqueues a launch for 256 tensors. @throws error size_changed, invalid_argument, wrong_memory_space naming the tensor; device.
    template <class Gradient> incoming_gradients<Gradient> take(const exec::cuda_stream& on, std::span<const device_view<const Gradient>> gradients)
    {
        if (gradients.size() != tensors_->count())
            throw error(error_code::size_changed, "gradients", std::to_string(gradients.size()), "must be one view per tensor, " + std::to_string(tensors_->count()), {.rank = rank_});
        for (std::size_t t = 0; t < gradients.size(); ++t) {
            if (gradients[t].size() != tensors_->size(t))
                throw error(error_code::size_changed, "gradient", std::to_string(gradients[t].size()),
                    "must have the " + std::to_string(tensors_->size(t)) + " elements that attach() saw", {.rank = rank_, .tensor = tensors_->name(t)});
            require_pointer(gradients[t], tensors_->name(t), known_[t]);
        }
        for (std::size_t first = 0; first < gradients.size(); first += detail::pointer_batch::most) {
            detail::pointer_batch batch{};
            const std::size_t count = std::min(detail::pointer_batch::most, gradients.size() - first);
            for (std::size_t j = 0; j < count; ++j) batch.at[j] = gradients[first + j].data();
            detail::set_pointers_kernel<32><<<1, 32, 0, on.stream()>>>(batch, static_cast<unsigned>(count), places_.data() + first);
        }
        exec::detail::check_launch("set_pointers_kernel");
        return {nullptr, reinterpret_cast<const Gradient* const*>(places_.data())};
    }

private:
    /// A kernel that reads host memory ends the process, so each new pointer is asked about; `known` is the last one of its place.
    template <class Gradient> void require_pointer(device_view<const Gradient> gradient, const std::string& tensor, const void*& known) const
    {
        if (gradient.empty() || gradient.data() == known) return;
        if (gradient.data() == nullptr) throw error(error_code::invalid_argument, "gradient", "null", "must point to memory", {.rank = rank_, .tensor = tensor});
        try {
            exec::detail::require_device_memory(gradient.data(), "gradient");
        } catch (const error& e) {
            throw e.at({.rank = rank_, .tensor = tensor});
        }
        known = gradient.data();
    }

    const tensor_list* tensors_;
    int rank_;
    exec::device_buffer<const void*> places_;
    std::vector<const void*> known_; ///< a tensor, and last the packed one: pointers that lie in device memory
};

} // namespace gradcomp::stack
