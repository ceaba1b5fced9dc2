/// @file The coder of quantizers: every element of every tensor as a code of few bits, with parameters for each bucket.
#pragma once

#include <gradcomp/core/coded_form.hpp>
#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/quantizers.hpp>

#include <algorithm>

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

/// Message: coded_form, the parameters of all buckets, then the codes of each tensor. Random bits are each rank's own.
template <class T, class Executor, tile_code Code, class Engine = exec::code_engine<Executor, T, Code>> class coded {
public:
    /// @throws error size_overflow for a tensor of more than 2^35 elements.
    coded(const Executor& executor, const coder_start& start, const Code& code, std::size_t bucket)
        : layout_(checked(make_layout(*start.list, *start.tensors, scope::per_tensor, [](std::size_t d) { return d; }), *start.list)),
          form_(make_coded_form<T>(layout_, code.bits(), Code::parameters, bucket)), code_(code), key_{start.seed, start.rank + 1}, engine_(executor, layout_, form_)
    {
    }
    std::size_t elements() const { return 0; }
    std::size_t bytes() const { return form_.bytes; }
    std::size_t fallbacks() const { return 0; }

    template <class Rules>
    auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
    {
        return engine_.encode(executor, layout_, rules, now, key_, code_, form_, message, options);
    }
    /// @throws error bad_message for parameters that no peer can have sent, and for what lies between and behind the codes unless it is 0.
    void check(const Executor& executor, const std::byte* message) const { engine_.check(executor, layout_, code_, form_, message); }

    template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
    {
        engine_.decode(executor, layout_, target, code_, form_, message);
    }
    template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
        requires(Executor::decodes_together)
    {
        engine_.decode_all(executor, layout_, target, code_, form_, all);
    }

private:
    static layout checked(layout all, const tensor_list& list)
    {
        for (const segment& piece : all.segments)
            if (piece.size > std::size_t{1} << 35)
                throw error(error_code::size_overflow, "size", std::to_string(piece.size), "a quantizer numbers the blocks of a tensor's random bits with 32 bits",
                    {.tensor = list.name(piece.tensor)});
        return all;
    }

    layout layout_;
    coded_form form_;
    Code code_;
    exec::choice_key key_;
    Engine engine_;
};

} // namespace compress
} // namespace gradcomp
