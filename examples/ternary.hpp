/// @file A compressor of one's own, as docs/write_a_compressor.md builds it: every element becomes -m, 0 or m, m being its bucket's largest magnitude.
#pragma once

#include <gradcomp/gradcomp.hpp>

namespace own {

namespace gc = gradcomp;

/// The arithmetic on one bucket. Codes 0, 1 and 2 stand for -m, 0 and m; the bucket's one parameter is m.
template <class T> struct ternary_code {
    using value_type = T;
    struct bucket {
        T m, inverse;
    };
    static constexpr int most_bits = 2, parameters = 1;
    static constexpr gc::measure measured = gc::measure::largest; // of |p|, before the bucket is encoded
    static constexpr bool stochastic = false;

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return 2; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const gc::statistic<T>& seen, std::size_t, T* wire) const { wire[0] = gc::limited_scale(seen.first); }
    GRADCOMP_HD bool valid(const T* wire) const { return gc::is_scale(wire[0]) || gc::bits_of(wire[0]) == gc::bits_of(gc::not_a_number<T>()); }
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const T* wire) const { return {wire[0], wire[0] > T(0) ? T(1) / wire[0] : T(0)}; }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t) const
    {
        return gc::clamped(static_cast<std::int32_t>(gc::multiply_add(p, b.inverse, T(1.5))), 2); // the integer below p / m + 3/2
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const { return gc::product(static_cast<T>(static_cast<std::int32_t>(code) - 1), b.m); }
};

/// C(x)_i = m times the nearest of -1, 0 and 1 to x_i / m. 2 bits an element, and one T a bucket.
struct ternary {
    std::size_t bucket = gc::code_tile; ///< a power of two from 8 to 512

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    void check() const { gc::check_bucket(bucket); }
    /// Levels 0 and 1 of the largest magnitude, the nearest one: leaves at most n / (1 + n) of ||x||^2, n = (bucket - 1) / 4.
    gc::theory::membership classes(std::size_t d) const { return gc::theory::nearest_table(std::min(d, bucket), {.quotient = 1, .least = 1}); }

    template <class T> ternary_code<T> code() const { return {}; }
    template <class T, class Executor> auto start(const Executor& executor, const gc::coder_start& with) const
    {
        return gc::coded<T, Executor, ternary_code<T>>(executor, with, code<T>(), bucket);
    }
};
static_assert(gc::compressor<ternary> && gc::quantizer<ternary>);

} // namespace own
