/// @file The top-k engine of exec::cuda: memory in attach(), nine launches a step for float, however many tensors.
#pragma once

#include <gradcomp/exec/cuda/indexed_messages.cuh>
#include <gradcomp/exec/cuda/select.cuh>
#include <gradcomp/exec/engines.hpp>

#include <algorithm>
#include <vector>

namespace gradcomp::exec {

/// The k largest of each selection.
template <class T> class top_k_engine<cuda_stream, T> : public device_indexed_messages<T> {
public:
    /// Device memory: about (sizeof(T) + 4) * (3 k + 131072) bytes a selection (6 k where fewer than 1 in 2000 is sent), 4 k, and its share of 24 KB.
    /// @param lists_all whether lists hold all that reaches the bracket, not only what may still win. @throws error size_overflow, out_of_memory, device.
    top_k_engine(const cuda_stream& on, const layout& where, bool lists_all = false) : device_indexed_messages<T>(where), chosen_(where.kept)
    {
        std::vector<detail::device_top_k<T>> all;
        std::vector<detail::select_part> parts, sampled_parts;
        std::size_t listed = 0, sampled = 0;
        for (const selection& s : where.selections) {
            detail::device_top_k<T> one{};
            if (s.kept > add_in_selection::most_equal)
                throw error(error_code::size_overflow, "kept", std::to_string(s.kept), "exec::cuda sends fewer than 2^31 of a selection's largest elements");
            one.size = s.size, one.payload = s.payload;
            one.kept = static_cast<std::uint32_t>(s.kept), one.begin = static_cast<std::uint32_t>(s.begin), one.end = static_cast<std::uint32_t>(s.end), one.key = s.key;
            one.sample_lines = sample_lines_for(s.size, s.kept);
            one.capacity = static_cast<std::uint32_t>(candidates_for(one.sample_lines, s.size, s.kept));
            one.equal_room = lists_all ? one.lists_all : one.kept;
            one.list = listed, one.samples = sampled;
            for (std::uint32_t p = 0; p * detail::gather_threads < one.sample_lines * sample_line; ++p) sampled_parts.push_back({static_cast<std::uint32_t>(all.size()), p});
            listed += one.capacity;
            sampled += std::size_t{one.sample_lines} * sample_line;
            one.first_part = static_cast<std::uint32_t>(parts.size());
            one.parts = s.size == 0 ? 0 : static_cast<std::uint32_t>(std::clamp<std::size_t>(s.size / 16384, 1, static_cast<std::size_t>(4 * on.processors())));
            for (std::uint32_t p = 0; p < one.parts; ++p) parts.push_back({static_cast<std::uint32_t>(all.size()), p});
            all.push_back(one);
        }
        const std::size_t tile_bytes = this->tiles_.count() > 0 ? look_back_state::bytes(this->tiles_.count()) : 0;
        choices_ = device_buffer<detail::device_top_k<T>>(all.size());
        choices_.fill_from(all.data(), all.size());
        parts_ = device_buffer<detail::select_part>(parts.size());
        parts_.fill_from(parts.data(), parts.size());
        sampled_ = device_buffer<detail::select_part>(sampled_parts.size());
        sampled_.fill_from(sampled_parts.data(), sampled_parts.size());
        counts_ = device_buffer<detail::part_counts>(parts.size());
        histograms_ = device_buffer<std::uint32_t>(all.size() * radix<T>::digits * 2048);
        index_ = device_buffer<std::uint32_t>(listed);
        value_ = device_buffer<T>(listed);
        sample_ = device_buffer<bits_t<T>>(sampled);
        look_back_ = device_buffer<std::byte>(tile_bytes);
    }

    /// Enqueues D + 6 launches, D = 3 digits for float and 6 for double.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>& at, const choice_key& key, T* message, std::byte* index,
        const sweep_options& options)
    {
        choose(on, rules, at, key, message, options, {reinterpret_cast<std::uint32_t*>(index), this->index_bytes() / sizeof(std::uint32_t)});
        this->write_cleared(on, chosen_.data(), index);
        return {};
    }

    /// The choice alone: values to `message`, plain indices to chosen().
    /// @tparam U of the model, which is not T where T are numbers about its elements; @param zeros words that are cleared on the way
    template <class Rule, class U> void choose(const cuda_stream& on, const packed_rule<Rule>& rules, const device_step<U>& at, const choice_key& key, T* message, const sweep_options& options,
        detail::words_to_clear zeros = {})
    {
        const bool mends = options.bad_elements != non_finite::propagate;
        const auto sample = [&](const detail::select_memory<T>& memory) {
            const unsigned blocks = std::max(memory.sampled_count, detail::blocks_for(memory.tile_count, detail::gather_threads));
            detail::gather_kernel<<<blocks, detail::gather_threads, 0, on.stream()>>>(rules, memory, &at.now->step, key, zeros, mends);
            detail::bracket_kernel<<<memory.selection_count, detail::select_threads, 0, on.stream()>>>(rules.rule, memory);
        };
        select(on, rules, message, mends, sample, [](const detail::select_memory<T>&) {});
    }
    std::uint32_t* chosen() { return chosen_.data(); }

    /// For engines that choose in another way: bracket(memory) enqueues what resets the look-back and resets and brackets each selection, admit(memory) what
    /// looks at how many were listed, before any is chosen.
    template <class Rule, class Bracket, class Admit>
    void select(const cuda_stream& on, const packed_rule<Rule>& rules, T* message, bool mends, const Bracket& bracket, const Admit& admit)
    {
        const unsigned tiles = this->tiles_.count();
        if (tiles == 0) return;
        const auto parts = static_cast<unsigned>(parts_.size()), selections = static_cast<unsigned>(choices_.size());
        const detail::select_memory<T> memory{choices_.data(), histograms_.data(), counts_.data(), parts_.data(), sampled_.data(), index_.data(), value_.data(), sample_.data(),
            look_back_state(look_back_.data(), tiles), this->tiles_.pieces(), selections, tiles, static_cast<unsigned>(sampled_.size())};
        const cudaStream_t stream = on.stream();
        bracket(memory);
        detail::compact_kernel<<<tiles, tile_threads, 0, stream>>>(rules, this->tiles_.tiles(), memory, mends, on.counts());
        admit(memory);
        for (int digit = 0; digit < radix<T>::digits; ++digit) detail::digit_kernel<<<parts, detail::select_threads, 0, stream>>>(rules, memory, digit, mends, on.counts());
        detail::count_kernel<<<parts, detail::select_threads, 0, stream>>>(rules, memory, mends);
        detail::write_kernel<<<parts, detail::select_threads, 0, stream>>>(rules, memory, message, chosen_.data(), mends);
        detail::check_launch("top_k");
    }

private:
    device_buffer<detail::device_top_k<T>> choices_;
    device_buffer<detail::select_part> parts_, sampled_;
    device_buffer<detail::part_counts> counts_;
    device_buffer<std::uint32_t> histograms_, index_, chosen_;
    device_buffer<T> value_;
    device_buffer<bits_t<T>> sample_;
    device_buffer<std::byte> look_back_;
};

} // namespace gradcomp::exec
