/// @file The one exception type: what went wrong, where, and with which value.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace gradcomp {

/// What went wrong. The names are stable; a message may change.
enum class error_code {
    invalid_option,     ///< an option outside its range
    invalid_argument,   ///< an argument of a call that cannot be right (null pointer, wrong rank)
    size_changed,       ///< a tensor's size differs from what attach() saw
    overlap,            ///< two spans that must not overlap do
    not_contractive,    ///< an operator whose numbers give no convergence guarantee here
    non_finite,         ///< NaN or Inf where the policy rejects them
    bad_message,        ///< a message that no peer with the same configuration can have sent
    size_overflow,      ///< a size computation left the range of its type
    out_of_memory,      ///< an allocation failed
    wrong_memory_space, ///< a host pointer where a device pointer is needed, or the reverse
    peer_failed,        ///< another rank threw
    peer_lost,          ///< another rank is gone
    peer_timeout,       ///< another rank did not answer before the deadline
    poisoned,           ///< the group failed earlier; every later call fails at once
    configuration,      ///< the ranks do not agree on the configuration
    device,             ///< the device or its driver reported an error
    file                ///< a file or stream cannot be opened, read or written
};

/// The name of a code, as written in error_code.
inline constexpr std::string_view name_of(error_code code)
{
    constexpr std::string_view names[] = {"invalid_option", "invalid_argument", "size_changed", "overlap", "not_contractive", "non_finite",
        "bad_message", "size_overflow", "out_of_memory", "wrong_memory_space", "peer_failed", "peer_lost", "peer_timeout", "poisoned",
        "configuration", "device", "file"};
    return names[static_cast<int>(code)];
}

/// Where an error happened; what does not apply stays at its default.
struct error_place {
    int rank = -1;           ///< -1: not tied to a rank
    std::int64_t step = -1;  ///< -1: not inside a step
    std::string tensor = {}; ///< empty: not tied to a tensor
};

/// Every failure that the library reports.
///
/// what() is one sentence that holds all fields, for example
/// "invalid_option: ratio = 0.5: must be finite and at least 1 (rank 2, step 17, tensor fc1.weight)".
class error : public std::runtime_error {
public:
    /// @param field the option or argument at fault; @param value what it was; @param sentence what was expected instead.
    error(error_code code, std::string field, std::string value, const std::string& sentence, error_place place = {})
        : std::runtime_error(text(code, field, value, sentence, place)), code_(code), field_(std::move(field)), value_(std::move(value)),
          sentence_(sentence), place_(std::move(place))
    {
    }

    error_code code() const noexcept { return code_; }
    int rank() const noexcept { return place_.rank; }
    std::int64_t step() const noexcept { return place_.step; }
    const std::string& tensor() const noexcept { return place_.tensor; }
    const std::string& field() const noexcept { return field_; }
    const std::string& value() const noexcept { return value_; }

    /// The same error with a place filled in where it was unknown: inner layers know the value, outer layers know the step.
    error at(const error_place& outer) const
    {
        error_place place = place_;
        if (place.rank < 0) place.rank = outer.rank;
        if (place.step < 0) place.step = outer.step;
        if (place.tensor.empty()) place.tensor = outer.tensor;
        return error(code_, field_, value_, sentence_, place);
    }

private:
    static std::string text(error_code code, const std::string& field, const std::string& value, const std::string& sentence, const error_place& place)
    {
        std::string out(name_of(code));
        out += ": " + field;
        if (!value.empty()) out += " = " + value;
        out += ": " + sentence;
        std::string where;
        if (place.rank >= 0) where += "rank " + std::to_string(place.rank);
        if (place.step >= 0) where += (where.empty() ? "step " : ", step ") + std::to_string(place.step);
        if (!place.tensor.empty()) where += (where.empty() ? "tensor " : ", tensor ") + place.tensor;
        if (!where.empty()) out += " (" + where + ")";
        return out;
    }

    error_code code_;
    std::string field_, value_, sentence_;
    error_place place_;
};

} // namespace gradcomp
