/// @file What a quantizer does with the message of a sparsifier, on the CPU.
#pragma once

#include <gradcomp/core/index_code.hpp>
#include <gradcomp/exec/cpu/buffer.hpp>
#include <gradcomp/exec/cpu/code_engines.hpp>

namespace gradcomp::exec {

/// Holds one message of the sparsifier.
template <class T, class Code> class chain_engine<cpu_team, T, Code> {
public:
    chain_engine(const cpu_team& team, const layout& where, const layout& values, const coded_form& form, std::size_t plain_bytes)
        : codes_(team, values, form), kept_(where.kept), plain_(plain_bytes)
    {
        for (const selection& s : where.selections) index_bytes_ += gradcomp::index_bytes(s);
    }
    std::byte* plain() { return plain_.data(); }
    const std::byte* plain() const { return plain_.data(); }
    std::size_t index_bytes() const { return index_bytes_; }

    void encode(const cpu_team& team, const layout& values, const step_state<T>& now, const choice_key& key, const Code& code, const coded_form& form, std::byte* message)
    {
        const auto rules = [this](const gradcomp::segment& piece) {
            remainder_rule<T> rule;
            rule.out[0] = kept() + piece.offset;
            rule.gradient = rule.out[0];
            return rule;
        };
        codes_.encode(team, values, rules, now, key, code, form, message, {.bad_elements = non_finite::propagate});
    }

    /// A sparsifier that sends whole elements left 0 of them: what their codes miss is what stays.
    template <class Rules, class Sparse> void settle(const cpu_team& team, const Rules& rules, const Sparse& sparse) const
    {
        const auto rule = rules(gradcomp::segment{});
        sparse.decode(team, plain(), [rule](std::size_t i, T missed) __attribute__((always_inline)) { rule.settle(i, missed, T(0)); });
    }

    void check(const cpu_team&, const Code& code, const coded_form& form, const std::byte* message) const { detail::check_parameters(code, form, message); }

    void decode(const cpu_team& team, const layout& values, const Code& code, const coded_form& form, const std::byte* message) const
    {
        codes_.decode(team, values, dense_target<T>{kept()}, code, form, message);
    }
    void encode_indices(const cpu_team&, const layout& where, std::byte* at) const
    {
        for (const selection& s : where.selections) {
            gradcomp::encode_indices(s, indices() + s.payload, at);
            at += gradcomp::index_bytes(s);
        }
    }
    /// @throws error bad_message.
    void decode_indices(const cpu_team&, const layout& where, const std::byte* at) const
    {
        for (const selection& s : where.selections) {
            gradcomp::decode_indices(s, at, indices() + s.payload);
            at += gradcomp::index_bytes(s);
        }
    }

private:
    T* kept() const { return reinterpret_cast<T*>(plain_.data()); }
    std::uint32_t* indices() const { return reinterpret_cast<std::uint32_t*>(plain_.data() + kept_ * sizeof(T)); }

    code_engine<cpu_team, T, Code> codes_;
    std::size_t kept_, index_bytes_ = 0;
    mutable host_buffer<std::byte> plain_; ///< decoding works in it, too
};

} // namespace gradcomp::exec
