/// @file A quantizer times a factor: how an unbiased operator of any variance becomes a contraction.
#pragma once

#include <gradcomp/compress/coded.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// The arithmetic of a code whose decoded values are multiplied by a factor of (0, 1].
template <tile_code Code> struct scaled_code {
    using value_type = typename Code::value_type;
    using bucket = typename Code::bucket;
    static constexpr int most_bits = Code::most_bits, parameters = Code::parameters;
    static constexpr measure measured = Code::measured;
    static constexpr bool stochastic = Code::stochastic;

    Code code;
    value_type factor = 1;

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return code.bits(); }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<value_type>& seen, std::size_t n, value_type* wire) const { code.describe(seen, n, wire); }
    GRADCOMP_HD bool valid(const value_type* wire) const { return code.valid(wire); }
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const value_type* wire) const { return code.open(wire); }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(value_type p, const bucket& b, std::uint32_t random) const { return code.encode(p, b, random); }
    GRADCOMP_HD GRADCOMP_INLINE value_type decode(std::uint32_t q, const bucket& b) const { return product(factor, code.decode(q, b)); }
};

/// lambda C(x), of quantizers that have a code a bucket: a sparsifier is asked for its own scaling instead (`rand_k<..., scaling::none>`), and one scale a tensor
/// (`sign<>`) needs none. With C in U(zeta) and lambda = 1/zeta it is in B3(zeta), so error feedback around it is legal whatever zeta is.
///
/// The message is C's. In general the classes are theory::scaled(lambda, C's); what is no contraction, attach() refuses.
/// @cite Beznosikov et al., JMLR 24(276), theorem on scaling (with delta = zeta; the printed 1/zeta is a slip).
template <quantizer Q> struct scaled {
    double lambda = 1;                ///< above 0, at most 1
    Q of = {};                        ///< C
    std::size_t bucket = of.bucket;   ///< C's; not to be set

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = Q::passes, rounds = Q::rounds;
    /// @throws error invalid_option.
    void check() const
    {
        if (!(lambda > 0 && lambda <= 1)) throw error(error_code::invalid_option, "lambda", text_of(lambda), "must be above 0 and at most 1");
        of.check();
    }
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::scaled(lambda, of.classes(d)); }

    template <class T> auto code() const { return scaled_code<decltype(of.template code<T>())>{of.template code<T>(), static_cast<T>(lambda)}; }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, decltype(code<T>())>(executor, with, code<T>(), of.bucket);
    }
};

} // namespace compress
} // namespace gradcomp
