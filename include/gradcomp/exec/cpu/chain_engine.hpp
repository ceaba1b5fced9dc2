/// @file What a quantizer does with the message of a sparsifier, on the CPU.
#pragma once

#include <gradcomp/exec/cpu/buffer.hpp>
#include <gradcomp/exec/cpu/code_engines.hpp>

namespace gradcomp::exec {

/// Holds one message of the sparsifier.
template <class T, class Code> class chain_engine<cpu_team, T, Code> {
public:
    chain_engine(const cpu_team& team, const layout& where, const layout& values, const coded_form& form, std::size_t plain_bytes)
        : codes_(team, values, form), value_bytes_(where.kept * sizeof(T)), plain_(plain_bytes)
    {
    }
    std::byte* plain() { return plain_.data(); }
    void clear_values(const cpu_team&) const { std::fill(kept(), kept() + value_bytes_ / sizeof(T), T(0)); }
    const std::byte* plain() const { return plain_.data(); }
    std::size_t index_bytes() const { return plain_.size() - value_bytes_; }

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

    /// What the codes miss stays; Whole: the sparsifier took elements as they are and left 0 of them.
    template <bool Whole, class Rules, class Sparse> void settle(const cpu_team& team, const Rules& rules, const Sparse& sparse) const
    {
        const auto rule = rules(gradcomp::segment{});
        sparse.decode(team, plain(), [rule](std::size_t i, T missed) __attribute__((always_inline)) { keep_missed<Whole>(rule, i, missed); });
    }

    void check(const cpu_team& team, const Code& code, const coded_form& form, const std::byte* message) const { detail::check_coded(team, code, form, message); }

    void decode(const cpu_team& team, const layout& values, const Code& code, const coded_form& form, const std::byte* message) const
    {
        codes_.decode(team, values, dense_target<T>{kept()}, code, form, message);
    }
    void copy_indices(const cpu_team&, std::byte* to) const
    {
        if (index_bytes() > 0) std::memcpy(to, plain_.data() + value_bytes_, index_bytes());
    }
    void fetch_indices(const cpu_team&, const std::byte* from) const
    {
        if (index_bytes() > 0) std::memcpy(plain_.data() + value_bytes_, from, index_bytes());
    }

private:
    T* kept() const { return reinterpret_cast<T*>(plain_.data()); }

    code_engine<cpu_team, T, Code> codes_;
    std::size_t value_bytes_;
    mutable host_buffer<std::byte> plain_; ///< decoding works in it, too
};

} // namespace gradcomp::exec
