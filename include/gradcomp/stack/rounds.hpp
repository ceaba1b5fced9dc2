/// @file The rounds of one exchange: a reduction for each, with messages of its own size, and the sums that later rounds start from.
#pragma once

#include <gradcomp/core/tensors.hpp>
#include <gradcomp/stack/streams.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace gradcomp::stack {

/// What a coder with several rounds offers beside the others: sizes of each round, encode_next() and accept().
template <class Reducer, class T, class Executor, int Rounds> class reductions {
    using reduction = typename Reducer::template state<T, Executor>;

public:
    static constexpr int rounds = Rounds;

    template <class Coder>
    reductions(const Reducer& reducer, const Coder& coder, const tensor_list& tensors)
        : all_(make(reducer, coder, tensors.total(), std::make_integer_sequence<int, Rounds>{})), sum_(sum_size(reducer, coder))
    {
        for (reduction& one : all_)
            if constexpr (requires { one.belongs_to(tensors); }) one.belongs_to(tensors);
    }
    reduction& operator[](int round) { return all_[static_cast<std::size_t>(round)]; }
    /// The one that carries what x moves by.
    reduction& last() { return all_.back(); }
    const reduction& last() const { return all_.back(); }
    std::size_t header_bytes() const
    {
        std::size_t all = 0;
        for (const reduction& one : all_) all += one.header_bytes();
        return all;
    }

    /// The sum over ranks of a round's messages, which add; the same bits on all of them. In rank order where each message arrived by itself.
    template <class Coder> const T* sum(const Executor& executor, const Coder& coder, int round)
    {
        const reduction& one = (*this)[round];
        if (one.received() == 1) return values(one, 0);
        for_each(executor, coder.elements(round), copy_rule<T>{sum_.data(), values(one, 0)});
        for (std::size_t i = 1; i < one.received(); ++i) for_each(executor, coder.elements(round), add_rule<T>{sum_.data(), values(one, i)});
        return sum_.data();
    }

private:
    static const T* values(const reduction& one, std::size_t i) { return reinterpret_cast<const T*>(one.message(i)); }

    template <class Coder, int... Round>
    static std::array<reduction, static_cast<std::size_t>(Rounds)> make(const Reducer& reducer, const Coder& coder, std::size_t parameters, std::integer_sequence<int, Round...>)
    {
        if constexpr (Rounds == 1) return {reduction(reducer, coder.elements(), coder.bytes(), parameters)};
        else return {reduction(reducer, coder.elements(Round), coder.bytes(Round), parameters)...};
    }
    template <class Coder> static std::size_t sum_size([[maybe_unused]] const Reducer& reducer, [[maybe_unused]] const Coder& coder)
    {
        std::size_t most = 0;
        if constexpr (Rounds > 1 && !Reducer::needs_additive)
            for (int round = 0; round < Rounds; ++round) most = std::max(most, coder.elements(round));
        return most;
    }

    std::array<reduction, static_cast<std::size_t>(Rounds)> all_;
    typename Executor::template buffer<T> sum_;
};

} // namespace gradcomp::stack
