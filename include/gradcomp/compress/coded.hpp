/// @file The coder of quantizers: every element of every tensor as a code of few bits, with parameters for each bucket.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/exec/cpu/decode_tiles.hpp>
#include <gradcomp/exec/cpu/encode_tiles.hpp>
#include <gradcomp/theory/operators.hpp>

#include <algorithm>
#include <cstring>

namespace gradcomp {
inline namespace compress {

/// It encodes element by element: code<T>() gives the arithmetic, `bucket` how many elements share parameters.
template <class Q> concept quantizer = requires(const Q q) {
    { q.template code<float>() } -> tile_code;
    { q.template code<double>() } -> tile_code;
    { q.bucket } -> std::convertible_to<std::size_t>;
};

/// @throws error invalid_option unless a bucket is a power of two from 8 to 512: shares of threads then begin with a bucket.
inline void check_bucket(std::size_t bucket)
{
    if (bucket < 8 || bucket > code_tile || (bucket & (bucket - 1)) != 0)
        throw error(error_code::invalid_option, "bucket", std::to_string(bucket), "must be a power of two from 8 to 512");
}
/// @throws error invalid_option for a number of bits outside [least, most].
inline void check_bits(int bits, int least, int most)
{
    if (bits < least || bits > most)
        throw error(error_code::invalid_option, "bits", std::to_string(bits), "must be from " + std::to_string(least) + " to " + std::to_string(most));
}

/// Message: the parameters of all buckets of all tensors, then each tensor's codes. The codes of each tensor begin at a multiple of 16 bytes;
/// what lies between is 0. One sweep.
template <class T, class Executor, tile_code Code> class coded {
public:
    coded(const coder_start& start, const Code& code, std::size_t bucket)
        : layout_(make_layout(*start.list, *start.tensors, scope::per_tensor, [](std::size_t d) { return d; })), code_(code), bucket_(bucket),
          seed_(start.seed), owner_(start.rank + 1)
    {
        for (const segment& piece : layout_.segments) parameters_ += buckets(piece) * static_cast<std::size_t>(Code::parameters);
        std::size_t at = padded(parameters_ * sizeof(T));
        for (const segment& piece : layout_.segments) {
            if (piece.size > std::size_t{1} << 35)
                throw error(error_code::size_overflow, "size", std::to_string(piece.size), "a quantizer numbers the blocks of a tensor's random bits with 32 bits",
                    {.tensor = start.list->name(piece.tensor)});
            codes_.push_back(at);
            at = padded(at + packed_bytes(piece.size, code_.bits()));
        }
        bytes_ = at;
    }
    std::size_t elements() const { return 0; }
    std::size_t bytes() const { return bytes_; }
    std::size_t fallbacks() const { return 0; }

    template <class RuleOf>
    exec::sweep_tally encode(const Executor& team, RuleOf rule_of, const step_state<T>& state, std::byte* message, const exec::sweep_options& options)
    {
        exec::sweep_tally tally;
        std::size_t parameter = 0, done = parameters_ * sizeof(T);
        for (std::size_t s = 0; s < layout_.segments.size(); ++s) {
            const segment& piece = layout_.segments[s];
            std::memset(message + done, 0, codes_[s] - done);
            const random_stream random{seed_, state.step, static_cast<std::uint32_t>(piece.tensor), purpose::quantize, owner_};
            tally += encode_tiles(team, rule_of(piece), piece.size, code_,
                exec::coded_run<T, std::byte>{reinterpret_cast<T*>(message) + parameter, message + codes_[s], bucket_}, random, options);
            parameter += buckets(piece) * static_cast<std::size_t>(Code::parameters);
            done = codes_[s] + packed_bytes(piece.size, code_.bits());
        }
        std::memset(message + done, 0, bytes_ - done);
        return tally;
    }

    /// @throws error bad_message for a bucket's parameters that no peer can have sent. Codes need no check: each of them decodes to a finite c.
    void check(const std::byte* message) const
    {
        const T* const wire = reinterpret_cast<const T*>(message);
        for (std::size_t j = 0; j < parameters_; j += static_cast<std::size_t>(std::max(1, Code::parameters)))
            if (!code_.valid(wire + j))
                throw error(error_code::bad_message, "parameter[" + std::to_string(j) + "]", text_of(static_cast<double>(wire[j])),
                    "is none that a bucket of this compressor can have");
    }

    template <class Target> void decode(const Executor& team, const std::byte* message, const Target& target) const
    {
        std::size_t parameter = 0;
        for (std::size_t s = 0; s < layout_.segments.size(); ++s) {
            const segment& piece = layout_.segments[s];
            decode_tiles(team, code_, exec::coded_run<const T, const std::byte>{reinterpret_cast<const T*>(message) + parameter, message + codes_[s], bucket_},
                piece.size, piece.offset, target);
            parameter += buckets(piece) * static_cast<std::size_t>(Code::parameters);
        }
    }

private:
    static std::size_t padded(std::size_t bytes) { return (bytes + 15) / 16 * 16; }
    std::size_t buckets(const segment& piece) const { return (piece.size + bucket_ - 1) / bucket_; }

    layout layout_;
    Code code_;
    std::size_t bucket_, parameters_ = 0, bytes_ = 0;
    std::vector<std::size_t> codes_; ///< where each tensor's codes begin
    std::uint64_t seed_;
    std::uint32_t owner_;
};

} // namespace compress
} // namespace gradcomp
