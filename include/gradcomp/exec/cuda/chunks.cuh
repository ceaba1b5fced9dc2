/// @file The engine of chunk-wise top-k on CUDA: a sweep leaves everything behind, then a block of threads chooses from each chunk.
#pragma once

#include <gradcomp/core/chunks.hpp>
#include <gradcomp/exec/cuda/chunk_choice.hpp>
#include <gradcomp/exec/cuda/engines.cuh>
#include <gradcomp/exec/cuda/sample.cuh>

#include <string>

namespace gradcomp::exec {

/// A tensor: how it is cut, where its values and its places begin in a message.
struct device_chunks {
    chunk_form form;
    std::size_t payload = 0, wire = 0; ///< in elements; in bytes of the places
};

namespace detail {

template <class Rule, class T>
__global__ void __launch_bounds__(select_threads)
choose_chunk_kernel(packed_rule<Rule> over, const piece* pieces, const tile_place* chunks, const device_chunks* tensors, T* message, std::byte* index, bool mends)
{
    __shared__ select_shared<T, select_threads> shared;
    if (!begin(over.rule)) return;
    const tile_place chunk = chunks[blockIdx.x];
    const device_chunks s = tensors[chunk.piece];
    const Rule rule = at_piece(over, pieces[chunk.piece]);
    const auto again = rule.again();
    const std::size_t first = pieces[chunk.piece].offset + s.form.first(chunk.number), sent = s.form.sent(chunk.number);
    T* const value = message + s.payload + sent;
    auto* const place = reinterpret_cast<std::uint16_t*>(index + s.wire);
    const auto source = [&](std::size_t i) { return form_at(again, first + i, mends); };
    take_largest<T>(device_block<select_threads>{shared.scan}, shared.histogram, shared.found, source, s.form.size_of(chunk.number), s.form.kept_of(chunk.number),
        [&](std::size_t i, T p, std::uint32_t slot) {
            value[slot] = p;
            place[sent + slot] = static_cast<std::uint16_t>(i);
            if constexpr (lane_settles<Rule>) rule.settle(first + i, p, p);
        },
        [](std::size_t, T) {});
    const std::size_t total = s.form.total();
    if (threadIdx.x == 0 && total % 2 == 1 && sent + s.form.kept_of(chunk.number) == total) place[total] = 0;
}

/// Notes a message whose places are outside their chunk or do not ascend; nothing of it is applied then.
template <int Threads>
__global__ void __launch_bounds__(Threads) check_places_kernel(const tile_place* chunks, const device_chunks* tensors, const std::byte* index, device_counts* counts)
{
    const tile_place chunk = chunks[blockIdx.x];
    const device_chunks s = tensors[chunk.piece];
    const auto* const place = reinterpret_cast<const std::uint16_t*>(index + s.wire);
    const std::size_t sent = s.form.sent(chunk.number), end = sent + s.form.kept_of(chunk.number);
    bool wrong = false;
    for (std::size_t j = sent + threadIdx.x; j < end; j += Threads) wrong |= !is_place_right(s.form, place, j);
    if (__syncthreads_or(wrong) && threadIdx.x == 0) counts->unreadable = counts->verdict = 1;
}

/// An element gets its values in the order of ranks, for a barrier stands between them and no rank names an element twice.
template <class T, class Target>
__global__ void __launch_bounds__(apply_threads)
scatter_chunks_kernel(Target to, const piece* pieces, const tile_place* chunks, const device_chunks* tensors, gathered_messages all, std::size_t index)
{
    if (!begin(to)) return;
    const tile_place chunk = chunks[blockIdx.x];
    const device_chunks s = tensors[chunk.piece];
    const std::size_t first = pieces[chunk.piece].offset + s.form.first(chunk.number), sent = s.form.sent(chunk.number), end = sent + s.form.kept_of(chunk.number);
    for (std::size_t rank = 0; rank < all.count; ++rank) {
        const T* const value = reinterpret_cast<const T*>(all.at(rank)) + s.payload;
        const auto* const place = reinterpret_cast<const std::uint16_t*>(all.at(rank) + index + s.wire);
        for (std::size_t j = sent + threadIdx.x; j < end; j += apply_threads) to(first + place[j], value[j]);
        __syncthreads();
    }
}

} // namespace detail

/// Device memory: 8 bytes a chunk and a few words a tensor.
template <class T> class chunk_engine<cuda_stream, T> {
public:
    /// @throws error size_overflow beyond 2^31 chunks; out_of_memory, device.
    template <class FormOf> chunk_engine(const cuda_stream&, const layout& where, const FormOf& form_of) : tiles_(where)
    {
        std::vector<device_chunks> tensors;
        std::vector<tile_place> chunks;
        for (const selection& s : where.selections) {
            const device_chunks one{form_of(s.size), s.payload, index_bytes_};
            if (chunks.size() + one.form.chunks() >= std::size_t{1} << 31)
                throw error(error_code::size_overflow, "chunk", std::to_string(one.form.chunk), "makes 2^31 chunks or more, and a launch has fewer blocks of threads");
            for (std::size_t c = 0; c < one.form.chunks(); ++c) chunks.push_back({static_cast<std::uint32_t>(tensors.size()), static_cast<std::uint32_t>(c)});
            index_bytes_ += one.form.index_bytes();
            tensors.push_back(one);
        }
        tensors_ = device_buffer<device_chunks>(tensors.size());
        tensors_.fill_from(tensors.data(), tensors.size());
        chunks_ = device_buffer<tile_place>(chunks.size());
        chunks_.fill_from(chunks.data(), chunks.size());
    }

    /// Enqueues the sweep, and a launch that reads p again, once a digit and once more; 16 KB of it stay in a processor's first cache.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>&, const choice_key&, T* message, std::byte* index, const sweep_options& options)
    {
        if (count() == 0) return {};
        sweep(on, rules, tiles_, detail::make_lane_none{}, 0, options);
        detail::choose_chunk_kernel<<<count(), detail::select_threads, 0, on.stream()>>>(
            rules, tiles_.pieces(), chunks_.data(), tensors_.data(), message, index, options.bad_elements != non_finite::propagate);
        detail::check_launch("choose_chunk_kernel");
        return {};
    }
    std::size_t fallbacks() const { return 0; }
    std::size_t index_bytes() const { return index_bytes_; }

    void check(const cuda_stream& on, const layout&, const std::byte* index) const
    {
        if (count() == 0) return;
        detail::check_places_kernel<detail::apply_threads><<<count(), detail::apply_threads, 0, on.stream()>>>(chunks_.data(), tensors_.data(), index, on.counts());
        detail::check_launch("check_places_kernel");
    }
    template <class Target> void scatter(const cuda_stream& on, const layout& where, const Target& target, const T* message, const std::byte* index) const
    {
        if constexpr (is_dense<Target>) clear_dense(on, where, target.to);
        const auto* const first = reinterpret_cast<const std::byte*>(message);
        scatter_all(on, where, target, {.first = first}, static_cast<std::size_t>(index - first));
    }
    /// The messages of all ranks; places stand `index` bytes behind each one's first.
    template <class Target> void scatter_all(const cuda_stream& on, const layout&, const Target& target, const gathered_messages& all, std::size_t index) const
    {
        if (count() == 0) return;
        detail::scatter_chunks_kernel<T><<<count(), detail::apply_threads, 0, on.stream()>>>(target, tiles_.pieces(), chunks_.data(), tensors_.data(), all, index);
        detail::check_launch("scatter_chunks_kernel");
    }

private:
    unsigned count() const { return static_cast<unsigned>(chunks_.size()); }

    device_tiles tiles_;
    device_buffer<device_chunks> tensors_;
    device_buffer<tile_place> chunks_; ///< `piece` is the tensor
    std::size_t index_bytes_ = 0;
};

} // namespace gradcomp::exec
