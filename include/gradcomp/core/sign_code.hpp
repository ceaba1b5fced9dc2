/// @file One bit an element: the sign, with a scale of the bucket, of the tensor, or of nobody.
#pragma once

#include <gradcomp/core/codes.hpp>

namespace gradcomp {

/// One bit an element, set for p < 0, so that sign(0) = +1; c is the bucket's scale, mean |p|, with that sign.
template <class T> struct sign_code {
    using value_type = T;
    using bucket = T;
    static constexpr int most_bits = 1, parameters = 1;
    static constexpr measure measured = measure::mean;
    static constexpr bool stochastic = false;

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return 1; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>& seen, std::size_t, T* wire) const { wire[0] = limited_scale(seen.first); }
    GRADCOMP_HD bool valid(const T* wire) const { return is_scale(wire[0]) || bits_of(wire[0]) == bits_of(not_a_number<T>()); }
    GRADCOMP_HD GRADCOMP_INLINE T open(const T* wire) const { return wire[0]; }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, T, std::uint32_t) const { return p < T(0); }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, T scale) const { return with_sign(scale, code, 0); }
};
static_assert(tile_code<sign_code<float>> && tile_code<sign_code<double>>);

/// The same bits with a scale that is known before. `leaves_all`, which codes have whose c asks nothing of a bucket: whether c counts as 0 in the sweep.
template <class T> struct known_sign_code {
    using value_type = T;
    struct bucket {};
    static constexpr int most_bits = 1, parameters = 0;
    static constexpr measure measured = measure::none;
    static constexpr bool stochastic = false, leaves_all = false;

    T scale = 1;

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return 1; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>&, std::size_t, T*) const {}
    GRADCOMP_HD bool valid(const T*) const { return true; }
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const T*) const { return {}; }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket&, std::uint32_t) const { return p < T(0); }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket&) const { return with_sign(scale, code, 0); }
};
static_assert(tile_code<known_sign_code<float>>);

/// The same bits while the scale is not yet known: each bucket's parameter is its mean |p|, and nothing is sent.
template <class T> struct measured_sign_code : sign_code<T> {
    static constexpr bool leaves_all = true;

    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>& seen, std::size_t, T* wire) const { wire[0] = seen.first; }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t, T) const { return 0; }
};
static_assert(tile_code<measured_sign_code<float>>);

} // namespace gradcomp
