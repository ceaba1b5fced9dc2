/// @file The low-rank engine of exec::cuda: all matrices of a model in each launch, with exec::cpu's bits. Nothing waits between the rounds.
#pragma once

#include <gradcomp/exec/cuda/codes.cuh>
#include <gradcomp/exec/cuda/compact.hpp>
#include <gradcomp/exec/cuda/engines.cuh>
#include <gradcomp/exec/cuda/thin_factors.hpp>

#include <algorithm>
#include <vector>

namespace gradcomp::exec {
namespace detail {

inline constexpr int factor_threads = 512, product_threads = 256;

/// The block of threads of thin_factors.hpp on the device.
template <int Threads> struct device_crew {
    static constexpr int threads = Threads;
    __device__ int thread() const { return static_cast<int>(threadIdx.x); }
    __device__ device_warp warp() const { return {}; }
    __device__ void sync() const { __syncthreads(); }
};

/// The matrices of a model, their number, and the columns of their factors.
struct factored_model {
    const device_matrix* matrices;
    std::uint32_t count;
    std::size_t rank;
};

/// The short factors of an exchange, from those that the last one left; a block of threads a matrix.
template <class T> __global__ void __launch_bounds__(factor_threads) short_factors_kernel(factored_model of, const T* kept, T* factors, const step_state<T>* now, choice_key key)
{
    __shared__ thin_shared<T> shared;
    const device_matrix m = of.matrices[blockIdx.x];
    const std::size_t n = m.shorter();
    T* const mine = factors + m.short_at;
    for (std::size_t i = threadIdx.x; i < n * of.rank; i += factor_threads) mine[i] = kept[m.short_at + i];
    __syncthreads();
    const random_stream stream = key.stream(now->step, m.tensor, purpose::low_rank);
    orthonormalise<true>(device_crew<factor_threads>{}, shared, mine, n, of.rank, [stream](std::size_t place) { return drawn_factor<T>(stream, place); });
}

/// The long factors, from the sum over ranks of the first messages. Where NaN or Inf travels, none of its matrix is to be trusted.
template <class T> __global__ void __launch_bounds__(factor_threads) long_factors_kernel(factored_model of, const T* sum, T* factors)
{
    __shared__ thin_shared<T> shared;
    const device_matrix m = of.matrices[blockIdx.x];
    const std::size_t n = m.longer();
    T* const mine = factors + m.long_at;
    for (std::size_t i = threadIdx.x; i < n * of.rank; i += factor_threads) mine[i] = sum[m.long_at + i];
    __syncthreads();
    if (orthonormalise<false>(device_crew<factor_threads>{}, shared, mine, n, of.rank, [](std::size_t) { return T(0); })) return;
    for (std::size_t i = threadIdx.x; i < n * of.rank; i += factor_threads) mine[i] = not_a_number<T>();
}

/// What a round multiplies: its warps' work, the thin factors that it reads, where the others go.
template <class T> struct factor_product {
    const tile_place* work;
    const T* thin;
    T *out, *parts;
    bool second; ///< round: from long factors to short ones
};

/// Every matrix times its thin one; a warp takes a few pieces of one matrix.
template <class Rule>
__global__ void __launch_bounds__(product_threads, 2) multiply_kernel(packed_rule<Rule> over, factored_model of, factor_product<typename Rule::value_type> with, bool mends)
{
    if (!begin(over.rule)) return;
    const tile_place place = with.work[blockIdx.x];
    const device_matrix m = of.matrices[place.piece];
    const bool transposed = m.tall() == with.second;
    const Rule rule = at_piece(over, m);
    const auto p = [&](std::size_t position) { return form_at(rule, m.offset + position, mends); };
    const auto* const thin = with.thin + (with.second ? m.long_at : m.short_at);
    auto* const out = with.out + (with.second ? m.short_at : m.long_at);
    const std::size_t each = m.pieces_a_warp(transposed), first = (place.number * std::size_t{product_threads / warp_lanes} + threadIdx.x / warp_lanes) * each;
    for (std::size_t piece = first; piece < first + each && piece < m.pieces(transposed); ++piece)
        if (transposed) multiply_columns(device_warp{}.lane(), p, m, of.rank, piece, thin, out, with.parts, mends);
        else multiply_rows(device_warp{}, p, m, of.rank, piece, thin, out, mends);
}

/// The products whose blocks of rows were summed apart.
template <class T> __global__ void __launch_bounds__(product_threads) fold_kernel(factored_model of, factor_product<T> with, bool mends)
{
    const tile_place place = with.work[blockIdx.x];
    const device_matrix m = of.matrices[place.piece];
    const std::size_t at = std::size_t{place.number} * product_threads + threadIdx.x;
    if (at < m.columns * of.rank) with.out[(with.second ? m.short_at : m.long_at) + at] = fold_parts(m, of.rank, at, with.parts, mends);
}

/// What the message of the second round holds leaves the memory; tensors that are sent dense are written to it.
template <class Rule>
__global__ void __launch_bounds__(apply_threads) settle_kernel(packed_rule<Rule> over, const piece* pieces, const tile_place* tiles, factored_model of,
    const typename Rule::value_type* longer, typename Rule::value_type* message, bool mends)
{
    using T = typename Rule::value_type;
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const tile_range range = range_of(pieces[place.piece], place);
    const Rule rule = at_piece(over, pieces[place.piece]);
    const auto again = rule.again();
    if (range.selection < of.count) {
        const device_matrix m = of.matrices[range.selection];
        if constexpr (lane_settles<Rule>)
            for (std::size_t i = range.begin + threadIdx.x; i < range.end; i += apply_threads)
                rule.settle(i, form_at(again, i, mends), product_at<T>(m, of.rank, i - m.offset, longer + m.long_at, message + m.short_at));
        return;
    }
    for (std::size_t i = range.begin + threadIdx.x; i < range.end; i += apply_threads) {
        const T p = message[range.first + (i - range.begin)] = form_at(again, i, mends);
        if constexpr (lane_settles<Rule>) rule.settle(i, p, p);
    }
}

template <class T, class Target>
__global__ void __launch_bounds__(apply_threads) apply_factors_kernel(Target to, const piece* pieces, const tile_place* tiles, factored_model of, const T* longer, gathered_messages all)
{
    if (!begin(to)) return;
    const tile_place place = tiles[blockIdx.x];
    const tile_range range = range_of(pieces[place.piece], place);
    if (range.selection < of.count) {
        const device_matrix m = of.matrices[range.selection];
        for (std::size_t i = range.begin + threadIdx.x; i < range.end; i += apply_threads)
            for (std::size_t rank = 0; rank < all.count; ++rank)
                to(i, product_at<T>(m, of.rank, i - m.offset, longer + m.long_at, reinterpret_cast<const T*>(all.at(rank)) + m.short_at));
    } else {
        for (std::size_t i = range.begin + threadIdx.x; i < range.end; i += apply_threads)
            for (std::size_t rank = 0; rank < all.count; ++rank) to(i, reinterpret_cast<const T*>(all.at(rank))[range.first + (i - range.begin)]);
    }
}

template <class T> struct keep_factor {
    T* to;
    const T* from;
    GRADCOMP_HD void operator()(std::size_t i) const { to[i] = from[i]; }
};

/// A selection each: the matrices of a form, then its dense tensors, which begin at their place in the second message.
inline layout layout_of(const low_rank_form& form)
{
    layout where;
    const auto add = [&where](gradcomp::segment piece, std::size_t first) {
        const std::size_t number = where.segments.size();
        piece.first = first;
        where.segments.push_back(piece);
        where.selections.push_back({.size = piece.size, .begin = number, .end = number + 1});
    };
    for (const factored_matrix& m : form.matrices) add(m.piece, 0);
    for (const gradcomp::segment& piece : form.dense) add(piece, form.short_elements + piece.first);
    return where;
}

} // namespace detail

/// Device memory: the factors twice over, and a short factor for every 1024 rows of each matrix that has more. A sweep, then p is read twice and the
/// memory written once. Gram-Schmidt takes a block of threads a matrix; the products and the rest share all of the device.
template <class T> class low_rank_engine<cuda_stream, T> {
public:
    low_rank_engine(const cuda_stream&, const low_rank_form& form)
        : rank_(form.rank), long_(form.long_elements), short_(form.short_elements), kept_(form.short_elements), tiles_(detail::layout_of(form))
    {
        std::vector<device_matrix> all;
        std::size_t parts = 0;
        for (const factored_matrix& m : form.matrices) {
            all.push_back({m.piece.offset, m.rows, m.columns, m.long_at, m.short_at, parts, static_cast<std::uint32_t>(m.piece.tensor)});
            if (all.back().blocks() > 1) parts += all.back().blocks() * m.columns * rank_;
        }
        matrices_ = device_buffer<device_matrix>(all.size());
        matrices_.fill_from(all.data(), all.size());
        parts_ = device_buffer<T>(parts);
        for (const bool second : {false, true}) rounds_[second] = round_work(all, second, rank_);
    }

    /// The first round: enqueues a sweep that leaves all of p behind, and two or three launches.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const packed_rule<Rule>& rules, const device_step<T>& at, const choice_key& key, T* message, const sweep_options& options)
    {
        sweep(on, rules, tiles_, detail::make_lane_none{}, 0, options);
        if (matrices_.size() == 0) return {};
        detail::short_factors_kernel<<<count(), detail::factor_threads, 0, on.stream()>>>(model(), kept_.data(), short_.data(), at.now, key);
        detail::check_launch("short_factors_kernel");
        multiply(on, rules, false, short_.data(), message, options);
        return {};
    }
    /// The second round: enqueues three or four launches.
    template <class Rule>
    void encode_shares(const cuda_stream& on, const packed_rule<Rule>& rules, const device_step<T>&, const T* sum, T* message, const sweep_options& options, enqueued&)
    {
        if (matrices_.size() > 0) {
            detail::long_factors_kernel<<<count(), detail::factor_threads, 0, on.stream()>>>(model(), sum, long_.data());
            detail::check_launch("long_factors_kernel");
            multiply(on, rules, true, long_.data(), message, options);
        }
        if (tiles_.count() == 0) return;
        detail::settle_kernel<<<tiles_.count(), detail::apply_threads, 0, on.stream()>>>(
            rules, tiles_.pieces(), tiles_.tiles(), model(), long_.data(), message, options.bad_elements != non_finite::propagate);
        detail::check_launch("settle_kernel");
    }

    template <class Target> void decode(const cuda_stream& on, const Target& target, const T* message) const
    {
        decode_all(on, target, {.first = reinterpret_cast<const std::byte*>(message)});
    }
    template <class Target> void decode_all(const cuda_stream& on, const Target& target, const gathered_messages& all) const
    {
        if (tiles_.count() == 0) return;
        detail::apply_factors_kernel<T><<<tiles_.count(), detail::apply_threads, 0, on.stream()>>>(target, tiles_.pieces(), tiles_.tiles(), model(), long_.data(), all);
        detail::check_launch("apply_factors_kernel");
    }

    /// The short factors from which the next exchange starts, up to their orthonormalisation.
    void keep(const cuda_stream& on, const device_step<T>& at, const T* sum) { for_each(on, kept_.size(), bind_step(on, detail::keep_factor<T>{kept_.data(), sum}, at)); }
    device_view<const T> kept() const { return {kept_.data(), kept_.size()}; }
    device_view<const T> long_factors() const { return {long_.data(), long_.size()}; }

private:
    /// What a round's products are shared by.
    struct work {
        device_buffer<tile_place> products, folds;
    };
    static work round_work(const std::vector<device_matrix>& all, bool second, std::size_t rank)
    {
        std::vector<tile_place> products, folds;
        for (std::size_t m = 0; m < all.size(); ++m) {
            const bool transposed = all[m].tall() == second;
            const std::size_t each = all[m].pieces_a_warp(transposed) * (detail::product_threads / warp_lanes);
            for (std::size_t at = 0; at < all[m].pieces(transposed); at += each) products.push_back({static_cast<std::uint32_t>(m), static_cast<std::uint32_t>(at / each)});
            if (!transposed || all[m].blocks() == 1) continue;
            for (std::size_t at = 0; at < all[m].columns * rank; at += detail::product_threads)
                folds.push_back({static_cast<std::uint32_t>(m), static_cast<std::uint32_t>(at / detail::product_threads)});
        }
        work on_device{device_buffer<tile_place>(products.size()), device_buffer<tile_place>(folds.size())};
        on_device.products.fill_from(products.data(), products.size());
        on_device.folds.fill_from(folds.data(), folds.size());
        return on_device;
    }

    unsigned count() const { return static_cast<unsigned>(matrices_.size()); }
    detail::factored_model model() const { return {matrices_.data(), count(), rank_}; }

    template <class Rule> void multiply(const cuda_stream& on, const packed_rule<Rule>& rules, bool second, const T* thin, T* out, const sweep_options& options)
    {
        const work& its = rounds_[second];
        const bool mends = options.bad_elements != non_finite::propagate;
        const auto blocks = [](const device_buffer<tile_place>& of) { return static_cast<unsigned>(of.size()); };
        detail::multiply_kernel<<<blocks(its.products), detail::product_threads, 0, on.stream()>>>(
            detail::left_behind(rules), model(), detail::factor_product<T>{its.products.data(), thin, out, parts_.data(), second}, mends);
        detail::check_launch("multiply_kernel");
        if (its.folds.size() == 0) return;
        detail::fold_kernel<<<blocks(its.folds), detail::product_threads, 0, on.stream()>>>(
            model(), detail::factor_product<T>{its.folds.data(), thin, out, parts_.data(), second}, mends);
        detail::check_launch("fold_kernel");
    }

    std::size_t rank_;
    device_buffer<T> long_;  ///< of the present exchange, orthonormal
    device_buffer<T> short_; ///< what p was multiplied by in its first round
    device_buffer<T> kept_;  ///< what the next one starts from
    device_buffer<T> parts_;
    device_buffer<device_matrix> matrices_;
    device_tiles tiles_;
    work rounds_[2];
};

} // namespace gradcomp::exec
