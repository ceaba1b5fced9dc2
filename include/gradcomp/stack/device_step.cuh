/// @file The small kernels around a step on a GPU: what is set between steps, the divergence guard's sample, the end of an exchange, and what is read back of it.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/exec/cuda/sweep.cuh>
#include <gradcomp/observe/divergence.hpp>

#include <string>

namespace gradcomp::stack::detail {

template <class T> __global__ void set_value_kernel(T* at, T value) { *at = value; }
template <class T> __global__ void invert_scale_kernel(T* factor, const float* scale) { *factor = T(1) / static_cast<T>(*scale); }

/// Enqueues *at = value, for what kernels of later steps read; a captured one is set again by each replay.
template <class T> void set_value(const exec::cuda_stream& on, T* at, T value)
{
    set_value_kernel<<<1, 1, 0, on.stream()>>>(at, value);
    exec::detail::check_launch("set_value_kernel");
}

/// The learning rate of the steps that follow. @throws error invalid_option, device.
template <class T> void set_rate(const exec::cuda_stream& on, step_state<T>* now, double learning_rate, int rank)
{
    const T rate = static_cast<T>(learning_rate);
    exec::detail::require_clean_device();
    if (!(is_finite(rate) && rate >= T(0))) throw error(error_code::invalid_option, "learning_rate", text_of(learning_rate), "must be finite and not negative", {.rank = rank});
    set_value(on, &now->learning_rate, rate);
}
/// What takes a loss scale off the gradients of the steps that follow. @throws error invalid_option, device.
template <class T> void set_factor(const exec::cuda_stream& on, T* at, double loss_scale, int rank)
{
    const T factor = T(1) / static_cast<T>(loss_scale);
    exec::detail::require_clean_device();
    if (!(is_finite(factor) && factor > T(0))) throw error(error_code::invalid_option, "loss_scale", text_of(loss_scale), "must be above 0, and finite as its inverse", {.rank = rank});
    set_value(on, at, factor);
}

/// The guard's numbers in device memory, and the sums of the present exchange.
struct device_guard {
    divergence_watch watch;
    double error_square = 0, update_square = 0;
    unsigned long long sampled = 0;
};

/// Squares of what is owed and of what is new, over one tile of every `stride`: read before the sweep, which overwrites e. The order of the sums is
/// not fixed; they never enter a result.
template <class Rule>
__global__ void __launch_bounds__(exec::tile_threads) sample_norms_kernel(exec::packed_rule<Rule> over, const exec::piece* pieces, const exec::tile_place* tiles, unsigned stride, bool mends, device_guard* guard)
{
    if (!exec::detail::begin(over.rule)) return;
    const exec::tile_place place = tiles[blockIdx.x * stride];
    const exec::tile_range range = exec::range_of(pieces[place.piece], place);
    const Rule rule = exec::detail::at_piece(over, pieces[place.piece]);
    double owed = 0, fresh = 0;
    for (std::size_t i = range.begin + threadIdx.x; i < range.end; i += exec::tile_threads) {
        const double p = static_cast<double>(exec::detail::form_at(rule, i, mends)), e = static_cast<double>(rule.owed_at(i));
        owed = multiply_add(e, e, owed);
        fresh = multiply_add(p - e, p - e, fresh);
    }
    for (int width = 16; width > 0; width /= 2) {
        owed += __shfl_xor_sync(~0u, owed, width);
        fresh += __shfl_xor_sync(~0u, fresh, width);
    }
    if (threadIdx.x % 32 != 0) return;
    atomicAdd(&guard->error_square, owed);
    atomicAdd(&guard->update_square, fresh);
    if (threadIdx.x == 0) atomicAdd(&guard->sampled, static_cast<unsigned long long>(range.end - range.begin));
}

/// Enqueues the guard's sample where there is something owed.
template <class Rule> void sample_norms(const exec::cuda_stream& on, const exec::packed_rule<Rule>& rules, const exec::device_tiles& tiles, exec::non_finite policy, device_guard* guard)
{
    if constexpr (requires { rules.rule.owed_at(std::size_t{0}); }) {
        constexpr unsigned stride = 16;
        if (tiles.count() == 0) return;
        sample_norms_kernel<<<(tiles.count() + stride - 1) / stride, exec::tile_threads, 0, on.stream()>>>(rules, tiles.pieces(), tiles.tiles(), stride, policy != exec::non_finite::propagate, guard);
        exec::detail::check_launch("sample_norms_kernel");
    }
}

/// The end of an exchange: the step counts only when it was accepted, and the next vote and the next sample start anew.
template <class T> __global__ void advance_kernel(step_state<T>* state, exec::device_counts* counts, device_guard* guard, rate_scales<T> scales, std::size_t total)
{
    if (counts->verdict == 0) {
        guard->watch.observe_sample<T>(guard->error_square, guard->update_square, guard->sampled, total, static_cast<double>(scales.direction(state->learning_rate)), state->step);
        ++state->step;
    } else {
        ++counts->rejected;
    }
    guard->error_square = guard->update_square = 0;
    guard->sampled = 0;
    counts->bad_now = 0;
}

/// What a run's kernels counted, as of the last time that it was read.
class device_report {
public:
    /// @throws error out_of_memory, device.
    device_report() : guard_(1)
    {
        const device_guard fresh;
        guard_.fill_from(&fresh, 1);
    }
    device_guard* guard() { return guard_.data(); } ///< in device memory
    const exec::device_counts& counts() const { return seen_; }
    const divergence_watch& watch() const { return watch_; }

    /// Takes the counts so far, once the stream is idle. @throws error non_finite for steps that were rejected since the last time; bad_message; device.
    void take(const exec::device_counts& seen, int rank)
    {
        const std::uint32_t rejected = seen.rejected - seen_.rejected;
        seen_ = seen;
        device_guard guard;
        exec::detail::check_cuda(cudaMemcpy(&guard, guard_.data(), sizeof guard, cudaMemcpyDeviceToHost), "cudaMemcpy");
        watch_ = guard.watch;
        if (seen.unreadable != 0) throw error(error_code::bad_message, "message", "unreadable", "a peer's message of an earlier step cannot be right; none of it was applied", {.rank = rank});
        if (rejected > 0) throw error(error_code::non_finite, "gradient", std::to_string(rejected) + " steps", "met NaN or Inf on some rank; every rank skipped them", {.rank = rank});
    }

private:
    exec::device_buffer<device_guard> guard_;
    exec::device_counts seen_;
    divergence_watch watch_;
};

} // namespace gradcomp::stack::detail
