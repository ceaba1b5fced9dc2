/// @file Where the codes of a tensor stand, and what a sweep that writes them works with.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/random.hpp>
#include <gradcomp/exec/cpu/random_lanes.hpp>
#include <gradcomp/exec/sweep_options.hpp>

#include <type_traits>

namespace gradcomp::exec {

/// Where the codes of one tensor stand in a message.
template <class T, class Byte> struct coded_run {
    T* parameters = nullptr;        ///< Code::parameters a bucket
    Byte* codes = nullptr;          ///< packed_bytes(n, bits)
    std::size_t bucket = code_tile; ///< elements of a bucket: a power of two from 8 to 512
};

namespace detail {

template <class Code> using code_store = std::conditional_t<(Code::most_bits > 8), std::uint16_t, std::uint8_t>;

template <class Code> struct code_buffers {
    using T = typename Code::value_type;
    alignas(64) T p[code_tile];
    alignas(64) T c[code_tile];
    alignas(64) std::uint16_t random[code_tile];
    alignas(64) code_store<Code> code[code_tile];
};

/// What one member of the team needs of a sweep.
template <class Code> struct encode_job {
    Code code;
    coded_run<typename Code::value_type, std::uint8_t> run;
    random_lanes random;
    sweep_options options;
};

} // namespace detail
} // namespace gradcomp::exec
