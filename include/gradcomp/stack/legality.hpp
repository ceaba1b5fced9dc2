/// @file What may be put together: the numbers of a stack's compressor over a list of tensors, and the checks that need them.
#pragma once

#include <gradcomp/core/layout.hpp>
#include <gradcomp/theory/operators.hpp>

namespace gradcomp::stack {

/// The operator class of a compressor over all tensors of a list.
/// @throws error as the compressor's options do, with the tensor's name.
template <class Compressor> theory::membership classes_over(const Compressor& compressor, const tensor_list& list)
{
    if constexpr (requires { compressor.classes_over(list); }) {
        return compressor.classes_over(list);
    } else {
        if constexpr (requires { compressor.scope; })
            if (compressor.scope == scope::whole_model) return compressor.classes(list.total());
        theory::membership all = theory::identity();
        for (std::size_t t = 0; t < list.count(); ++t) {
            try {
                all = theory::packed(all, compressor.classes(list.size(t)));
            } catch (const error& e) {
                throw e.at({.tensor = list.name(t)});
            }
        }
        return all;
    }
}

/// Error feedback needs a contraction with numbers, not only by kind.
template <class Memory> void require_contraction(const theory::membership& classes)
{
    if (Memory::feeds_back && !classes.b3)
        throw error(error_code::not_contractive, "compressor", "no B3 class", "error feedback needs E||C(x) - x||^2 <= (1 - 1/delta)||x||^2 with a finite delta for these tensors");
}

} // namespace gradcomp::stack
