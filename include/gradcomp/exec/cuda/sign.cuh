/// @file The engine of the sign with one exact scale for each tensor on CUDA: codes and means, then the scales, then what stays behind.
#pragma once

#include <gradcomp/exec/cuda/codes.cuh>

namespace gradcomp::exec {
namespace detail {

/// The scale of one tensor by one warp: mean |p| from the means of its buckets, in the CPU's order.
template <class T> __global__ void __launch_bounds__(warp_lanes) sign_scale_kernel(const coded_piece* pieces, const std::size_t* first_mean, const T* means, T* wire)
{
    const coded_piece at = pieces[blockIdx.x];
    if (at.size == 0) return;
    const T scale = scale_of_means(device_warp{}, means + first_mean[blockIdx.x], at.size);
    if (threadIdx.x == 0) wire[at.parameter] = scale;
}

/// Everything stayed behind: now sign(p) * scale leaves.
template <class Rule>
__global__ void __launch_bounds__(apply_threads)
settle_signs_kernel(packed_rule<Rule> over, const coded_piece* pieces, const tile_place* tiles, const typename Rule::value_type* wire)
{
    using T = typename Rule::value_type;
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const coded_piece at = pieces[place.piece];
    const Rule rule = at_piece(over, at);
    const auto again = rule.again();
    const T scale = wire[at.parameter];
    const std::size_t first = place.number * tile_elements, end = first + tile_elements < at.size ? first + tile_elements : at.size;
    for (std::size_t i = first + threadIdx.x; i < end; i += apply_threads) {
        const T p = form_at(again, at.offset + i, false);
        rule.settle(at.offset + i, p, p < T(0) ? -scale : scale);
    }
}

} // namespace detail

/// Device memory: a value for 512 elements.
template <class T> class sign_engine<cuda_stream, T> : public code_engine<cuda_stream, T, sign_code<T>> {
    using base = code_engine<cuda_stream, T, sign_code<T>>;

public:
    sign_engine(const cuda_stream& on, const layout& where, const coded_form& form) : base(on, where, form)
    {
        std::vector<std::size_t> first;
        std::size_t all = 0;
        for (const gradcomp::segment& piece : where.segments) {
            first.push_back(all);
            all += (piece.size + tile_elements - 1) / tile_elements * (tile_elements / code_tile);
        }
        first_mean_ = device_buffer<std::size_t>(first.size());
        first_mean_.fill_from(first.data(), first.size());
        means_ = device_buffer<T>(all);
    }

    /// Enqueues a memset and three launches.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>& at, const choice_key& key, const sign_code<T>&, const coded_form&,
        std::byte* message, const sweep_options& options)
    {
        const device_form<T>& form = this->form_;
        if (form.count() == 0) return {};
        form.clear_gap(on, message);
        T* const wire = reinterpret_cast<T*>(message);
        const detail::coded_target<T> to{means_.data(), message, code_tile, true};
        detail::encode_kernel<<<form.count(), tile_threads, 0, on.stream()>>>(
            rules, measured_sign_code<T>{}, to, form.pieces(), form.tiles(), at.now, key, options.bad_elements != non_finite::propagate, on.counts());
        detail::sign_scale_kernel<<<form.piece_count(), warp_lanes, 0, on.stream()>>>(form.pieces(), first_mean_.data(), means_.data(), wire);
        detail::settle_signs_kernel<<<form.count(), detail::apply_threads, 0, on.stream()>>>(rules, form.pieces(), form.tiles(), wire);
        detail::check_launch("sign");
        return {};
    }

private:
    device_buffer<std::size_t> first_mean_;
    device_buffer<T> means_;
};

} // namespace gradcomp::exec
