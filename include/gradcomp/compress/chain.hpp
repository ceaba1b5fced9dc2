/// @file A sparsifier, then a quantizer on the values that it keeps: few coordinates, few bits each.
#pragma once

#include <gradcomp/compress/coded.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// It sends some elements as they are, or all of them times one number (unbiased), values first and then indices: kept(d) says for how many of d elements a
/// message has room, its coder's where() for how many of each selection.
template <class S> concept whole_element_sparsifier = compressor<S> && requires(const S s, std::size_t d) {
    { s.scope } -> std::convertible_to<scope>;
    { s.ratio } -> std::convertible_to<double>;
    { s.kept(d) } -> std::same_as<std::size_t>;
};

/// C(x) = Q(S(x)): what S keeps, each selection's values cut into buckets and quantized by Q, indices as S sends them.
///
/// Bytes on the wire: the quantizer's for k elements, and S's for its indices; none where ranks share the choice.
/// One sweep, then work on the k values. With S keeping the share q and Q in B3(delta), in B3(delta / q); with Q in U(zeta), in B1(q, zeta),
/// B2(q, zeta), so scaled by 1/zeta in B3(zeta / q). Unscaled it is a contraction only for zeta < 2. With S in U(zeta_S) and Q in
/// U(zeta), in U(zeta_S zeta). Unbiased, and a contraction by kind, where both parts are.
/// @cite Beznosikov et al., JMLR 24(276), section on compressors, (k).
template <whole_element_sparsifier S, quantizer Q> struct chain {
    S sparsifier;
    Q quantizer = {};
    gradcomp::scope scope = sparsifier.scope; ///< the sparsifier's; not to be set

    static constexpr bool unbiased = S::unbiased && Q::unbiased, contractive = S::contractive && Q::contractive;
    static constexpr bool shared_support = S::shared_support, additive = false;
    static constexpr int passes = S::passes, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        sparsifier.check();
        quantizer.check();
    }
    /// The quantizer sees at most a bucket of the kept elements.
    theory::membership classes(std::size_t d) const
    {
        if (d == 0) return theory::identity();
        theory::membership codes = quantizer.classes(sparsifier.kept(d));
        // What becomes of zeros that stand for no element counts for ||Q(y)||^2 and never reaches x: of B1 only what B2 says holds without them.
        if (pads_message<S>) codes.b1.reset();
        return theory::chain(sparsifier.classes(d), codes);
    }

    template <class T, class Executor> class coder {
        using Sparse = decltype(std::declval<const S&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));
        using Code = decltype(std::declval<const Q&>().template code<T>());
        using Engine = exec::chain_engine<Executor, T, Code>;

    public:
        coder(const chain& options, const Executor& executor, const coder_start& start)
            : sparse_(options.sparsifier.template start<T>(executor, start)), code_(options.quantizer.template code<T>()), key_{start.seed, start.rank + 1},
              values_(values_of(sparse_.where())), form_(make_coded_form<T>(values_, code_.bits(), Code::parameters, options.quantizer.bucket)),
              engine_(executor, sparse_.where(), values_, form_, sparse_.bytes())
        {
        }
        std::size_t elements() const { return 0; }
        std::size_t bytes() const { return form_.bytes + engine_.index_bytes(); }
        std::size_t fallbacks() const { return sparse_.fallbacks(); }

        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
        {
            auto tally = sparse_.encode(executor, rules, now, engine_.plain(), options);
            engine_.encode(executor, values_, now, key_, code_, form_, message);
            engine_.template settle<!S::unbiased>(executor, rules, sparse_);
            engine_.copy_indices(executor, message + form_.bytes);
            return tally;
        }
        /// @throws error bad_message for parameters, counts or indices that no peer can have sent.
        void check(const Executor& executor, const std::byte* message) const
        {
            engine_.check(executor, code_, form_, message);
            if constexpr (pads_message<S>) engine_.clear_values(executor); // what it looks for behind the last element: values are decoded later
            engine_.fetch_indices(executor, message + form_.bytes);
            sparse_.check(executor, engine_.plain());
        }
        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            engine_.decode(executor, values_, code_, form_, message);
            engine_.fetch_indices(executor, message + form_.bytes);
            sparse_.decode(executor, engine_.plain(), target);
        }

    private:
        /// The kept values as tensors of their own, one for each selection: buckets begin anew with each.
        static layout values_of(const layout& where)
        {
            layout values;
            for (const selection& s : where.selections) {
                values.segments.push_back({.offset = values.size, .size = s.kept, .first = 0, .tensor = s.key});
                values.size += s.kept;
            }
            return values;
        }

        Sparse sparse_;
        Code code_;
        exec::choice_key key_;
        layout values_;
        coded_form form_;
        Engine engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};

} // namespace compress
} // namespace gradcomp
