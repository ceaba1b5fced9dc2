/// @file Messages that name their coordinates, on the CPU: the check of a peer's indices, and decoding to a target, among them a dense vector.
#pragma once

#include <gradcomp/core/index_code.hpp>
#include <gradcomp/exec/cpu/scatter.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>

#include <algorithm>
#include <vector>

namespace gradcomp::exec {

namespace detail {

/// How many of the first `count` indices lie below a place.
inline std::size_t indices_below(const index_form& form, const std::byte* index, std::size_t count, std::size_t place)
{
    std::size_t below = 0;
    each_index_run(form, index, 0, count, [&](auto places, std::size_t base, std::size_t from, std::size_t to) {
        if (base >= place) return;
        while (from < to) {
            const std::size_t middle = (from + to) / 2;
            if (base + places[middle] < place) from = middle + 1;
            else to = middle;
        }
        below = from;
    });
    return below;
}

/// Writes a dense vector once, from a tile that stays in the first cache level and is 0 between two of them.
template <class T> class dense_writer {
public:
    static constexpr std::size_t tile = 16384 / sizeof(T);

    /// @param to element `at` of the selection; @param end behind the last one
    dense_writer(isa level, T* to, std::size_t at, std::size_t end, bool streamed) : to_(to), at_(at), end_(end), level_(level), streamed_(streamed) {}

    /// Indices [from, to) of one run, and everything before the last of their tiles' ends. A tile belongs to one run.
    template <class Places> void write(Places places, std::size_t base, std::size_t from, std::size_t to, const T* value)
    {
        for (std::size_t j = from; j < to;) {
            zeros((base + places[j]) / tile * tile);
            const std::size_t first = j, stop = std::min(at_ / tile * tile + tile, end_);
            do tile_[base + places[j] - at_] = value[j];
            while (++j < to && base + places[j] < stop);
            const std::size_t start = at_;
            store(stop);
            for (std::size_t i = first; i < j; ++i) tile_[base + places[i] - start] = T(0);
        }
    }
    void finish()
    {
        zeros(end_);
#if GRADCOMP_X86
        if (streamed_) _mm_sfence();
#endif
    }

private:
    void zeros(std::size_t end)
    {
        while (at_ < end) store(std::min(at_ / tile * tile + tile, end));
    }
    void store(std::size_t stop)
    {
        if (streamed_) stream_copy(level_, to_, tile_, (stop - at_) * sizeof(T));
        else std::memcpy(to_, tile_, (stop - at_) * sizeof(T));
        to_ += stop - at_;
        at_ = stop;
    }

    alignas(64) T tile_[tile] = {};
    T* to_;
    std::size_t at_, end_;
    isa level_;
    bool streamed_;
};
static_assert(index_tile % dense_writer<float>::tile == 0);

} // namespace detail

/// to(place(index), value) for the first `count` indices of a selection. Indices differ from each other, so members never meet.
template <class T, target<T> Target, class Place>
void scatter(const cpu_team& team, Target to, const index_form& form, const std::byte* index, const T* value, std::size_t count, Place place)
{
    const std::size_t members = team.members_for(count);
    team.run(members, [&](std::size_t t) {
        const std::size_t begin = count / members * t, end = t + 1 == members ? count : count / members * (t + 1);
        each_index_run(form, index, begin, end, [&](auto places, std::size_t base, std::size_t from, std::size_t stop) {
            for (std::size_t j = from; j < stop; ++j) to(place(base + places[j]), value[j]);
        });
    });
}

/// to[i] = what a selection's message says of its element first + i, else 0, for i in [0, size): each element is written once, past the caches where they are many.
template <class T>
void scatter_dense(const cpu_team& team, T* to, std::size_t first, std::size_t size, const index_form& form, const std::byte* index, const T* value, std::size_t count)
{
    const bool streamed = size * sizeof(T) >= beyond_caches;
    const std::size_t members = team.members_for(size);
    team.run(members, [&](std::size_t t) {
        const std::size_t begin = detail::share_begin(size, t, members), end = detail::share_begin(size, t + 1, members);
        detail::dense_writer<T> writer(team.level(), to + begin, first + begin, first + end, streamed);
        each_index_run(form, index, detail::indices_below(form, index, count, first + begin), detail::indices_below(form, index, count, first + end),
            [&](auto places, std::size_t base, std::size_t from, std::size_t stop) { writer.write(places, base, from, stop, value); });
        writer.finish();
    });
}
/// Zeros where nothing is named.
template <class T> void clear_dense(const cpu_team& team, const layout& where, T* to)
{
    for (const gradcomp::segment& piece : where.segments) scatter_dense<T>(team, to + piece.offset, 0, piece.size, {}, nullptr, nullptr, 0);
}

/// Messages that name their coordinates: each selection's values, and its indices in their shortest form.
template <class T> class indexed_messages {
public:
    explicit indexed_messages(const layout& where)
    {
        index_bytes_ = each_index_form(where, [this](const index_form& form, std::size_t wire) { places_.push_back({form, wire}); });
    }
    std::size_t index_bytes() const { return index_bytes_; }

    /// @throws error bad_message for indices that are out of range or not ascending.
    void check(const cpu_team&, const layout& where, const std::byte* index) const
    {
        for (std::size_t n = 0; n < places_.size(); ++n) check_indices(form(n), form(n).kept, indices(n, index), where.selections[n].payload);
    }
    template <class Target> void scatter(const cpu_team& team, const layout& where, const Target& target, const T* message, const std::byte* index) const
    {
        for (std::size_t n = 0; n < places_.size(); ++n) scatter_selection(team, where, n, target, message, index, form(n).kept);
    }

    const index_form& form(std::size_t n) const { return places_[n].form; }                                        ///< of selection n
    template <class Byte> Byte* indices(std::size_t n, Byte* index) const { return index + places_[n].wire; } ///< where they stand

protected:
    template <class Target>
    void scatter_selection(const cpu_team& team, const layout& where, std::size_t n, const Target& target, const T* message, const std::byte* index, std::size_t count) const
    {
        const selection& s = where.selections[n];
        if constexpr (is_dense<Target>) {
            for (std::size_t at = s.begin; at < s.end; ++at) {
                const gradcomp::segment& piece = where.segments[at];
                scatter_dense(team, target.to + piece.offset, piece.first, piece.size, form(n), indices(n, index), message + s.payload, count);
            }
        } else {
            exec::scatter(team, target, form(n), indices(n, index), message + s.payload, count, place_of(where, s));
        }
    }

private:
    struct placed_form {
        index_form form;
        std::size_t wire; ///< its first byte among the indices
    };
    std::vector<placed_form> places_;
    std::size_t index_bytes_ = 0;
};

} // namespace gradcomp::exec
