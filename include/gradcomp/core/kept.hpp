/// @file How many elements of a tensor a sparsifier keeps: the one place where a ratio becomes a count.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/scalar.hpp>
#include <gradcomp/core/text.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace gradcomp {

/// Checks a compression ratio (elements of the original over elements sent).
/// @throws error invalid_option, field "ratio": below 1, NaN or infinite.
constexpr void check_ratio(double ratio)
{
    if (!is_finite(ratio) || ratio < 1)
        throw error(error_code::invalid_option, "ratio", text_of(ratio), "must be finite and at least 1: elements of the original over elements sent");
}

/// k = min(d, max(1, floor(d / ratio))) for a tensor of d elements; 0 only for d = 0.
///
/// A whole-numbered ratio divides exactly, in integers, for every d. Any other ratio is the double nearest to what was written, and d / ratio
/// is that quotient rounded to double once, so 11 elements at ratio 1.1 keep 10, although the double nearest to 1.1 lies above 1.1.
/// For d above 2^53 with such a ratio, d itself is first rounded to double.
/// @throws error invalid_option, field "ratio": below 1, NaN or infinite, for d = 0 as well.
constexpr std::size_t kept_count(std::size_t d, double ratio)
{
    check_ratio(ratio);
    if (d == 0) return 0;
    constexpr double beyond = 18446744073709551616.0; // 2^64: more than any d, and the first value that std::uint64_t cannot hold
    if (ratio >= beyond) return 1;
    const auto whole = static_cast<std::uint64_t>(ratio);
    const bool is_whole = static_cast<double>(whole) == ratio;
    const double quotient = static_cast<double>(d) / ratio;
    // The rounded quotient may reach 2^64 only for d near 2^64 and a ratio that rounds to 1; both then mean "all of d".
    const std::uint64_t k = is_whole ? d / whole : quotient >= beyond ? d : static_cast<std::uint64_t>(quotient);
    return std::min<std::size_t>(d, std::max<std::size_t>(1, k));
}

/// An explicit count of kept elements, checked.
/// @return k; 0 for d = 0, where nothing can be kept.
/// @throws error invalid_option, field "k": outside [1, d] (d > 0); for d = 0 only k = 0 is an error.
constexpr std::size_t kept_exactly(std::size_t d, std::size_t k)
{
    if (k < 1 || (d > 0 && k > d))
        throw error(error_code::invalid_option, "k", std::to_string(k),
            d > 0 ? "must be from 1 to " + std::to_string(d) + ", the elements of the tensor" : "must be at least 1");
    return d == 0 ? 0 : k;
}

/// What a sparsifier with both options keeps: k where it is given, else what the ratio says.
/// @throws error as kept_exactly and kept_count.
constexpr std::size_t kept_of(std::size_t d, double ratio, std::optional<std::size_t> k) { return k ? kept_exactly(d, *k) : kept_count(d, ratio); }

} // namespace gradcomp
