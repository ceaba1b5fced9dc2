/// @file PowerSGD: each matrix as the product of two thin factors, which the ranks find together in two rounds of messages that add.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/low_rank_form.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/operators.hpp>

namespace gradcomp {
inline namespace compress {

/// One power step: P = orth(mean M Q), Q' = M^T P, C(M) = P Q'^T, and the mean of Q' over ranks is the next step's Q.
///
/// M is a tensor of two or more dimensions, its first one being the rows; where it is wider than tall, its transpose. P is thus the longer factor.
/// Q starts from random columns that all ranks share, and is made orthonormal as P is (which changes neither P nor C, and keeps numbers in
/// range). A column that vanishes, as in a zero matrix or one of lower rank, is 0 in P, and drawn anew in Q. Vectors, and matrices of which `rank`
/// columns of both sides are no fewer elements, are sent dense.
///
/// Two rounds. Bytes: rank (rows + columns) sizeof(T) a matrix, of which the longer side's travel first. A sweep, then p is read twice and the memory
/// written once. P is found together, so each rank's C is a projection on columns that it does not choose alone: it never grows p, and on the mean over ranks
/// of p it is in B1(q, 1), B2(q, 1), B3(1/q) with q = rank / min(rows, columns) for a Q drawn independently of M, tight at orthogonal matrices. For a
/// Q kept from the step before no number is known; it is better where gradients change slowly.
///
/// The same bits on all ranks, for any instruction set and any number of threads, and on exec::cuda (sums are formed in T, in a fixed order). Numbers above 2^94 (double: 2^990) in a
/// factor are cut; factors below 2^-100 (double: 2^-970) count as 0. A matrix that holds NaN or Inf, where these propagate, is NaN.
/// @cite Vogels, Karimireddy, Jaggi, "PowerSGD: practical low-rank gradient compression for distributed optimization", NeurIPS 2019, Algorithms 1 and 2.
struct low_rank {
    std::uint32_t rank = 1; ///< columns of a factor, from 1 to 65536
    bool warm_start = true; ///< whether Q is kept from step to step; else it is drawn anew in each

    static constexpr bool unbiased = false, contractive = true, shared_support = true, additive = true;
    static constexpr int passes = 4, rounds = 2;
    /// @throws error invalid_option.
    void check() const
    {
        if (rank < 1 || rank > 65536) throw error(error_code::invalid_option, "rank", std::to_string(rank), "must be from 1 to 65536: columns of a factor");
    }
    theory::membership classes_over(const tensor_list& list) const { return classes_over(list, list.numbers()); }
    theory::membership classes_over(const tensor_list& list, const std::vector<std::size_t>& tensors) const
    {
        theory::membership all = theory::identity();
        for (const factored_matrix& m : make_low_rank_form(list, tensors, rank).matrices) all = theory::packed(all, theory::low_rank(m.shorter(), rank));
        return all;
    }

    template <class T, class Executor> class coder {
    public:
        coder(const low_rank& options, const Executor& executor, const coder_start& start)
            : form_(make_low_rank_form(*start.list, *start.tensors, options.rank)), key_{start.seed, 0}, warm_(options.warm_start), engine_(executor, form_)
        {
        }
        std::size_t elements(int round) const { return form_.elements(round); }
        std::size_t elements() const { return elements(0) + elements(1); }
        std::size_t bytes(int round) const { return elements(round) * sizeof(T); }
        std::size_t bytes() const { return elements() * sizeof(T); }
        std::size_t fallbacks() const { return 0; }

        /// The first round: nothing leaves the memory yet.
        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
        {
            return engine_.encode(executor, rules, now, key_, reinterpret_cast<T*>(message), options);
        }
        /// The second one, from the sum over ranks of the first messages. What the message holds leaves the memory.
        template <class Rules>
        void encode_next(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, int, const T* sum, std::byte* message,
            const exec::sweep_options& options, typename Executor::tally& tally)
        {
            engine_.encode_shares(executor, rules, now, sum, reinterpret_cast<T*>(message), options, tally);
        }
        /// Every rank has the sum of the last messages, and x was moved by it.
        void accept(const Executor& executor, const typename Executor::template step<T>& now, const T* sum)
        {
            if (warm_) engine_.keep(executor, now, sum);
        }

        /// Nothing to check: any bit pattern is a message.
        void check(const Executor&, const std::byte*) const {}
        /// Of the last round's message, with the long factors of the present exchange.
        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            engine_.decode(executor, target, reinterpret_cast<const T*>(message));
        }
        template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
            requires(Executor::decodes_together)
        {
            engine_.decode_all(executor, target, all);
        }

        const low_rank_form& form() const { return form_; }
        /// The next Q of all matrices, before it is made orthonormal, and the present P. In host memory on exec::cpu, in device memory on
        /// exec::cuda; the same bits on all ranks.
        auto short_factors() const { return engine_.kept(); }
        auto long_factors() const { return engine_.long_factors(); }

    private:
        low_rank_form form_;
        exec::choice_key key_;
        bool warm_;
        exec::low_rank_engine<Executor, T> engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};
static_assert(compressor<low_rank>);

} // namespace compress
} // namespace gradcomp
