/// @file A subset of coordinates as one bit an element, and the sweep that sends the marked ones in index order.
#pragma once

#include <gradcomp/core/index_code.hpp>
#include <gradcomp/core/permutation.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

namespace gradcomp::exec {

/// A uniformly random subset of `kept` out of `size` coordinates, drawn anew each step.
class marked_subset {
public:
    /// All memory is taken here: one bit an element. @pre kept <= size <= 2^31
    marked_subset(std::size_t size, std::size_t kept) : size_(size), kept_(kept), bits_((size + 63) / 64) {}

    /// Draws the subset of a step. Complexity: size / 64 + kept words.
    void draw(const random_stream& stream)
    {
        std::fill(bits_.begin(), bits_.end(), std::uint64_t{0});
        if (size_ == 0) return;
        const keyed_permutation order(static_cast<std::uint32_t>(size_), stream);
        for (std::uint32_t j = 0; j < kept_; ++j) {
            const std::uint32_t i = order(j);
            bits_[i / 64] |= std::uint64_t{1} << (i % 64);
        }
    }

    std::size_t size() const { return size_; }
    std::size_t kept() const { return kept_; }

    /// Marked coordinates below `end`: where a sweep that starts at `end` continues in the message.
    std::size_t count_below(std::size_t end) const
    {
        std::size_t count = 0;
        for (std::size_t w = 0; w < end / 64; ++w) count += static_cast<std::size_t>(std::popcount(bits_[w]));
        if (end % 64) count += static_cast<std::size_t>(std::popcount(bits_[end / 64] & ((std::uint64_t{1} << (end % 64)) - 1)));
        return count;
    }

    /// Calls mark(i) for every marked coordinate of [begin, end), ascending.
    template <class Mark> GRADCOMP_INLINE void for_each(std::size_t begin, std::size_t end, Mark mark) const
    {
        for (std::size_t w = begin / 64; w * 64 < end; ++w) {
            std::uint64_t word = bits_[w];
            if (w * 64 < begin) word &= ~std::uint64_t{0} << (begin % 64);
            if (end - w * 64 < 64) word &= (std::uint64_t{1} << (end % 64)) - 1;
            for (; word; word &= word - 1) mark(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
        }
    }

private:
    std::size_t size_, kept_;
    std::vector<std::uint64_t> bits_;
};

namespace detail {

/// The marked coordinates of a selection in the form of its message. @pre form.size and form.kept are the subset's
inline void write_indices(const index_form& form, const marked_subset& subset, std::byte* at)
{
    if (form.bytes() == 0) return;
    std::memset(at + form.bytes() - 4, 0, 4); // an odd number of 16-bit places ends in zeros
    if (form.width == 4) {
        auto* index = reinterpret_cast<std::uint32_t*>(at);
        return subset.for_each(0, form.size, [&](std::size_t i) { *index++ = static_cast<std::uint32_t>(i); });
    }
    auto* const counts = reinterpret_cast<std::uint32_t*>(at);
    auto* place = reinterpret_cast<std::uint16_t*>(at + form.first());
    for (std::size_t base = 0, tile = 0; base < form.size; base += index_tile, ++tile) {
        const auto* const before = place;
        subset.for_each(base, std::min(base + index_tile, form.size), [&](std::size_t i) { *place++ = static_cast<std::uint16_t>(i); });
        if (form.tiles > 0) counts[tile] = static_cast<std::uint32_t>(place - before);
    }
}

} // namespace detail

/// Chooser: marked elements go to payload in index order as factor * p.
template <class T> struct send_marked : stateless_chooser<send_marked<T>> {
    const marked_subset* subset = nullptr;
    std::size_t first = 0;           ///< the sweep's element 0 in the selection
    T factor = 1;
    T* payload = nullptr;            ///< the message of the selection
    std::size_t at = 0;              ///< next place in the message

    send_marked part(std::size_t, std::size_t begin, std::size_t) const
    {
        send_marked mine = *this;
        mine.at = subset->count_below(first + begin);
        return mine;
    }
    template <isa> GRADCOMP_INLINE taken choose(std::size_t base, std::size_t count, const T* p, T* c)
    {
        const std::size_t before = at, begin = first + base;
        subset->for_each(begin, begin + count, [&](std::size_t i) __attribute__((always_inline)) {
            if (at == before) std::fill(c, c + count, T(0));
            const T share = factor == T(1) ? p[i - begin] : factor * p[i - begin];
            c[i - begin] = payload[at] = share;
            ++at;
        });
        return at == before ? taken::none : taken::some;
    }
};
static_assert(chooser<send_marked<float>, float>);

} // namespace gradcomp::exec
