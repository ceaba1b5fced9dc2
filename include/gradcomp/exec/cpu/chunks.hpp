/// @file The largest of each chunk on the CPU: a chunk is swept, and while it is in the cache its threshold is found and its winners are taken back.
#pragma once

#include <gradcomp/core/chunks.hpp>
#include <gradcomp/exec/cpu/thin_products.hpp>

#include <algorithm>
#include <functional>

namespace gradcomp::exec {
namespace detail {

/// What one member needs to choose from a chunk.
template <class T> struct chunk_space {
    host_buffer<T> value;
    host_buffer<bits_t<T>> key, ranked; ///< of the chunk; of some of it, to be put into another order
    host_buffer<std::uint16_t> found;   ///< places, with room for 16 more
    explicit chunk_space(std::size_t chunk) : value(chunk), key(chunk), ranked(chunk), found(chunk + 16) {}
    /// The ranks of the first n values.
    GRADCOMP_INLINE void rank_all(std::size_t n)
    {
        const T* const from = value.data();
        bits_t<T>* const to = key.data();
        for (std::size_t i = 0; i < n; ++i) to[i] = rank_key(from[i]);
    }
};

/// The k largest of n values in the order of their places: writes them and their places, and calls taken(place, value). Exact.
///
/// The k-th largest of the maxima of 2 k groups is no more than the threshold, for k elements reach it; few more than k do.
template <class T> struct largest_of_chunk {
    chunk_space<T>& space; ///< values and their ranks
    std::size_t n, k;      ///< 0 < k <= n

    template <class Taken> GRADCOMP_INLINE void write(T* to, std::uint16_t* place, const Taken& taken) const
    {
        const bits_t<T>* const key = space.key.data();
        bits_t<T>* const ranked = space.ranked.data();
        const std::uint16_t* const found = space.found.data();
        const std::size_t count = list_from(k < n ? lower_bound() : 0);
        for (std::size_t j = 0; j < count; ++j) ranked[j] = key[found[j]];
        std::nth_element(ranked, ranked + (k - 1), ranked + count, std::greater<>());
        const bits_t<T> threshold = ranked[k - 1];
        std::size_t ties = k, slot = 0; // that win: those above the threshold win all
        for (std::size_t j = 0; j < k; ++j) ties -= ranked[j] > threshold;
        for (std::size_t j = 0; j < count; ++j) {
            const std::uint16_t i = found[j];
            if (key[i] < threshold || (key[i] == threshold && ties == 0)) continue;
            ties -= key[i] == threshold;
            to[slot] = space.value.data()[i];
            place[slot] = i;
            taken(i, to[slot++]);
        }
    }

private:
    GRADCOMP_INLINE bits_t<T> lower_bound() const
    {
        const std::size_t groups = (2 * k + 15) / 16 * 16;
        if (groups * 2 > n) return 0;
        const bits_t<T>* const key = space.key.data();
        bits_t<T>* const most = space.ranked.data();
        std::copy(key, key + groups, most);
        std::size_t i = groups;
        for (; i + groups <= n; i += groups)
            for (std::size_t j = 0; j < groups; ++j) most[j] = std::max(most[j], key[i + j]);
        for (std::size_t j = 0; i + j < n; ++j) most[j] = std::max(most[j], key[i + j]);
        std::nth_element(most, most + (k - 1), most + groups, std::greater<>());
        return most[k - 1];
    }
    /// The places of keys from `low` on; one test rules out 16 at once. @return how many
    GRADCOMP_INLINE std::size_t list_from(bits_t<T> low) const
    {
        const bits_t<T>* const key = space.key.data();
        std::uint16_t* const found = space.found.data();
        std::size_t count = 0;
        const auto look = [&](std::size_t i) __attribute__((always_inline)) { // without a branch, which would be a coin's
            found[count] = static_cast<std::uint16_t>(i);
            count += key[i] >= low;
        };
        std::size_t i = 0;
        for (; i + 16 <= n; i += 16) {
            bits_t<T> any = 0;
            for (std::size_t j = 0; j < 16; ++j) any |= static_cast<bits_t<T>>(key[i + j] >= low);
            if (any == 0) continue;
            for (std::size_t j = 0; j < 16; ++j) look(i + j);
        }
        for (; i < n; ++i) look(i);
        return count;
    }
};

/// Sweeps the chunks [from, to) of a tensor and moves the largest of each from the memory, where there is one, to the message.
template <class T, class Rule> struct chunk_body {
    Rule rule;
    const chunk_form* form;
    std::size_t from, to;
    sweep_options options;
    chunk_space<T>* space;
    T* message;
    std::uint16_t* place;
    sweep_tally* tally;

    template <isa Level> GRADCOMP_INLINE void run() const
    {
        send_none none;
        const auto again = rule.again();
        for (std::size_t c = from; c < to; ++c) {
            const std::size_t first = form->first(c), size = form->size_of(c), at = form->sent(c);
            sweep_tally seen;
            sweep_body<Rule, send_none>{rule, first, first + size, &none, options, &seen}.template run<Level>();
            *tally += seen;
            read_left(again, first, size, space->value.data(), options.bad_elements);
            space->rank_all(size);
            largest_of_chunk<T>{*space, size, form->kept_of(c)}.write(
                message + at, place + at, [&](std::size_t i, T p) __attribute__((always_inline)) {
                    if constexpr (settles<Rule>) rule.settle(first + i, p, p);
                });
        }
    }
};

} // namespace detail

/// Memory: four chunks a thread. Members take whole chunks.
template <class T> class chunk_engine<cpu_team, T> {
public:
    template <class FormOf> chunk_engine(const cpu_team& team, const layout& where, const FormOf& form_of)
    {
        std::size_t largest = 0;
        for (const selection& s : where.selections) {
            places_.push_back({form_of(s.size), index_bytes_});
            index_bytes_ += form(places_.size() - 1).index_bytes();
            if (s.size > 0) largest = std::max(largest, form(places_.size() - 1).size_of(0));
        }
        for (std::size_t t = 0; t < team.threads(); ++t) spaces_.emplace_back(largest);
    }

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>&, const choice_key&, T* message, std::byte* index, const sweep_options& options)
    {
        sweep_tally total;
        for (std::size_t n = 0; n < places_.size(); ++n) {
            const selection& s = where.selections[n];
            const auto rule = rules(where.segments[s.begin]);
            using rule_type = std::remove_const_t<decltype(rule)>;
            sweep_tally tallies[cpu_team::max_threads];
            const std::size_t members = each_member(team, n, [&](std::size_t t, std::size_t from, std::size_t to) { // what is streamed past the caches could not be read there again
                at_level(team.level(), detail::chunk_body<T, rule_type>{rule, &form(n), from, to, {options.bad_elements}, &spaces_[t], message + s.payload, places(n, index), &tallies[t]});
            });
            for (std::size_t t = 0; t < members; ++t) total += tallies[t];
            if (form(n).total() % 2 == 1) places(n, index)[form(n).total()] = 0;
        }
        return total;
    }
    std::size_t fallbacks() const { return 0; }
    std::size_t index_bytes() const { return index_bytes_; }

    /// @throws error bad_message for places that are outside their chunk or not ascending.
    void check(const cpu_team&, const layout& where, const std::byte* index) const
    {
        for (std::size_t n = 0; n < places_.size(); ++n) check_places(form(n), places(n, index), where.selections[n].payload);
    }
    template <class Target> void scatter(const cpu_team& team, const layout& where, const Target& target, const T* message, const std::byte* index) const
    {
        for (std::size_t n = 0; n < places_.size(); ++n) {
            const selection& s = where.selections[n];
            const std::size_t offset = where.segments[s.begin].offset;
            each_member(team, n, [&](std::size_t, std::size_t from, std::size_t to) {
                for (std::size_t c = from; c < to; ++c) {
                    const std::size_t first = offset + form(n).first(c), at = form(n).sent(c);
                    if constexpr (is_dense<Target>) std::fill_n(target.to + first, form(n).size_of(c), T(0));
                    for (std::size_t j = at; j < at + form(n).kept_of(c); ++j) target(first + places(n, index)[j], message[s.payload + j]);
                }
            });
        }
    }

private:
    struct placed_form {
        chunk_form form;
        std::size_t wire; ///< its first byte among the indices
    };
    const chunk_form& form(std::size_t n) const { return places_[n].form; }
    std::uint16_t* places(std::size_t n, std::byte* index) const { return reinterpret_cast<std::uint16_t*>(index + places_[n].wire); }
    const std::uint16_t* places(std::size_t n, const std::byte* index) const { return reinterpret_cast<const std::uint16_t*>(index + places_[n].wire); }
    /// f(member, first chunk, behind its last one) for all chunks of a tensor. @return the members
    template <class F> std::size_t each_member(const cpu_team& team, std::size_t n, const F& f) const
    {
        const std::size_t chunks = form(n).chunks(), members = std::max<std::size_t>(1, std::min(team.members_for(form(n).size), chunks));
        team.run(members, [&](std::size_t t) { f(t, chunks * t / members, chunks * (t + 1) / members); });
        return members;
    }

    std::vector<placed_form> places_;
    std::vector<detail::chunk_space<T>> spaces_;
    std::size_t index_bytes_ = 0;
};

} // namespace gradcomp::exec
