/// @file No compression: the message is p itself.
#pragma once

#include <gradcomp/compress/dense.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/theory/operators.hpp>

namespace gradcomp {
inline namespace compress {

/// C(x) = x. Bytes on the wire: sizeof(T) an element. In U(1) and B3(1).
struct identity {
    static constexpr bool unbiased = true, contractive = true, shared_support = true, additive = true;
    static constexpr int passes = 1, rounds = 1;
    void check() const {}
    theory::membership classes(std::size_t) const { return theory::identity(); }

    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return dense_coder<T, Executor, exec::whole_share>(executor, with, {});
    }
};
static_assert(compressor<identity>);

} // namespace compress
} // namespace gradcomp
