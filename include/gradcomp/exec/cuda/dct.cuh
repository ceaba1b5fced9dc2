/// @file The engine of cosine coefficients on CUDA: a sweep leaves everything behind, then a block of threads has one chunk: forwards, a choice, and back.
#pragma once

#include <gradcomp/exec/cuda/chunks.cuh>
#include <gradcomp/exec/cuda/dct_block.hpp>

#include <map>

namespace gradcomp::exec {

/// A tensor: how it is cut, and by what its chunks are multiplied.
template <class T> struct device_dct {
    dct_form form;
    dct_matrices<T> by;
};

namespace detail {

/// What kernels know of all tensors.
template <class T> struct dct_tables {
    const piece* pieces;
    const tile_place* chunks;   ///< `piece` is the tensor
    const device_chunks* places; ///< where values and places begin; both from the message's first byte on
    const device_dct<T>* tensors;
};

template <class Rule, class T>
__global__ void __launch_bounds__(select_threads) encode_dct_kernel(packed_rule<Rule> over, dct_tables<T> tables, std::byte* message, bool mends)
{
    __shared__ select_shared<T, select_threads> shared;
    __shared__ T x[most_transformed];
    __shared__ bits_t<T> largest;
    if (!begin(over.rule)) return;
    const tile_place chunk = tables.chunks[blockIdx.x];
    const device_chunks s = tables.places[chunk.piece];
    const device_dct<T> dct = tables.tensors[chunk.piece];
    const Rule rule = at_piece(over, tables.pieces[chunk.piece]);
    const auto again = rule.again();
    const std::size_t first = tables.pieces[chunk.piece].offset + dct.form.first(chunk.number), n = dct.form.area(), sent = s.form.sent(chunk.number);
    const device_block<select_threads> block{shared.scan};
    for (std::size_t i = threadIdx.x; i < n; i += select_threads) x[i] = form_at(again, first + dct.form.element(i), mends);
    block.sync();
    transform(block, x, largest, dct.form, dct.by);
    T* const value = reinterpret_cast<T*>(message) + s.payload + sent;
    auto* const place = reinterpret_cast<std::uint16_t*>(message + s.wire);
    take_largest<T>(block, shared.histogram, shared.found, [&](std::size_t i) { return x[i]; }, n, dct.form.kept,
        [&](std::size_t i, T z, std::uint32_t slot) {
            value[slot] = z;
            place[sent + slot] = static_cast<std::uint16_t>(i);
        },
        [&](std::size_t i, T) { x[i] = T(0); });
    const std::size_t total = s.form.total();
    if (threadIdx.x == 0 && total % 2 == 1 && sent + dct.form.kept == total) place[total] = 0;
    if constexpr (lane_settles<Rule>) {
        transform_back(block, x, dct.form, dct.by);
        for (std::size_t i = threadIdx.x; i < n; i += select_threads) {
            const std::size_t at = first + dct.form.element(i);
            rule.settle(at, form_at(again, at, mends), x[i]);
        }
    }
}

/// Coefficients are added in the order of ranks, for a barrier stands between them and no rank names one twice.
template <class T, class Target>
__global__ void __launch_bounds__(select_threads) decode_dct_kernel(Target to, dct_tables<T> tables, gathered_messages all, bool by_contributors)
{
    __shared__ T x[most_transformed];
    __shared__ std::uint16_t count[most_transformed];
    __shared__ typename device_block<select_threads>::scan::TempStorage scan;
    if (!begin(to)) return;
    const tile_place chunk = tables.chunks[blockIdx.x];
    const device_chunks s = tables.places[chunk.piece];
    const device_dct<T> dct = tables.tensors[chunk.piece];
    const std::size_t n = dct.form.area(), sent = s.form.sent(chunk.number);
    for (std::size_t i = threadIdx.x; i < n; i += select_threads) x[i] = T(0), count[i] = 0;
    __syncthreads();
    for (std::size_t rank = 0; rank < all.count; ++rank) {
        const T* const value = reinterpret_cast<const T*>(all.at(rank)) + s.payload + sent;
        const auto* const place = reinterpret_cast<const std::uint16_t*>(all.at(rank) + s.wire) + sent;
        for (std::size_t j = threadIdx.x; j < dct.form.kept; j += select_threads) x[place[j]] += value[j], ++count[place[j]];
        __syncthreads();
    }
    for (std::size_t i = threadIdx.x; by_contributors && i < n; i += select_threads)
        if (count[i] > 1) x[i] /= static_cast<T>(count[i]);
    transform_back(device_block<select_threads>{scan}, x, dct.form, dct.by);
    const std::size_t first = tables.pieces[chunk.piece].offset + dct.form.first(chunk.number);
    for (std::size_t i = threadIdx.x; i < n; i += select_threads) to(first + dct.form.element(i), x[i]);
}

} // namespace detail

/// Device memory: 8 bytes a chunk, the matrices of the sides that occur (32 KB for 64 in float), and a few words a tensor.
template <class T> class dct_engine<cuda_stream, T> {
public:
    /// @throws error size_overflow beyond 2^31 chunks; out_of_memory, device.
    dct_engine(const cuda_stream&, const layout& where, const std::vector<dct_form>& forms, bool by_contributors) : tiles_(where), by_contributors_(by_contributors)
    {
        std::size_t values = 0, places = 0;
        std::map<std::size_t, std::size_t> sides; // where the matrices of a side begin
        std::vector<T> matrices;
        for (const dct_form& form : forms) {
            values += form.chunks().total();
            for (const std::size_t side : {form.height, form.width})
                if (sides.try_emplace(side, matrices.size()).second) add_pair(matrices, side);
        }
        matrices_ = device_buffer<T>(matrices.size());
        matrices_.fill_from(matrices.data(), matrices.size());
        const auto at = [&](std::size_t side, bool back) { return matrices_.data() + sides[side] + (back ? side * side : 0); };
        std::vector<device_chunks> parts;
        std::vector<device_dct<T>> tensors;
        std::vector<tile_place> chunks;
        std::size_t payload = 0;
        for (const dct_form& form : forms) {
            const chunk_form cut = form.chunks();
            if (chunks.size() + cut.chunks() >= std::size_t{1} << 31)
                throw error(error_code::size_overflow, "chunk", std::to_string(form.area()), "makes 2^31 chunks or more, and a launch has fewer blocks of threads");
            for (std::size_t c = 0; c < cut.chunks(); ++c) chunks.push_back({static_cast<std::uint32_t>(parts.size()), static_cast<std::uint32_t>(c)});
            parts.push_back({cut, payload, values * sizeof(T) + places});
            tensors.push_back({form, {at(form.height, false), at(form.height, true), at(form.width, false), at(form.width, true)}});
            payload += cut.total();
            places += cut.index_bytes();
        }
        bytes_ = values * sizeof(T) + places;
        fill(parts_, parts);
        fill(tensors_, tensors);
        fill(chunks_, chunks);
    }
    std::size_t bytes() const { return bytes_; }

    /// Enqueues the sweep and a launch.
    template <class Rule> enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, std::byte* message, const sweep_options& options)
    {
        if (count() == 0) return {};
        sweep(on, rules, tiles_, detail::make_lane_none{}, 0, options);
        detail::encode_dct_kernel<<<count(), detail::select_threads, 0, on.stream()>>>(rules, tables(), message, options.bad_elements != non_finite::propagate);
        detail::check_launch("encode_dct_kernel");
        return {};
    }
    void check(const cuda_stream& on, const std::byte* message) const
    {
        if (count() == 0) return;
        detail::check_places_kernel<detail::apply_threads><<<count(), detail::apply_threads, 0, on.stream()>>>(chunks_.data(), parts_.data(), message, on.counts());
        detail::check_launch("check_places_kernel");
    }
    template <class Target> void decode_all(const cuda_stream& on, const layout&, const Target& target, const gathered_messages& all) const
    {
        if (count() == 0 || all.count == 0) return;
        detail::decode_dct_kernel<T><<<count(), detail::select_threads, 0, on.stream()>>>(target, tables(), all, by_contributors_);
        detail::check_launch("decode_dct_kernel");
    }

private:
    static void add_pair(std::vector<T>& to, std::size_t side)
    {
        const std::vector<T> rows = dct_matrix<T>(side);
        to.insert(to.end(), rows.begin(), rows.end());
        for (std::size_t j = 0; j < side; ++j)
            for (std::size_t u = 0; u < side; ++u) to.push_back(rows[u * side + j]);
    }
    template <class X> static void fill(device_buffer<X>& buffer, const std::vector<X>& from)
    {
        buffer = device_buffer<X>(from.size());
        buffer.fill_from(from.data(), from.size());
    }
    unsigned count() const { return static_cast<unsigned>(chunks_.size()); }
    detail::dct_tables<T> tables() const { return {tiles_.pieces(), chunks_.data(), parts_.data(), tensors_.data()}; }

    device_tiles tiles_;
    device_buffer<T> matrices_;
    device_buffer<device_chunks> parts_;
    device_buffer<device_dct<T>> tensors_;
    device_buffer<tile_place> chunks_;
    std::size_t bytes_ = 0;
    bool by_contributors_;
};

} // namespace gradcomp::exec
