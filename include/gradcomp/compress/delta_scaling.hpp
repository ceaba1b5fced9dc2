/// @file C(x) = delta * x: compresses nothing, and turns DEF-A into iterate averaging.
#pragma once

#include <gradcomp/compress/dense.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/theory/operators.hpp>

namespace gradcomp {
inline namespace compress {

/// C(x) = delta * x. Bytes on the wire: sizeof(T) an element. Contractive for 0 < delta <= 1.
/// @cite Xu, Huang, ICML 2022, section 4.3: with one rank and lambda = 1, x is the running average of SGD's iterates.
struct delta_scaling {
    double delta = 1; ///< above 0, at most 1

    static constexpr bool unbiased = false, contractive = true, shared_support = true, additive = true;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        if (!(delta > 0 && delta <= 1)) throw error(error_code::invalid_option, "delta", text_of(delta), "must be above 0 and at most 1");
    }
    theory::membership classes(std::size_t) const { return theory::delta_scaling(delta); }

    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return dense_coder<T, Executor, exec::scaled_share<T>>(executor, with, {static_cast<T>(delta)});
    }
};
static_assert(compressor<delta_scaling>);

} // namespace compress
} // namespace gradcomp
