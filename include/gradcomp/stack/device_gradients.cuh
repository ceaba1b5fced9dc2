/// @file The gradients of a step on a GPU: packed, or one place a tensor, and other pointers that a caller hands over; checked before anything is enqueued.
#pragma once

#include <gradcomp/core/tensors.hpp>
#include <gradcomp/exec/cuda/sweep.cuh>

#include <algorithm>
#include <array>
#include <functional>
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

/// Device memory that a run writes, and its name for the caller.
struct device_range {
    const void* first = nullptr;
    std::size_t bytes = 0;
    const char* name = "";
};

/// Checks what a caller hands to a run. Device memory: a pointer a tensor.
class device_gradients {
public:
    device_gradients(const tensor_list& tensors, int rank) : tensors_(&tensors), rank_(rank), places_(tensors.count()), known_(tensors.count() + 1) {}

    using own_memory = std::array<device_range, 3>; ///< the model and the run's memory, which a step rewrites while it reads the gradient

    // All of these first look for an error that is somebody else's, before anything is counted or enqueued: once the caller has cleared it, this rank is
    // still in step with its peers.

    /// @throws error size_changed, invalid_argument, wrong_memory_space, overlap; device.
    template <class Gradient> incoming_gradients<Gradient> take(const exec::cuda_stream&, device_view<const Gradient> gradient, const own_memory& own)
    {
        exec::detail::require_clean_device();
        if (gradient.size() != tensors_->total())
            throw error(error_code::size_changed, "gradient", std::to_string(gradient.size()), "must have the " + std::to_string(tensors_->total()) + " elements of the tensor list", {.rank = rank_});
        require_pointer(gradient, {}, known_.back());
        require_apart({gradient.data(), gradient.size_bytes(), "gradient"}, own, {});
        return {gradient.data(), nullptr};
    }
    /// Enqueues a launch for 256 tensors. @throws error size_changed, invalid_argument, wrong_memory_space, overlap, each naming the tensor; device.
    template <class Gradient> incoming_gradients<Gradient> take(const exec::cuda_stream& on, std::span<const device_view<const Gradient>> gradients, const own_memory& own)
    {
        exec::detail::require_clean_device();
        if (gradients.size() != tensors_->count())
            throw error(error_code::size_changed, "gradients", std::to_string(gradients.size()), "must be one view per tensor, " + std::to_string(tensors_->count()), {.rank = rank_});
        for (std::size_t t = 0; t < gradients.size(); ++t) {
            if (gradients[t].size() != tensors_->size(t))
                throw error(error_code::size_changed, "gradient", std::to_string(gradients[t].size()),
                    "must have the " + std::to_string(tensors_->size(t)) + " elements that attach() saw", {.rank = rank_, .tensor = tensors_->name(t)});
            require_pointer(gradients[t], tensors_->name(t), known_[t]);
            require_apart({gradients[t].data(), gradients[t].size_bytes(), "gradient"}, own, tensors_->name(t));
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

    /// One number that is read on the stream. @throws error invalid_argument, wrong_memory_space; device.
    void check_number(device_view<const float> number, const char* field) const
    {
        exec::detail::require_clean_device();
        if (number.size() != 1) throw error(error_code::invalid_argument, field, std::to_string(number.size()), "must be one number", {.rank = rank_});
        require_memory(number.data(), field, {});
    }
    /// A place to write a model to: the parameters as a whole, or apart from all of `own`. @throws error size_changed, invalid_argument, wrong_memory_space, overlap; device.
    template <class T> void check_destination(device_view<T> to, const own_memory& own) const
    {
        exec::detail::require_clean_device();
        if (to.size() != tensors_->total()) throw error(error_code::size_changed, "destination", std::to_string(to.size()), "must have all elements", {.rank = rank_});
        if (to.empty() || to.data() == own[0].first) return;
        require_memory(to.data(), "destination", {});
        require_apart({to.data(), to.size_bytes(), "destination"}, own, {});
    }

private:
    void require_apart(const device_range& a, const own_memory& own, const std::string& tensor) const
    {
        const std::less<const std::byte*> before;
        const auto begin = [](const device_range& r) { return static_cast<const std::byte*>(r.first); };
        for (const device_range& b : own)
            if (a.bytes > 0 && b.bytes > 0 && before(begin(a), begin(b) + b.bytes) && before(begin(b), begin(a) + a.bytes))
                throw error(error_code::overlap, a.name, b.name, std::string("must not overlap ") + b.name, {.rank = rank_, .tensor = tensor});
    }
    /// A kernel that reads host memory ends the process, so each new pointer is asked about; `known` is the last one of its place.
    template <class Gradient> void require_pointer(device_view<const Gradient> gradient, const std::string& tensor, const void*& known) const
    {
        if (gradient.empty() || gradient.data() == known) return;
        require_memory(gradient.data(), "gradient", tensor);
        known = gradient.data();
    }
    void require_memory(const void* at, const char* field, const std::string& tensor) const
    {
        if (at == nullptr) throw error(error_code::invalid_argument, field, "null", "must point to memory", {.rank = rank_, .tensor = tensor});
        try {
            exec::detail::require_device_memory(at, field);
        } catch (const error& e) {
            throw e.at({.rank = rank_, .tensor = tensor});
        }
    }

    const tensor_list* tensors_;
    int rank_;
    exec::device_buffer<const void*> places_;
    std::vector<const void*> known_; ///< a tensor, and last the packed one: pointers that lie in device memory
};

} // namespace gradcomp::stack
