/// @file The sign of every element, and one scale for each block: 1 bit an element.
#pragma once

#include <gradcomp/compress/coded.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/sign_code.hpp>

namespace gradcomp {
inline namespace compress {

/// Block-Sign: C(x)_B = sign(x_B) ||x_B||_1 / |B| for each block B; sign(0) = +1.
///
/// Bytes on the wire: d / 8 + sizeof(T) a block (a tensor's codes padded to 16). One sweep. With b = min(d, block), in B1(1/b, 1), B2(1/b, 1),
/// B3(b), tight at one-hot vectors. Blocks whose mean magnitude is below 2^-100 (double: 2^-970) are sent as 0.
/// @cite Li, Karimi, Li, ICLR 2022, definition of Block-Sign; Karimireddy et al., ICML 2019, for the scale.
struct block_sign {
    std::size_t bucket = code_tile; ///< elements of a block: a power of two from 8 to 512

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_bucket(bucket); }
    theory::membership classes(std::size_t d) const { return theory::sign(std::min(d, bucket)); }

    template <class T> sign_code<T> code() const { return {}; }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, sign_code<T>>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<block_sign> && quantizer<block_sign>);

} // namespace compress
} // namespace gradcomp
