/// @file Sparsifiers on the CPU whose choice needs all of p: a sweep leaves everything behind, then the chosen elements are taken back.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/layout.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/exec/cpu/indexed_messages.hpp>
#include <gradcomp/exec/cpu/late_looks.hpp>
#include <gradcomp/exec/cpu/select.hpp>
#include <gradcomp/exec/engines.hpp>

#include <algorithm>
#include <vector>

namespace gradcomp::exec {
namespace detail {

/// Moves element i of a segment from the memory, where there is one, to the message.
template <class Rule, class Again, class T> void take_back(const Rule& rule, const Again& again, std::size_t i, T& value, non_finite policy)
{
    value = left_at(again, i, policy);
    if constexpr (settles<Rule>) rule.settle(i, value, value);
}

/// The segment of a selection that holds an element, for elements that come in ascending order.
class segment_walk {
public:
    segment_walk(const layout& where, const selection& s) : where_(where), at_(s.begin) {}
    const gradcomp::segment& find(std::size_t place)
    {
        while (place - where_.segments[at_].first >= where_.segments[at_].size) ++at_;
        return where_.segments[at_];
    }

private:
    const layout& where_;
    std::size_t at_;
};

/// Takes back the elements of a selection that its indices name.
template <class T, class Rules>
void take_back_all(const layout& where, const selection& s, const Rules& rules, const index_form& form, const std::byte* index, T* value, std::size_t kept, non_finite policy)
{
    segment_walk walk(where, s);
    each_index_run(form, index, 0, kept, [&](auto places, std::size_t base, std::size_t from, std::size_t to) {
        for (std::size_t j = from; j < to;) {
            const gradcomp::segment& piece = walk.find(base + places[j]);
            const auto rule = rules(piece);
            const auto again = rule.again();
            for (; j < to && base + places[j] - piece.first < piece.size; ++j) take_back(rule, again, base + places[j] - piece.first, value[j], policy);
        }
    });
}

} // namespace detail

/// Memory: a rate an element, and a selection's workspace.
template <class T> class adaptive_engine<cpu_team, T> : public indexed_messages<T> {
public:
    adaptive_engine(const cpu_team& team, const layout& where) : indexed_messages<T>(where)
    {
        std::size_t n = 0, k = 0;
        for (const selection& s : where.selections) n = std::max(n, s.size), k = std::max(k, s.kept);
        rates_ = host_buffer<T>(n);
        work_.emplace(n, k, team.threads());
    }

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>& now, const choice_key& key, T* message, std::byte* index,
        const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            for (std::size_t at = s.begin; at < s.end; ++at) {
                const gradcomp::segment& piece = where.segments[at];
                const detail::list_rates<T> list(rates_.data() + piece.first, piece.first, key.stream(now.step, s.key, purpose::arrival));
                tally += sweep(team, rules(piece), piece.size, list, options);
            }
            read_rule<T> rates;
            rates.gradient = rates_.data();
            const auto rule = [&](std::size_t) { return rates; };
            const exec::segment all{s.size, 0};
            std::byte* const mine = this->indices(n, index);
            fallbacks_ += select_top_k(team, std::span(&all, 1), rule, rule, s.kept, key.stream(now.step, s.key, purpose::sample), this->form(n), mine, message + s.payload,
                *work_, {.bad_elements = non_finite::propagate}).fallback;
            detail::take_back_all(where, s, rules, this->form(n), mine, message + s.payload, s.kept, options.bad_elements);
        }
        return tally;
    }
    std::size_t fallbacks() const { return fallbacks_; }

private:
    host_buffer<T> rates_{0};
    std::optional<top_k_workspace<T>> work_;
    std::size_t fallbacks_ = 0;
};

/// Every pass reads p: measure, count, select, and then take back. The room for measures is 12 bytes a tile (double: 16).
template <class T> class threshold_engine<cpu_team, T> : indexed_messages<T> {
public:
    using indexed_messages<T>::index_bytes;

    threshold_engine(const cpu_team& team, const layout& where) : indexed_messages<T>(where)
    {
        std::size_t n = 0, k = 0, segments = 0, tiles = 0;
        for (const selection& s : where.selections) {
            std::size_t mine = 0;
            for (std::size_t at = s.begin; at < s.end; ++at) mine += tiles_of(where.segments[at]);
            n = std::max(n, s.size), k = std::max(k, s.kept), segments = std::max(segments, s.end - s.begin), tiles = std::max(tiles, mine);
        }
        for (const gradcomp::segment& piece : where.segments) pieces_.push_back({piece.size, piece.first});
        largest_ = host_buffer<T>(tiles);
        squares_ = host_buffer<double>(tiles);
        found_ = host_buffer<std::size_t>(team.threads());
        work_.emplace(n, k, team.threads(), segments);
    }

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>& now, const choice_key& key, const magnitude_limit& limit, T* message,
        std::byte* index, std::uint32_t* count, const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            const T least = least_magnitude<T>(limit.of(sweep_and_measure(team, where, s, rules, options, tally), s.size));
            const auto again = [&](std::size_t at) { return rules(where.segments[s.begin + at]).again(); };
            const std::size_t reach = count_reaching(team, where, s, again, least, options.bad_elements), kept = std::min(reach, s.kept);
            unsent_ += reach - kept;
            T* const value = message + s.payload;
            std::byte* const mine = this->indices(n, index);
            fallbacks_ += select_top_k(team, std::span<const exec::segment>(pieces_).subspan(s.begin, s.end - s.begin), again, again, kept,
                key.stream(now.step, s.key, purpose::sample), this->form(n), mine, value, *work_, {.bad_elements = options.bad_elements}).fallback;
            detail::take_back_all(where, s, rules, this->form(n), mine, value, kept, options.bad_elements);
            std::fill(value + kept, value + s.kept, T(0));
            count[n] = static_cast<std::uint32_t>(kept);
        }
        return tally;
    }
    std::size_t fallbacks() const { return fallbacks_; }
    std::uint64_t unsent() const { return unsent_; }

    /// @throws error bad_message for a count above the room, indices that are out of range or not ascending, or room that is not zero.
    void check(const cpu_team&, const layout& where, const T* message, const std::byte* index, const std::uint32_t* count) const
    {
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            if (count[n] > s.kept)
                throw error(error_code::bad_message, "count[" + std::to_string(n) + "]", std::to_string(count[n]), "must be at most " + std::to_string(s.kept));
            check_indices(this->form(n), count[n], this->indices(n, index), s.payload);
            for (std::size_t j = s.payload + count[n]; j < s.payload + s.kept; ++j)
                if (bits_of(message[j]) != 0)
                    throw error(error_code::bad_message, "value[" + std::to_string(j) + "]", text_of(static_cast<double>(message[j])), "must be 0 behind the last element");
        }
    }
    template <class Target>
    void scatter(const cpu_team& team, const layout& where, const Target& target, const T* message, const std::byte* index, const std::uint32_t* count) const
    {
        for (std::size_t n = 0; n < where.selections.size(); ++n) this->scatter_selection(team, where, n, target, message, index, count[n]);
    }

private:
    static std::size_t tiles_of(const gradcomp::segment& piece) { return (piece.size + tile_size - 1) / tile_size; }

    template <class Rules>
    measured_magnitudes sweep_and_measure(const cpu_team& team, const layout& where, const selection& s, const Rules& rules, const sweep_options& options, sweep_tally& tally)
    {
        measured_magnitudes all;
        std::size_t tiles = 0;
        for (std::size_t at = s.begin; at < s.end; ++at) {
            const gradcomp::segment& piece = where.segments[at];
            detail::measure_tiles<T> measure;
            measure.largest = largest_.data() + tiles;
            measure.squares = squares_.data() + tiles;
            tally += sweep(team, rules(piece), piece.size, measure, options);
            tiles += tiles_of(piece);
        }
        const auto exponent_of = [this](std::size_t tile) { return square_exponent<T>(bits_of(largest_.data()[tile])); };
        for (std::size_t tile = 0; tile < tiles; ++tile) {
            all.largest = std::max(all.largest, static_cast<double>(largest_.data()[tile]));
            all.exponent = tile == 0 ? exponent_of(0) : std::max(all.exponent, exponent_of(tile));
        }
        all.squares = tree_sum<double>(tiles, [&](std::size_t tile, double sum) { return sum + squares_in(squares_.data()[tile], exponent_of(tile), all.exponent); });
        return all;
    }
    template <class Again>
    std::size_t count_reaching(const cpu_team& team, const layout& where, const selection& s, const Again& again_of, T least, non_finite policy)
    {
        std::size_t found = 0;
        for (std::size_t at = s.begin; at < s.end; ++at) {
            const auto again = again_of(at - s.begin);
            const std::size_t size = where.segments[at].size, members = team.members_for(size);
            team.run(members, [&](std::size_t t) {
                const std::size_t from = size / members * t, to = t + 1 == members ? size : size / members * (t + 1);
                at_level(team.level(), detail::count_reaching_body<T, std::remove_const_t<decltype(again)>>{again, from, to, rank_key(least), policy, found_.data() + t});
            });
            for (std::size_t t = 0; t < members; ++t) found += found_.data()[t];
        }
        return found;
    }

    std::vector<exec::segment> pieces_;
    host_buffer<T> largest_{0};
    host_buffer<double> squares_{0};
    host_buffer<std::size_t> found_{0}; ///< by each member of the team
    std::optional<top_k_workspace<T>> work_;
    std::size_t fallbacks_ = 0;
    std::uint64_t unsent_ = 0;
};

} // namespace gradcomp::exec
