/// @file The sign of every element, with one exact scale for each tensor or with none: 1 bit an element.
#pragma once

#include <gradcomp/compress/block_sign.hpp>
#include <gradcomp/exec/cpu/settle.hpp>

namespace gradcomp {
inline namespace compress {

/// One bit an element, c = scale with that sign; the scale is known before.
template <class T> struct known_sign_code {
    using value_type = T;
    struct bucket {};
    static constexpr int most_bits = 1, parameters = 0;
    static constexpr measure measured = measure::none;
    static constexpr bool stochastic = false;

    T scale = 1;

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return 1; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>&, std::size_t, T*) const {}
    GRADCOMP_HD bool valid(const T*) const { return true; }
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const T*) const { return {}; }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket&, std::uint32_t) const { return p < T(0); }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket&) const { return code & 1u ? -scale : scale; }
};
static_assert(tile_code<known_sign_code<float>>);

/// The same bits while the scale is not yet known: each bucket's parameter is its mean |p|, and nothing is sent.
template <class T> struct measured_sign_code : sign_code<T> {
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>& seen, std::size_t, T* wire) const { wire[0] = seen.first; }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t, T) const { return 0; }
};
static_assert(tile_code<measured_sign_code<float>>);

/// Message: the scale of each tensor, then the bits of each, which begin at multiples of 16 bytes. Two sweeps: the scale is the mean over all
/// of a tensor, so what stays behind is known only after the first.
template <class T, class Executor> class tensor_sign {
public:
    explicit tensor_sign(const coder_start& start) : layout_(make_layout(*start.list, *start.tensors, scope::per_tensor, [](std::size_t d) { return d; }))
    {
        std::size_t at = padded(layout_.segments.size() * sizeof(T)), most = 0;
        for (const segment& piece : layout_.segments) {
            codes_.push_back(at);
            at = padded(at + packed_bytes(piece.size, 1));
            most = std::max(most, piece.size);
        }
        bytes_ = at;
        means_.resize((most + code_tile - 1) / code_tile);
    }
    std::size_t elements() const { return 0; }
    std::size_t bytes() const { return bytes_; }
    std::size_t fallbacks() const { return 0; }

    template <class RuleOf>
    exec::sweep_tally encode(const Executor& team, RuleOf rule_of, const step_state<T>&, std::byte* message, const exec::sweep_options& options)
    {
        exec::sweep_tally tally;
        std::size_t done = layout_.segments.size() * sizeof(T);
        for (std::size_t s = 0; s < layout_.segments.size(); ++s) {
            const segment& piece = layout_.segments[s];
            std::memset(message + done, 0, codes_[s] - done);
            const auto rule = rule_of(piece);
            exec::sweep_tally seen = encode_tiles(team, rule, piece.size, measured_sign_code<T>{}, exec::coded_run<T, std::byte>{means_.data(), message + codes_[s]}, {}, options);
            const T scale = mean_of(piece.size);
            std::memcpy(message + s * sizeof(T), &scale, sizeof(T));
            settle_all(team, rule, piece.size, [scale](T p) __attribute__((always_inline)) { return p < T(0) ? -scale : scale; });
            // The sweep saw p stay behind; (|p| - s)^2 sums to sum p^2 - n s^2 over all of the tensor, and over its sample nearly.
            const double sent = static_cast<double>(scale) * static_cast<double>(scale) * static_cast<double>(seen.sampled);
            seen.error_square = seen.error_square > sent ? seen.error_square - sent : 0;
            tally += seen;
            done = codes_[s] + packed_bytes(piece.size, 1);
        }
        std::memset(message + done, 0, bytes_ - done);
        return tally;
    }

    /// @throws error bad_message for a scale that no peer can have sent.
    void check(const std::byte* message) const
    {
        const T* const wire = reinterpret_cast<const T*>(message);
        for (std::size_t s = 0; s < layout_.segments.size(); ++s)
            if (!sign_code<T>{}.valid(wire + s))
                throw error(error_code::bad_message, "scale[" + std::to_string(s) + "]", text_of(static_cast<double>(wire[s])), "is none that a mean of magnitudes can be");
    }

    template <class Target> void decode(const Executor& team, const std::byte* message, const Target& target) const
    {
        for (std::size_t s = 0; s < layout_.segments.size(); ++s) {
            const segment& piece = layout_.segments[s];
            const known_sign_code<T> code{reinterpret_cast<const T*>(message)[s]};
            decode_tiles(team, code, exec::coded_run<const T, const std::byte>{nullptr, message + codes_[s]}, piece.size, piece.offset, target);
        }
    }

private:
    static std::size_t padded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

    /// mean |p| of n elements from the means of their buckets, in double, by tree_sum() over the buckets.
    T mean_of(std::size_t n) const
    {
        if (n == 0) return 0;
        const std::size_t buckets = (n + code_tile - 1) / code_tile;
        const double total = tree_sum<double>(buckets, [&](std::size_t b, double sum) {
            const std::size_t count = b + 1 < buckets ? code_tile : n - b * code_tile;
            return multiply_add(static_cast<double>(means_[b]), static_cast<double>(count) / static_cast<double>(n), sum);
        });
        return is_finite(total) ? limited_scale(static_cast<T>(total)) : not_a_number<T>();
    }

    layout layout_;
    std::size_t bytes_ = 0;
    std::vector<std::size_t> codes_; ///< where each tensor's bits begin
    std::vector<T> means_;           ///< of the present tensor's buckets
};

/// Whether a scale goes with the signs.
enum class sign_scale {
    none,  ///< C(x) = sign(x): no contraction at any scale of x, so never with error feedback
    mean   ///< C(x) = sign(x) ||x||_1 / d, d elements of a tensor
};

/// Scaled sign, C(x) = sign(x) ||x||_1 / d for each tensor, or the bare sign; sign(0) = +1.
///
/// Bytes on the wire: d / 8 + sizeof(T) a tensor, padded to 16. Two sweeps with the scale, one without. Scaled in B1(1/d, 1), B2(1/d, 1), B3(d),
/// tight at one-hot vectors; unscaled in no class. A tensor whose mean magnitude is below 2^-100 (double: 2^-970) is sent as 0. In a tensor that
/// holds NaN or Inf, all of c is NaN, where these propagate.
/// @cite Karimireddy, Rebjock, Stich, Jaggi, ICML 2019 (scaled); Bernstein et al., "signSGD", ICML 2018 (unscaled).
template <sign_scale Scale = sign_scale::mean> struct sign {
    static constexpr bool scaled = Scale == sign_scale::mean;
    static constexpr std::size_t bucket = code_tile;
    static constexpr bool unbiased = false, contractive = scaled, shared_support = false, additive = false;
    static constexpr int passes = scaled ? 2 : 1, rounds = 1;
    void check() const {}
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : scaled ? theory::scaled_sign(d) : theory::nothing(); }

    template <class T>
        requires(!scaled)
    known_sign_code<T> code() const
    {
        return {};
    }
    template <class T, class Executor> auto start(const Executor&, const coder_start& with) const
    {
        if constexpr (scaled) return tensor_sign<T, Executor>(with);
        else return coded<T, Executor, known_sign_code<T>>(with, {}, bucket);
    }
};
static_assert(compressor<sign<>> && compressor<sign<sign_scale::none>> && quantizer<sign<sign_scale::none>>);

} // namespace compress
} // namespace gradcomp
