/// @file The engines of quantizers on the CPU, tensor by tensor.
#pragma once

#include <gradcomp/core/coded_form.hpp>
#include <gradcomp/core/sign_code.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/exec/cpu/decode_tiles.hpp>
#include <gradcomp/exec/cpu/encode_tiles.hpp>
#include <gradcomp/exec/cpu/settle.hpp>
#include <gradcomp/exec/engines.hpp>

#include <algorithm>
#include <vector>

namespace gradcomp::exec {

namespace detail {

/// The zeros of a message: between the parameters and the codes, and behind each tensor's codes.
inline void clear_gaps(const cpu_team& team, const coded_form& form, std::byte* message)
{
    std::size_t done = form.parameter_bytes;
    for (const coded_form::place& at : form.places) {
        clear(team, message + done, at.codes - done);
        done = at.end;
    }
    clear(team, message + done, form.bytes - done);
}

/// @throws error bad_message where clear_gaps() left 0, or bits behind a tensor's last code, are something else.
inline void check_gaps(const cpu_team& team, const coded_form& form, const std::byte* message)
{
    std::size_t done = form.parameter_bytes;
    for (const coded_form::place& at : form.places) {
        check_zeros(team, message, done, at.codes);
        if (at.spare > 0 && (message[at.end - 1] >> (8 - at.spare)) != std::byte{0})
            throw error(error_code::bad_message, "byte[" + std::to_string(at.end - 1) + "]", std::to_string(std::to_integer<int>(message[at.end - 1])),
                "must be 0 in its upper " + std::to_string(at.spare) + " bits: the last code ends before them");
        done = at.end;
    }
    check_zeros(team, message, done, form.bytes);
}

/// @throws error bad_message for parameters that no peer can have sent, and for what must be 0.
template <class Code> void check_coded(const cpu_team& team, const Code& code, const coded_form& form, const std::byte* message)
{
    check_gaps(team, form, message);
    using T = typename Code::value_type;
    const T* const wire = reinterpret_cast<const T*>(message);
    if constexpr (Code::parameters > 0)
        for (std::size_t j = 0; j < form.parameters; j += static_cast<std::size_t>(Code::parameters))
            if (!code.valid(wire + j))
                throw error(error_code::bad_message, "parameter[" + std::to_string(j) + "]", text_of(static_cast<double>(wire[j])),
                    "is none that a bucket of this compressor can have");
}

/// mean |p| of n elements from the means of their buckets, in double, by tree_sum() over the buckets.
template <class T> struct mean_body {
    const T* means;
    std::size_t n;
    double* mean;

    template <isa> GRADCOMP_INLINE void run() const
    {
        const std::size_t buckets = (n + code_tile - 1) / code_tile;
        const T* const of = means;
        const std::size_t all = n;
        *mean = tree_sum<double>(buckets, [of, all, buckets](std::size_t b, double sum) __attribute__((always_inline)) {
            const std::size_t count = b + 1 < buckets ? code_tile : all - b * code_tile;
            return multiply_add(static_cast<double>(of[b]), static_cast<double>(count) / static_cast<double>(all), sum);
        });
    }
};

} // namespace detail

/// Buckets within a tensor: one sweep a tensor, no memory.
template <class T, class Code> class code_engine<cpu_team, T, Code> {
public:
    code_engine(const cpu_team&, const layout&, const coded_form&) {}

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>& now, const choice_key& key, const Code& code, const coded_form& form,
        std::byte* message, const sweep_options& options) const
    {
        sweep_tally tally;
        for (std::size_t s = 0; s < where.segments.size(); ++s) {
            const gradcomp::segment& piece = where.segments[s];
            const coded_run<T, std::byte> run{reinterpret_cast<T*>(message) + form.places[s].parameter, message + form.places[s].codes, form.bucket};
            tally += encode_tiles(team, rules(piece), piece.size, code, run, key.stream(now.step, static_cast<std::uint32_t>(piece.tensor), purpose::quantize), options);
        }
        detail::clear_gaps(team, form, message);
        return tally;
    }
    /// @throws error bad_message. Codes need no check beside: each of them decodes to a finite c.
    void check(const cpu_team& team, const layout&, const Code& code, const coded_form& form, const std::byte* message) const { detail::check_coded(team, code, form, message); }

    template <class Target>
    void decode(const cpu_team& team, const layout& where, const Target& target, const Code& code, const coded_form& form, const std::byte* message) const
    {
        for (std::size_t s = 0; s < where.segments.size(); ++s) {
            const gradcomp::segment& piece = where.segments[s];
            const coded_run<const T, const std::byte> run{reinterpret_cast<const T*>(message) + form.places[s].parameter, message + form.places[s].codes, form.bucket};
            decode_tiles(team, code, run, piece.size, piece.offset, target);
        }
    }
};

/// One scale for a tensor is known only after a sweep over all of it. A rule that can hold it back until e is next read (postpone) takes it;
/// else a second sweep leaves the rest behind, where there is a memory.
template <class T> class sign_engine<cpu_team, T> {
public:
    sign_engine(const cpu_team&, const layout& where, const coded_form&)
    {
        std::size_t most = 0;
        for (const gradcomp::segment& piece : where.segments) most = std::max(most, piece.size);
        means_.resize((most + code_tile - 1) / code_tile);
    }

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>&, const choice_key&, const sign_code<T>&, const coded_form& form,
        std::byte* message, const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t s = 0; s < where.segments.size(); ++s) {
            const gradcomp::segment& piece = where.segments[s];
            if (piece.size == 0) continue;
            const auto rule = rules(piece);
            sweep_tally seen = encode_tiles(team, rule, piece.size, measured_sign_code<T>{}, coded_run<T, std::byte>{means_.data(), message + form.places[s].codes}, {}, options);
            const T scale = mean_of(team, piece.size);
            reinterpret_cast<T*>(message)[form.places[s].parameter] = scale;
            if constexpr (requires { rule.postpone(scale); }) rule.postpone(scale);
            else settle_all(team, rule, piece.size, [scale](T p) __attribute__((always_inline)) { return p < T(0) ? -scale : scale; });
            // The sweep saw p stay behind; (|p| - s)^2 sums to sum p^2 - n s^2 over all of the tensor, and over its sample nearly.
            const double sent = static_cast<double>(scale) * static_cast<double>(scale) * static_cast<double>(seen.sampled);
            seen.error_square = seen.error_square > sent ? seen.error_square - sent : 0;
            tally += seen;
        }
        detail::clear_gaps(team, form, message);
        return tally;
    }
    /// @throws error bad_message.
    void check(const cpu_team& team, const layout&, const sign_code<T>& code, const coded_form& form, const std::byte* message) const
    {
        detail::check_coded(team, code, form, message);
    }
    template <class Target>
    void decode(const cpu_team& team, const layout& where, const Target& target, const sign_code<T>&, const coded_form& form, const std::byte* message) const
    {
        for (std::size_t s = 0; s < where.segments.size(); ++s) {
            const gradcomp::segment& piece = where.segments[s];
            if (piece.size == 0) continue;
            const known_sign_code<T> code{reinterpret_cast<const T*>(message)[form.places[s].parameter]};
            decode_tiles(team, code, coded_run<const T, const std::byte>{nullptr, message + form.places[s].codes}, piece.size, piece.offset, target);
        }
    }

private:
    /// mean |p| of n elements.
    T mean_of(const cpu_team& team, std::size_t n) const
    {
        double total = 0;
        at_level(team.level(), detail::mean_body<T>{means_.data(), n, &total});
        return is_finite(total) ? limited_scale(static_cast<T>(total)) : not_a_number<T>();
    }

    std::vector<T> means_; ///< of the present tensor's buckets
};

} // namespace gradcomp::exec
