/// @file TernGrad: every element becomes -m, 0 or m, m being the largest magnitude of its bucket.
#pragma once

#include <gradcomp/compress/qsgd.hpp>

namespace gradcomp {
inline namespace compress {

/// TernGrad: C(x_i) = max|x| sign(x_i) with probability |x_i| / max|x|, else 0, in buckets.
///
/// 2 bits an element + sizeof(T) a bucket. One sweep. In U((1 + sqrt b) / 2), b = min(d, bucket), tight; with 9 elements or more no contraction,
/// so error feedback around it does not compile. Linear dithering with one level; the bias of 16 random bits is at most 2^-16 of max|x|.
/// @cite Wen et al., "TernGrad", NeurIPS 2017, equation 1 (here each bucket is a layer; gradients are not clipped).
struct tern_grad {
    std::size_t bucket = code_tile; ///< elements of a bucket: a power of two from 8 to 512

    static constexpr bool unbiased = true, contractive = false, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_bucket(bucket); }
    theory::membership classes(std::size_t d) const { return theory::terngrad(std::min(d, bucket)); }

    template <class T> linear_code<T, norm::infinity> code() const { return linear_code<T, norm::infinity>(2); }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, linear_code<T, norm::infinity>>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<tern_grad> && quantizer<tern_grad>);

} // namespace compress
} // namespace gradcomp
