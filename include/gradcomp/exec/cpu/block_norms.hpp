/// @file Blocks of the largest norm on the CPU: a sweep leaves everything behind, norms are read off, then whole blocks are taken back.
#pragma once

#include <gradcomp/exec/cpu/late_choice.hpp>

namespace gradcomp::exec {

namespace detail {

/// Squared norms of `count` blocks that lie whole in one tensor, from its element `first` on.
template <class T, class Again> struct block_squares_body {
    Again again;
    std::size_t first, block, count;
    double* squares;
    int* exponents; ///< for double

    template <isa> GRADCOMP_INLINE void run() const
    {
        const Again p = again;
        for (std::size_t b = 0; b < count; ++b) {
            const std::size_t begin = first + b * block;
            bits_t<T> largest = 0;
            if constexpr (sizeof(T) > sizeof(float)) {
                for (std::size_t i = 0; i < block; ++i) largest = std::max(largest, magnitude(value_at(p, begin + i)));
                exponents[b] = square_exponent<T>(largest);
            }
            squares_by_eight<T> sum(largest);
            sum.add_all(block, [&](std::size_t i) __attribute__((always_inline)) { return value_at(p, begin + i); });
            squares[b] = sum.total();
        }
    }
};

} // namespace detail

/// Memory: a double (for T = double 12 bytes) and an index a block, and a selection's workspace. Reads p once more than the sweep.
///
/// A block's squared norm is formed in double, of doubles over a power of two that all blocks of a selection share (core/safe_squares.hpp): 8 lanes by the
/// element's place in the block, then in halves. Ties go to the block of the lowest number.
template <class T> class block_norm_engine<cpu_team, T> {
public:
    block_norm_engine(const cpu_team& team, const layout& where, std::size_t block) : block_(block), blocks_(blocks_of(where, block)), numbers_(blocks_)
    {
        std::size_t n = 0, k = 0;
        for (const selection& s : where.selections) n = std::max(n, (s.size + block - 1) / block), k = std::max(k, s.kept / block);
        norms_ = host_buffer<double>(n);
        exponents_ = host_buffer<int>(scaled ? n : 0);
        chosen_ = host_buffer<double>(k);
        work_.emplace(n, k, team.threads());
    }

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>& now, const choice_key& key, T* message, std::byte* number,
        const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            for (std::size_t at = s.begin; at < s.end; ++at) tally += sweep(team, rules(where.segments[at]), where.segments[at].size, send_none{}, options);
            const std::size_t blocks = (s.size + block_ - 1) / block_, kept = s.kept / block_;
            measure_blocks(team, where, s, rules, blocks, options.bad_elements);
            read_rule<double> norms;
            norms.gradient = norms_.data();
            const auto rule = [&](std::size_t) { return norms; };
            const exec::segment all{blocks, 0};
            const index_form& form = numbers_.form(n);
            std::byte* const mine = numbers_.indices(n, number);
            fallbacks_ += select_top_k(team, std::span(&all, 1), rule, rule, kept, key.stream(now.step, s.key, purpose::sample), form, mine, chosen_.data(), *work_,
                {.bad_elements = non_finite::propagate}).fallback;
            each_index_run(form, mine, 0, kept, [&](auto places, std::size_t base, std::size_t from, std::size_t to) {
                for (std::size_t j = from; j < to; ++j) take_back_block(where, s, rules, base + places[j], message + s.payload + j * block_, options.bad_elements);
            });
        }
        return tally;
    }
    std::size_t fallbacks() const { return fallbacks_; }
    std::size_t index_bytes() const { return numbers_.index_bytes(); }

    /// @throws error bad_message for numbers that are out of range or not ascending.
    void check(const cpu_team& team, const layout&, const std::byte* number) const { numbers_.check(team, blocks_, number); }
    template <class Target> void scatter(const cpu_team& team, const layout& where, const Target& target, const T* message, const std::byte* number) const
    {
        if constexpr (is_dense<Target>) clear_dense(team, where, target.to);
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            each_index_run(numbers_.form(n), numbers_.indices(n, number), 0, s.kept / block_, [&](auto places, std::size_t base, std::size_t first, std::size_t last) {
                for (std::size_t j = first; j < last; ++j)
                    each_piece_of(where, s, base + places[j], [&](const gradcomp::segment& piece, std::size_t from, std::size_t count, std::size_t place) {
                        apply_run(team, target, piece.offset + from, message + s.payload + j * block_ + place, count);
                    });
            });
        }
    }

private:
    static constexpr bool scaled = sizeof(T) > sizeof(float);

    static layout blocks_of(const layout& where, std::size_t block)
    {
        layout blocks;
        for (const selection& s : where.selections) blocks.selections.push_back({.size = (s.size + block - 1) / block, .kept = s.kept / block, .payload = s.payload / block});
        return blocks;
    }
    /// The last tensor of a selection that begins at or before `place`.
    static std::size_t piece_at(const layout& where, const selection& s, std::size_t place)
    {
        std::size_t low = s.begin, high = s.end;
        while (high - low > 1) (where.segments[(low + high) / 2].first <= place ? low : high) = (low + high) / 2;
        return low;
    }
    /// f(segment, first element in it, count, place in the block) for the pieces of a block.
    template <class F> void each_piece_of(const layout& where, const selection& s, std::size_t number, const F& f) const
    {
        const std::size_t begin = number * block_, end = std::min(s.size, begin + block_);
        for (std::size_t at = piece_at(where, s, begin); at < s.end && where.segments[at].first < end; ++at) {
            const gradcomp::segment& piece = where.segments[at];
            const std::size_t from = std::max(begin, piece.first), to = std::min(end, piece.first + piece.size);
            if (from < to) f(piece, from - piece.first, to - from, from - begin);
        }
    }

    template <class Rules>
    void measure_blocks(const cpu_team& team, const layout& where, const selection& s, const Rules& rules, std::size_t blocks, non_finite policy)
    {
        const std::size_t members = std::min(team.members_for(s.size), std::max<std::size_t>(blocks, 1));
        team.run(members, [&](std::size_t t) {
            for (std::size_t b = blocks * t / members, end = blocks * (t + 1) / members; b < end;) {
                const std::size_t whole = measure_whole(team, where, s, rules, b, end);
                for (std::size_t i = b; i < b + whole; ++i)
                    if (!is_finite(norms_.data()[i])) measure_block(where, s, i, rules, policy);
                if (b += whole; b < end) measure_block(where, s, b++, rules, policy);
            }
        });
        if constexpr (scaled) {
            const int common = blocks > 0 ? *std::max_element(exponents_.data(), exponents_.data() + blocks) : 0;
            for (std::size_t b = 0; b < blocks; ++b) norms_.data()[b] = squares_in(norms_.data()[b], exponents_.data()[b], common);
        }
    }
    /// Measures those of blocks [b, end) that lie in the tensor where block b begins; returns how many. What is not finite is not looked at closely.
    template <class Rules> std::size_t measure_whole(const cpu_team& team, const layout& where, const selection& s, const Rules& rules, std::size_t b, std::size_t end)
    {
        const gradcomp::segment& piece = where.segments[piece_at(where, s, b * block_)];
        const std::size_t first = b * block_ - piece.first, count = std::min(end - b, (piece.size - first) / block_);
        const auto again = rules(piece).again();
        at_level(team.level(), detail::block_squares_body<T, decltype(again)>{again, first, block_, count, norms_.data() + b, scaled ? exponents_.data() + b : nullptr});
        return count;
    }
    template <class Rules> void measure_block(const layout& where, const selection& s, std::size_t b, const Rules& rules, non_finite policy)
    {
        bits_t<T> largest = 0;
        if constexpr (scaled) {
            each_element_of(where, s, b, rules, policy, [&](std::size_t, T p) { largest = std::max(largest, magnitude(p)); });
            exponents_.data()[b] = square_exponent<T>(largest);
        }
        detail::squares_by_eight<T> sum(largest);
        each_element_of(where, s, b, rules, policy, [&](std::size_t place, T p) { sum.add(place, p); });
        norms_.data()[b] = sum.total();
    }
    /// f(place in the block, p) for the elements of a block.
    template <class Rules, class F> void each_element_of(const layout& where, const selection& s, std::size_t number, const Rules& rules, non_finite policy, const F& f) const
    {
        each_piece_of(where, s, number, [&](const gradcomp::segment& piece, std::size_t from, std::size_t count, std::size_t place) {
            const auto again = rules(piece).again();
            for (std::size_t i = 0; i < count; ++i) f(place + i, detail::left_at(again, from + i, policy));
        });
    }

    template <class Rules> void take_back_block(const layout& where, const selection& s, const Rules& rules, std::size_t number, T* to, non_finite policy) const
    {
        std::fill(to, to + block_, T(0));
        each_piece_of(where, s, number, [&](const gradcomp::segment& piece, std::size_t from, std::size_t count, std::size_t place) {
            const auto rule = rules(piece);
            const auto again = rule.again();
            for (std::size_t i = 0; i < count; ++i) detail::take_back(rule, again, from + i, to[place + i], policy);
        });
    }

    std::size_t block_;
    layout blocks_; ///< as elements, a selection for each of the layout's
    indexed_messages<T> numbers_;
    host_buffer<double> norms_{0}, chosen_{0};
    host_buffer<int> exponents_{0};
    std::optional<top_k_workspace<double>> work_;
    std::size_t fallbacks_ = 0;
};

} // namespace gradcomp::exec
