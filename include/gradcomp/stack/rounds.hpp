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
/// @tparam Reduction what the reducer makes of one round: its own state, or on a stream an enqueued_reduction
template <class Reduction, class T, class Executor, int Rounds> class reductions {
public:
    template <class Reducer, class Compressor, class Coder>
    reductions(const Reducer& reducer, const Compressor& compressor, const Coder& coder, const tensor_list& tensors)
        : all_(make(reducer, coder, tensors.total(), std::make_integer_sequence<int, Rounds>{})), sum_(sum_size(reducer, coder))
    {
        for (Reduction& one : all_)
            if constexpr (requires { one.belongs_to(tensors, compressor); }) one.belongs_to(tensors, compressor);
    }
    Reduction& operator[](int round) { return all_[static_cast<std::size_t>(round)]; }
    /// The one that carries what x moves by.
    Reduction& last() { return all_.back(); }
    const Reduction& last() const { return all_.back(); }
    std::size_t header_bytes() const
    {
        std::size_t all = 0;
        for (const Reduction& one : all_) all += one.header_bytes();
        return all;
    }

    /// The sum over ranks of a round's messages, which add; the same bits on all of them. In rank order where each message arrived by itself.
    template <class Coder> const T* sum(const Executor& executor, const Coder& coder, int round)
    {
        const Reduction& one = (*this)[round];
        if (one.received() == 1) return reinterpret_cast<const T*>(one.message(0));
        for_each(executor, coder.elements(round), sum_rule<T>{sum_.data(), received_by(one)});
        return sum_.data();
    }

private:
    template <class Reducer, class Coder, int... Round>
    static std::array<Reduction, static_cast<std::size_t>(Rounds)> make(const Reducer& reducer, const Coder& coder, std::size_t parameters, std::integer_sequence<int, Round...>)
    {
        if constexpr (Rounds == 1) return {Reduction(reducer, coder.elements(), coder.bytes(), parameters)};
        else return {Reduction(reducer, coder.elements(Round), coder.bytes(Round), parameters)...};
    }
    template <class Reducer, class Coder> static std::size_t sum_size([[maybe_unused]] const Reducer& reducer, [[maybe_unused]] const Coder& coder)
    {
        std::size_t most = 0;
        if constexpr (Rounds > 1 && !Reducer::needs_additive)
            for (int round = 0; round < Rounds; ++round) most = std::max(most, coder.elements(round));
        return most;
    }

    std::array<Reduction, static_cast<std::size_t>(Rounds)> all_;
    typename Executor::template buffer<T> sum_;
};

} // namespace gradcomp::stack
