/// @file Inputs and the reference of the selection tests: a full stable sort.
#pragma once

#include "conformance/indices.hpp"

#include <gradcomp/exec/cpu/select.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace gradcomp::exec {

/// A level for the teams that are started while it lives.
struct forced_level {
    explicit forced_level(isa level) { ::setenv("GRADCOMP_ISA", std::string(name_of(level)).c_str(), 1); }
    ~forced_level()
    {
        if (before.empty()) ::unsetenv("GRADCOMP_ISA");
        else ::setenv("GRADCOMP_ISA", before.c_str(), 1);
    }
    forced_level(const forced_level&) = delete;

private:
    std::string before = std::getenv("GRADCOMP_ISA") ? std::getenv("GRADCOMP_ISA") : "";
};

inline std::vector<isa> levels_here()
{
    std::vector<isa> levels;
    for (const isa level : {isa::scalar, isa::avx2, isa::avx512})
        if (supports(level)) levels.push_back(level);
    return levels;
}

enum class data { gauss, heavy, ties, equal, zeros, nan };
inline constexpr data all_data[] = {data::gauss, data::heavy, data::ties, data::equal, data::zeros, data::nan};

/// n test values; the same for the same arguments.
template <class T> std::vector<T> make(data kind, std::size_t n, std::uint32_t seed = 1)
{
    const random_stream random{seed, 0, 0, purpose::sample, 7};
    std::vector<T> x(n);
    for (std::size_t i = 0; i < n; ++i) {
        const word4 w = random.block(static_cast<std::uint32_t>(i));
        const double u = (w.at[0] + 0.5) * 0x1p-32, v = (w.at[1] + 0.5) * 0x1p-32;
        const double gauss = std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
        const double layer = std::pow(10.0, -static_cast<double>(i / 1000 % 5));
        switch (kind) {
        case data::gauss: x[i] = static_cast<T>(gauss); break;
        case data::heavy: x[i] = static_cast<T>(gauss / std::sqrt(v) * layer); break;
        case data::ties: x[i] = static_cast<T>(std::round(gauss * 4) / 4); break;
        case data::equal: x[i] = T(v < 0.5 ? -0.75 : 0.75); break;
        case data::zeros: x[i] = w.at[2] % 20 == 0 ? static_cast<T>(gauss) : w.at[2] % 2 ? T(0) : -T(0); break;
        case data::nan: x[i] = i % 97 == 5 ? std::numeric_limits<T>::quiet_NaN() : static_cast<T>(gauss); break;
        }
    }
    return x;
}

/// Indices of the k largest magnitudes in index order, by a stable sort of everything.
template <class T> std::vector<std::uint32_t> largest(const std::vector<T>& p, std::size_t k)
{
    std::vector<std::uint32_t> order(p.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return rank_key(p[a]) > rank_key(p[b]); });
    order.resize(k);
    std::sort(order.begin(), order.end());
    return order;
}

/// Error feedback: p = e + scale * g, and e' = p - c.
template <class T> struct feedback : rule_streams<T, T, 1, 1, 1> {
    T scale = 1;
    GRADCOMP_INLINE T value(T g, const T* x) const { return multiply_add(scale, g, x[0]); }
    GRADCOMP_INLINE void leave(T, const T*, T p, T c, T* y) const { y[0] = p - c; }
    GRADCOMP_INLINE void settle(std::size_t i, T p, T c) const { this->out[0][i] = p - c; }
    GRADCOMP_INLINE T owed_at(std::size_t i) const { return this->in[0][i]; }
};

/// One selection and everything that it wrote.
template <class T> struct selected {
    std::vector<std::uint32_t> words; ///< of the indices, one more in front of them and behind
    index_form form;
    std::vector<T> value, memory;
    select_report report;

    std::vector<std::size_t> index() const { return conformance::read_indices(form, reinterpret_cast<const std::byte*>(words.data() + 1), value.size() - 2); }
};

template <class T> struct trial {
    std::vector<T> gradient, memory; ///< an empty memory: p is the gradient
    std::vector<segment> segments;
    std::size_t k = 0, threads = 1;
    std::optional<bracket<T>> limits = {};
    sweep_options options = {non_finite::propagate, false};
    bool staged = false;

    selected<T> run() const
    {
        const cpu_team team(threads);
        top_k_workspace<T> workspace(gradient.size(), k, threads, segments.size());
        workspace.override_bracket = limits;
        const index_form form = index_form_of(gradient.size(), k);
        selected<T> out{std::vector<std::uint32_t>(form.bytes() / 4 + 2, 77u), form, std::vector<T>(k + 2, T(77)), memory, {}};
        auto* const index = reinterpret_cast<std::byte*>(out.words.data() + 1);
        const random_stream sample{3, 0, 0, purpose::sample, 1};
        const auto read = [](const T* from) {
            read_rule<T> rule;
            rule.gradient = from;
            return rule;
        };
        if (memory.empty()) {
            const auto rule_of = [&](std::size_t s) { return read(gradient.data() + segments[s].first); };
            out.report = select_top_k<T>(team, segments, rule_of, rule_of, k, sample, form, index, out.value.data() + 1, workspace, options);
        } else {
            const auto rule_of = [&](std::size_t s) {
                feedback<T> rule;
                rule.scale = T(0.5);
                rule.gradient = gradient.data() + segments[s].first;
                rule.in[0] = (staged ? memory.data() : out.memory.data()) + segments[s].first;
                rule.out[0] = out.memory.data() + segments[s].first;
                return rule;
            };
            const auto again_of = [&](std::size_t s) { return read(out.memory.data() + segments[s].first); };
            out.report = select_top_k<T>(team, segments, rule_of, again_of, k, sample, form, index, out.value.data() + 1, workspace, options);
        }
        return out;
    }
    std::vector<T> p() const
    {
        std::vector<T> all(gradient.size());
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = memory.empty() ? gradient[i] : multiply_add(T(0.5), gradient[i], memory[i]);
        return all;
    }
};

} // namespace gradcomp::exec
