/// @file The low-rank engine on the CPU: one step of a power iteration, whose two products meet the other ranks' in between.
#pragma once

#include <gradcomp/exec/cpu/orthonormal.hpp>
#include <gradcomp/exec/cpu/thin_products.hpp>

#include <vector>

namespace gradcomp::exec {

/// Memory: the factors twice over, and a short factor for every 1024 rows of the largest matrix. A sweep, then p is read twice and, where there is a memory,
/// rewritten once.
template <class T> class low_rank_engine<cpu_team, T> {
public:
    low_rank_engine(const cpu_team&, const low_rank_form& form)
        : form_(form), long_(form.long_elements), short_(form.short_elements), kept_(form.short_elements), sampled_(form.matrices.size())
    {
        std::size_t parts = 0;
        for (const factored_matrix& m : form.matrices) parts = std::max(parts, detail::columns_body<read_rule<T>>::blocks(m.rows) * m.columns * form.rank);
        parts_ = host_buffer<T>(parts);
    }

    /// The first round: all of p stays behind, and each matrix is multiplied by an orthonormal short factor that all ranks share.
    template <class Rules>
    sweep_tally encode(const cpu_team& team, const Rules& rules, const step_state<T>& now, const choice_key& key, T* message, const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t n = 0; n < form_.matrices.size(); ++n) {
            const factored_matrix& m = form_.matrices[n];
            const auto rule = rules(m.piece);
            const sweep_tally seen = sweep(team, rule, m.piece.size, options);
            sampled_[n] = static_cast<double>(seen.sampled) / static_cast<double>(m.piece.size);
            tally += seen;
            start_factor(team, m, key.stream(now.step, static_cast<std::uint32_t>(m.piece.tensor), purpose::low_rank));
            multiply(team, rule.again(), m, !m.tall(), short_.data() + m.short_at, message + m.long_at, options.bad_elements);
        }
        for (const gradcomp::segment& piece : form_.dense) {
            sweep_tally seen = sweep(team, rules(piece), piece.size, options);
            seen.error_square = 0; // all of it is sent
            tally += seen;
        }
        return tally;
    }

    /// The second round: the sum of all ranks' products, made orthonormal, is the long factor; what it says of p leaves the memory.
    template <class Rules> void encode_shares(const cpu_team& team, const Rules& rules, const step_state<T>&, const T* sum, T* message, const sweep_options& options, sweep_tally& tally)
    {
        double sent = 0;
        for (std::size_t n = 0; n < form_.matrices.size(); ++n) {
            const factored_matrix& m = form_.matrices[n];
            T *const longer = long_.data() + m.long_at, *const shorter = message + m.short_at;
            std::copy_n(sum + m.long_at, m.longer() * form_.rank, longer);
            if (!orthonormalise(team.level(), longer, m.longer(), form_.rank, [](std::size_t, T*) { return false; }))
                std::fill_n(longer, m.longer() * form_.rank, not_a_number<T>()); // NaN or Inf travels, and none of the matrix is to be trusted
            const auto rule = rules(m.piece);
            multiply(team, rule.again(), m, m.tall(), longer, shorter, options.bad_elements);
            settle(team, rule, m, shorter, options.bad_elements);
            for (std::size_t j = 0; j < m.shorter() * form_.rank; ++j) sent += static_cast<double>(shorter[j]) * static_cast<double>(shorter[j]) * sampled_[n];
        }
        // The sweep saw p stay behind; c is a projection of it, so ||p - c||^2 is ||p||^2 less the squares of the short factor.
        tally.error_square = tally.error_square > sent ? tally.error_square - sent : 0;
        for (const gradcomp::segment& piece : form_.dense) send_dense(rules(piece), piece, message + form_.short_elements + piece.first, options.bad_elements);
    }

    template <class Target> void decode(const cpu_team& team, const Target& target, const T* message) const
    {
        for (const factored_matrix& m : form_.matrices)
            each_tile(team, m, message + m.short_at, [target, &m](std::size_t i, std::size_t base, std::size_t count, const T* c) __attribute__((always_inline)) {
                const Target to = target;
                const std::size_t first = m.piece.offset + i * m.columns + base;
                GRADCOMP_INDEPENDENT
                for (std::size_t j = 0; j < count; ++j) to(first + j, c[j]);
            });
        for (const gradcomp::segment& piece : form_.dense) apply_run(team, target, piece.offset, message + form_.short_elements + piece.first, piece.size);
    }

    /// The short factors from which the next exchange starts, up to their orthonormalisation.
    void keep(const cpu_team&, const step_state<T>&, const T* sum) { std::copy_n(sum, form_.short_elements, kept_.data()); }
    std::span<const T> kept() const { return kept_.span(); }
    std::span<const T> long_factors() const { return long_.span(); }

private:
    /// The short factor of this exchange; columns that vanished, all of them at first, are drawn anew, the same ones on every rank.
    void start_factor(const cpu_team& team, const factored_matrix& m, const random_stream& stream)
    {
        const std::size_t n = m.shorter();
        T* const factor = short_.data() + m.short_at;
        std::copy_n(kept_.data() + m.short_at, n * form_.rank, factor);
        orthonormalise(team.level(), factor, n, form_.rank, [&](std::size_t k, T* column) {
            for (std::size_t i = 0; i < n; ++i) column[i] = drawn_factor<T>(stream, k * n + i);
            return true;
        });
    }

    /// out = M thin, or its transpose times thin.
    template <class Again> void multiply(const cpu_team& team, const Again& again, const factored_matrix& m, bool transposed, const T* thin, T* out, non_finite policy)
    {
        if (!transposed)
            return detail::share_out(team, m.rows, m.piece.size, [&](std::size_t begin, std::size_t end) {
                return detail::rows_body<Again>{again, m.rows, m.columns, form_.rank, begin, end, thin, out, policy};
            });
        using body = detail::columns_body<Again>;
        T* const parts = parts_.data();
        detail::share_out(team, body::blocks(m.rows) * body::tiles(m.columns), m.piece.size, [&](std::size_t begin, std::size_t end) {
            return body{again, m.rows, m.columns, form_.rank, begin, end, thin, parts, policy};
        });
        const std::size_t n = m.columns * form_.rank, blocks = body::blocks(m.rows);
        for_each(team, n, [parts, out, n, blocks, mends = policy != non_finite::propagate](std::size_t j) __attribute__((always_inline)) {
            T sum = 0;
            for (std::size_t b = 0; b < blocks; ++b) sum += parts[b * n + j];
            out[j] = limited_product(sum, mends);
        });
    }

    /// then(row, first column, count, c) for all of a matrix, c being what the present long factor and a short one say.
    template <class Then> void each_tile(const cpu_team& team, const factored_matrix& m, const T* shorter, const Then& then) const
    {
        const T* const longer = long_.data() + m.long_at;
        detail::share_out(team, m.rows, m.piece.size, [&](std::size_t begin, std::size_t end) {
            return detail::product_body<T, Then>{m.tall() ? longer : shorter, m.tall() ? shorter : longer, &m, form_.rank, begin, end, then};
        });
    }

    template <class Rule> void settle(const cpu_team& team, const Rule& rule, const factored_matrix& m, const T* shorter, non_finite policy) const
    {
        if constexpr (detail::settles<Rule>) {
            const auto again = rule.again();
            each_tile(team, m, shorter, [rule, again, policy, columns = m.columns](std::size_t i, std::size_t base, std::size_t count, const T* c) __attribute__((always_inline)) {
                alignas(64) T p[tile_size];
                const std::size_t first = i * columns + base;
                detail::read_left(again, first, count, p, policy);
                GRADCOMP_INDEPENDENT
                for (std::size_t j = 0; j < count; ++j) rule.settle(first + j, p[j], c[j]);
            });
        }
    }
    template <class Rule> static void send_dense(const Rule& rule, const gradcomp::segment& piece, T* to, non_finite policy)
    {
        const auto again = rule.again();
        for (std::size_t i = 0; i < piece.size; ++i) detail::take_back(rule, again, i, to[i], policy);
    }

    low_rank_form form_;
    host_buffer<T> long_;   ///< of the present exchange, orthonormal
    host_buffer<T> short_;  ///< what p was multiplied by in its first round
    host_buffer<T> kept_;   ///< what the next one starts from
    host_buffer<T> parts_;
    std::vector<double> sampled_; ///< the share of each matrix that the guards looked at
};

} // namespace gradcomp::exec
