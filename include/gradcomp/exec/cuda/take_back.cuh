/// @file What late choices share on CUDA: a choice over numbers in a list, and taking the chosen elements back from what a sweep left behind.
#pragma once

#include <gradcomp/exec/cuda/codes.cuh>
#include <gradcomp/exec/cuda/engines.cuh>
#include <gradcomp/exec/cuda/late_choice.hpp>
#include <gradcomp/exec/cuda/top_k.cuh>

namespace gradcomp::exec {

/// p is a number in a list: rates of arrival, norms of blocks. Chosen numbers stay in the list.
template <class T> struct listed_rule : read_rule<T> {
    GRADCOMP_HD listed_rule again() const { return *this; }
};
/// The list's numbers as tensors of their own, one for each selection: `size` and `kept` of each, where its list and its message begin.
template <class Of> layout lists_of(const layout& where, const Of& of)
{
    layout lists;
    for (const selection& s : where.selections) {
        selection one = of(s);
        const std::size_t number = lists.segments.size();
        lists.segments.push_back({.offset = lists.size, .size = one.size, .first = 0, .tensor = number});
        one.begin = number, one.end = number + 1, one.key = s.key;
        lists.selections.push_back(one);
        lists.size += one.size;
        lists.kept += one.kept;
    }
    return lists;
}

namespace detail {

/// Moves the element at a position of a selection from the memory, where there is one. @return it
template <class Rule> __device__ typename Rule::value_type take_back(const packed_rule<Rule>& over, const piece* pieces, const device_selection& s, std::size_t position, bool mends)
{
    using T = typename Rule::value_type;
    const piece& at = pieces[piece_of(pieces, s.begin, s.end, position)];
    const Rule rule = at_piece(over, at);
    const std::size_t i = at.offset + (position - at.first);
    const T p = form_at(rule.again(), i, mends);
    if constexpr (lane_settles<Rule>) rule.settle(i, p, p);
    return p;
}

/// Elements by their indices; behind `counts` of them, where that is given, zeros.
template <class Rule, class T>
__global__ void __launch_bounds__(apply_threads) take_back_kernel(packed_rule<Rule> over, const piece* pieces, const tile_place* tiles, const device_selection* selections,
    const std::uint32_t* counts, T* message, const std::uint32_t* index, bool mends)
{
    if (!begin(over.rule)) return;
    each_place(tiles, selections, [&](const device_selection& s, std::uint32_t number, std::size_t j) {
        const bool sent = counts == nullptr || j < counts[number];
        message[s.payload + j] = sent ? take_back(over, pieces, s, index[s.payload + j], mends) : T(0);
    });
}

/// Choosers that note rates of arrival.
struct lane_stream {
    std::size_t first = 0; ///< the selection's first rate
    std::uint32_t key = 0;
};
template <class T> struct make_lane_rates {
    static constexpr bool shares = false;
    static constexpr int blocks = 3; ///< a random stream takes registers
    T* rates;
    const lane_stream* streams;
    const step_state<T>* now;
    choice_key key;
    __device__ lane_rates<T> chooser(const tile_range& range, const unsigned char*) const
    {
        const lane_stream& at = streams[range.selection];
        return {rates + at.first, key.stream(now->step, at.key, purpose::arrival)};
    }
};

} // namespace detail

/// Coordinates drawn in proportion to their magnitude. Device memory: a rate an element, and top-k's.
template <class T> class adaptive_engine<cuda_stream, T> : public device_indexed_messages<T> {
public:
    adaptive_engine(const cuda_stream& on, const layout& where)
        : device_indexed_messages<T>(where), lists_(lists_of(where, [](const selection& s) { return s; })), select_(on, lists_), rates_(where.size)
    {
        std::vector<detail::lane_stream> streams;
        for (const selection& s : where.selections) streams.push_back({s.position, s.key});
        streams_ = device_buffer<detail::lane_stream>(streams.size());
        streams_.fill_from(streams.data(), streams.size());
    }

    /// Enqueues the sweep, top-k over the rates, and two launches.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>& at, const choice_key& key, T* message, std::byte* index,
        const sweep_options& options)
    {
        if (this->tiles_.count() == 0) return {};
        sweep(on, rules, this->tiles_, detail::make_lane_rates<T>{rates_.data(), streams_.data(), at.now, key}, 0, options);
        listed_rule<T> rates;
        rates.gradient = rates_.data();
        const auto bound = bind_step(on, rates, at);
        select_.choose(on, packed_rule<std::remove_const_t<decltype(bound)>>{bound}, at, key, message, {.bad_elements = non_finite::propagate});
        detail::take_back_kernel<<<this->messages_.count(), detail::apply_threads, 0, on.stream()>>>(rules, this->tiles_.pieces(), this->messages_.tiles(), this->selections_.data(),
            nullptr, message, select_.chosen(), options.bad_elements != non_finite::propagate);
        detail::check_launch("take_back_kernel");
        this->write(on, select_.chosen(), index);
        return {};
    }

private:
    layout lists_;
    top_k_engine<cuda_stream, T> select_;
    device_buffer<T> rates_;
    device_buffer<detail::lane_stream> streams_;
};

} // namespace gradcomp::exec
