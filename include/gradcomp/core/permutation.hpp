/// @file Random subsets without a list: a keyed bijection of block numbers, and one run that wraps.
#pragma once

#include <gradcomp/core/random.hpp>

namespace gradcomp {

/// A keyed bijection of [0, n): a Feistel network with cycle walking, then a keyed rotation modulo n.
///
/// The rotation makes every element equally likely at every position, however small n is; the network alone is off by percents for n
/// below 8. The network breaks up neighbours. Both directions cost 16 multiplications a walk, of which there are below 2 on average, and need no memory.
class keyed_permutation {
public:
    /// @pre 1 <= n <= 2^31
    GRADCOMP_HD constexpr keyed_permutation(std::uint32_t n, const random_stream& stream) : n_(n)
    {
        int bits = 0;
        while ((std::uint64_t{1} << bits) < n) ++bits;
        low_bits_ = bits / 2;
        low_ = (1u << low_bits_) - 1u;
        high_ = (1u << (bits - low_bits_)) - 1u;
        const word4 a = stream.block(0), b = stream.block(1);
        for (int r = 0; r < 4; ++r) {
            key_[r] = a.at[r];
            key_[r + 4] = b.at[r];
        }
        turn_ = static_cast<std::uint32_t>(stream.below(n, 2));
    }

    GRADCOMP_HD constexpr std::uint32_t operator()(std::uint32_t x) const
    {
        do x = forward(x);
        while (x >= n_);
        return x < n_ - turn_ ? x + turn_ : x - (n_ - turn_);
    }

    GRADCOMP_HD constexpr std::uint32_t inverse(std::uint32_t y) const
    {
        y = y >= turn_ ? y - turn_ : y + (n_ - turn_);
        do y = backward(y);
        while (y >= n_);
        return y;
    }

private:
    static constexpr int rounds = 8;

    GRADCOMP_HD static constexpr std::uint32_t mix(std::uint32_t x, std::uint32_t key)
    {
        const std::uint64_t m = std::uint64_t{0xD2511F53u} * (x ^ key);
        const std::uint64_t w = std::uint64_t{0xCD9E8D57u} * (static_cast<std::uint32_t>(m >> 32) ^ static_cast<std::uint32_t>(m) ^ (key >> 7));
        return static_cast<std::uint32_t>(w >> 32) ^ static_cast<std::uint32_t>(w);
    }
    GRADCOMP_HD constexpr std::uint32_t forward(std::uint32_t x) const
    {
        std::uint32_t h = x >> low_bits_, l = x & low_;
        for (int r = 0; r < rounds; r += 2) {
            h ^= mix(l, key_[r]) & high_;
            l ^= mix(h, key_[r + 1]) & low_;
        }
        return h << low_bits_ | l;
    }
    GRADCOMP_HD constexpr std::uint32_t backward(std::uint32_t x) const
    {
        std::uint32_t h = x >> low_bits_, l = x & low_;
        for (int r = rounds - 2; r >= 0; r -= 2) {
            l ^= mix(h, key_[r + 1]) & low_;
            h ^= mix(l, key_[r]) & high_;
        }
        return h << low_bits_ | l;
    }

    std::uint32_t n_, low_ = 0, high_ = 0, turn_ = 0;
    int low_bits_ = 0;
    std::uint32_t key_[rounds]{};
};

} // namespace gradcomp
