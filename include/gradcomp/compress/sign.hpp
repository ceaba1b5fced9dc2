/// @file The sign of every element, with one exact scale for each tensor or with none: 1 bit an element.
#pragma once

#include <gradcomp/compress/coded.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/sign_code.hpp>

namespace gradcomp {
inline namespace compress {

/// Whether a scale goes with the signs.
enum class sign_scale {
    none,  ///< C(x) = sign(x): no contraction at any scale of x, so never with error feedback
    mean   ///< C(x) = sign(x) ||x||_1 / d, d elements of a tensor
};

/// Scaled sign, C(x) = sign(x) ||x||_1 / d for each tensor, or the bare sign; sign(0) = +1.
///
/// Bytes on the wire: d / 8 + sizeof(T) a tensor, padded to 16. One sweep without the scale. With it also one where the memory is `ef` and every
/// step exchanges, for it is then held as `acc + scalar` (memory/postponed.hpp); else a second one that leaves p - c. Scaled in B1(1/d, 1),
/// B2(1/d, 1), B3(d), tight at one-hot vectors; unscaled in no class. A tensor whose mean magnitude is below 2^-100 (double: 2^-970) is sent as 0. In a tensor that
/// holds NaN or Inf, all of c is NaN, where these propagate.
/// @cite Karimireddy, Rebjock, Stich, Jaggi, ICML 2019 (scaled); Bernstein et al., "signSGD", ICML 2018 (unscaled).
template <sign_scale Scale = sign_scale::mean> struct sign {
    static constexpr bool scaled = Scale == sign_scale::mean;
    static constexpr std::size_t bucket = code_tile;
    static constexpr bool unbiased = false, contractive = scaled, shared_support = false, additive = false;
    static constexpr int passes = scaled ? 2 : 1, rounds = 1;
    static constexpr bool scales_late = scaled;
    void check() const {}
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : scaled ? theory::sign(d) : theory::sign_unscaled(); }

    template <class T>
        requires(!scaled)
    known_sign_code<T> code() const
    {
        return {};
    }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        if constexpr (scaled) return coded<T, Executor, sign_code<T>, exec::sign_engine<Executor, T>>(executor, with, {}, whole_tensor);
        else return coded<T, Executor, known_sign_code<T>>(executor, with, {}, bucket);
    }
};
static_assert(compressor<sign<>> && compressor<sign<sign_scale::none>> && quantizer<sign<sign_scale::none>>);

} // namespace compress
} // namespace gradcomp
