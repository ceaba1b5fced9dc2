/// @file The engines of exec::cuda: what a coder asks of the executor, one launch for all tensors.
#pragma once

#include <gradcomp/exec/cuda/scatter.cuh>
#include <gradcomp/exec/engines.hpp>

#include <algorithm>
#include <vector>

namespace gradcomp::exec {
namespace detail {

/// Choosers of dense messages.
template <class T, bool Scaled> struct make_lane_all {
    static constexpr bool shares = false;
    T* message;
    T factor;
    const device_selection* selections;
    __device__ lane_all<T, Scaled> chooser(const tile_range& range, const unsigned char*) const { return {message + selections[range.selection].payload, factor}; }
};
struct make_lane_none {
    static constexpr bool shares = false;
    __device__ lane_none chooser(const tile_range&, const unsigned char*) const { return {}; }
};

/// Choosers of random blocks: the first threads of a block compute the slots of its tile.
template <class T> struct make_lane_blocks {
    static constexpr bool shares = true;
    T* message;
    const step_state<T>* now;
    choice_key key;
    const lane_choice* choices;

    __device__ void prepare(const tile_range& range, unsigned char* memory) const
    {
        const lane_choice& at = choices[range.selection];
        choose_tile(at.choice, key.stream(now->step, at.key, purpose::random_block), range, static_cast<int>(threadIdx.x), tile_threads, *reinterpret_cast<tile_choice*>(memory));
    }
    __device__ lane_blocks<T> chooser(const tile_range& range, const unsigned char* memory) const
    {
        const lane_choice& at = choices[range.selection];
        return {reinterpret_cast<const tile_choice*>(memory), at.choice, range.first, message + at.payload};
    }
};

} // namespace detail

/// Every element, a share of each, or nothing.
template <class T> class dense_engine<cuda_stream, T> {
public:
    dense_engine(const cuda_stream&, const layout& where) : tiles_(where), selections_(selections_on_device(where)) {}

    template <class Rule, class Share>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>&, Share share, T* message, const sweep_options& options) const
    {
        return sweep(on, rules, tiles_, make(share, message), 0, options);
    }
    template <class Target> void decode(const cuda_stream& on, const layout& where, const Target& target, const T* message) const
    {
        decode_all(on, where, target, {.first = reinterpret_cast<const std::byte*>(message)});
    }
    template <class Target> void decode_all(const cuda_stream& on, const layout&, const Target& target, const gathered_messages& all) const
    {
        if (tiles_.count() == 0) return;
        detail::apply_kernel<T><<<tiles_.count(), detail::apply_threads, 0, on.stream()>>>(target, tiles_.pieces(), tiles_.tiles(), selections_.data(), all);
        detail::check_launch("apply_kernel");
    }

private:
    auto make(whole_share, T* message) const { return detail::make_lane_all<T, false>{message, T(1), selections_.data()}; }
    auto make(scaled_share<T> share, T* message) const { return detail::make_lane_all<T, true>{message, share.factor, selections_.data()}; }
    detail::make_lane_none make(empty_share, T*) const { return {}; }

    device_tiles tiles_;
    device_buffer<device_selection> selections_;
};

/// Random blocks: a few words of device memory a selection.
template <class T> class block_engine<cuda_stream, T> {
public:
    template <class ChoiceOf> block_engine(const cuda_stream&, const layout& where, const ChoiceOf& choice_of) : tiles_(where), messages_(where)
    {
        std::vector<lane_choice> all;
        for (const selection& s : where.selections) {
            all.push_back({choice_of(s), s.payload, s.key, static_cast<std::uint32_t>(s.begin), static_cast<std::uint32_t>(s.end)});
            shared_bytes_ = std::max(shared_bytes_, tile_choice_bytes(all.back().choice));
        }
        choices_ = device_buffer<lane_choice>(all.size());
        choices_.fill_from(all.data(), all.size());
    }

    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>& at, const choice_key& key, T* message, const sweep_options& options)
    {
        now_ = at.now;
        key_ = key;
        return sweep(on, rules, tiles_, detail::make_lane_blocks<T>{message, at.now, key, choices_.data()}, shared_bytes_, options);
    }
    /// Chooses again, by the step of the last encode(): it must not have advanced since.
    template <class Target> void decode(const cuda_stream& on, const layout& where, const Target& target, const T* message) const
    {
        decode_all(on, where, target, {.first = reinterpret_cast<const std::byte*>(message)});
    }
    template <class Target> void decode_all(const cuda_stream& on, const layout& where, const Target& target, const gathered_messages& all) const
    {
        if constexpr (is_dense<Target>) clear_dense(on, where, target.to);
        if (messages_.count() == 0) return;
        detail::apply_blocks_kernel<T><<<messages_.count(), detail::apply_threads, 0, on.stream()>>>(
            target, now_, key_, tiles_.pieces(), messages_.tiles(), choices_.data(), all);
        detail::check_launch("apply_blocks_kernel");
    }

private:
    device_tiles tiles_;
    message_tiles messages_;
    device_buffer<lane_choice> choices_;
    std::size_t shared_bytes_ = 0;
    const step_state<T>* now_ = nullptr;
    choice_key key_;
};

} // namespace gradcomp::exec
