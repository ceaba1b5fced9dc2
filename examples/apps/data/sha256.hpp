/// @file SHA-256 (FIPS 180-4), to check downloaded files without another dependency.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

namespace apps::data {

/// Hashes a stream of bytes: update() any number of times, then hex() once.
class sha256 {
public:
    void update(std::span<const std::uint8_t> bytes)
    {
        length_ += bytes.size();
        for (const std::uint8_t byte : bytes) {
            block_[used_++] = byte;
            if (used_ == block_.size()) compress();
        }
    }

    /// The digest as 64 lower-case hexadecimal digits. Ends the stream: call it once.
    std::string hex()
    {
        const std::uint64_t bits = length_ * 8;
        const std::uint8_t one = 0x80, zero = 0;
        update({&one, 1});
        while (used_ != 56) update({&zero, 1});
        for (int shift = 56; shift >= 0; shift -= 8) {
            const auto byte = static_cast<std::uint8_t>(bits >> shift);
            update({&byte, 1});
        }
        std::string text;
        for (const std::uint32_t word : state_)
            for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15u];
        return text;
    }

private:
    /// One word of the message schedule or of the round: the standard's sigma functions, two rotations and a third term.
    static std::uint32_t rotations(std::uint32_t x, int a, int b, std::uint32_t third) { return std::rotr(x, a) ^ std::rotr(x, b) ^ third; }

    void compress()
    {
        std::array<std::uint32_t, 64> w{};
        for (std::size_t i = 0; i < 16; ++i)
            for (std::size_t byte = 0; byte < 4; ++byte) w[i] = w[i] << 8 | block_[4 * i + byte];
        for (std::size_t i = 16; i < 64; ++i)
            w[i] = w[i - 16] + rotations(w[i - 15], 7, 18, w[i - 15] >> 3) + w[i - 7] + rotations(w[i - 2], 17, 19, w[i - 2] >> 10);
        std::array<std::uint32_t, 8> s = state_;
        for (std::size_t i = 0; i < 64; ++i) {
            const std::uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
            const std::uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
            const std::uint32_t first = s[7] + rotations(s[4], 6, 11, std::rotr(s[4], 25)) + choice + constants[i] + w[i];
            const std::uint32_t second = rotations(s[0], 2, 13, std::rotr(s[0], 22)) + majority;
            s = {first + second, s[0], s[1], s[2], s[3] + first, s[4], s[5], s[6]};
        }
        for (std::size_t i = 0; i < 8; ++i) state_[i] += s[i];
        used_ = 0;
    }

    static constexpr std::array<std::uint32_t, 64> constants = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3,
        0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c,
        0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb,
        0xbef9a3f7, 0xc67178f2};
    std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<std::uint8_t, 64> block_{};
    std::size_t used_ = 0;
    std::uint64_t length_ = 0;
};

/// The digest of a file's bytes; empty when the file cannot be read.
inline std::string sha256_of(const std::filesystem::path& file)
{
    std::ifstream in(file, std::ios::binary);
    if (!in) return {};
    sha256 hash;
    std::array<char, 1u << 16> buffer{};
    while (in.read(buffer.data(), buffer.size()) || in.gcount() > 0)
        hash.update({reinterpret_cast<const std::uint8_t*>(buffer.data()), static_cast<std::size_t>(in.gcount())});
    return in.bad() ? std::string{} : hash.hex();
}

} // namespace apps::data
