/// @file Random blocks on the CPU: a sweep that moves the chosen blocks into the message.
#pragma once

#include <gradcomp/core/blocks.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>

#include <cstring>

namespace gradcomp::exec {

/// The blocks of one selection at one step, as the sweep asks for them: by element, through a table of 4 bytes a block.
class chosen_blocks {
public:
    static constexpr std::uint32_t not_sent = 0xffffffffu;

    /// @param choice sizes, the same every step. All memory is taken here: 4 bytes a block.
    explicit chosen_blocks(const block_choice& choice) : choice_(choice), slot_of_(choice.block ? choice.blocks() : 0, not_sent) {}

    /// Draws the blocks of a step. Complexity: the blocks sent, twice; or constant for one run.
    void draw(const random_stream& stream)
    {
        if (choice_.size == 0) return;
        if (choice_.block == 0) {
            start_ = choice_.start(stream);
            return;
        }
        for (std::uint32_t slot = 0; slot < drawn_; ++slot) slot_of_[order_(slot)] = not_sent;
        order_ = choice_.order(stream);
        drawn_ = choice_.slots();
        for (std::uint32_t slot = 0; slot < drawn_; ++slot) slot_of_[order_(slot)] = slot;
    }

    const block_choice& choice() const { return choice_; }

    /// Calls piece(first, count, at) for the pieces of [begin, end) that are sent, in index order: elements [first, first + count) of the
    /// selection stand at message[at], message[at + 1], ...
    template <class Piece> GRADCOMP_INLINE void pieces(std::size_t begin, std::size_t end, Piece piece) const
    {
        if (choice_.block == 0) {
            const std::size_t stop = start_ + choice_.kept, wrapped = stop > choice_.size ? stop - choice_.size : 0;
            clip(begin, end, 0, wrapped, choice_.size - start_, piece);
            clip(begin, end, start_, stop - wrapped, 0, piece);
            return;
        }
        for (std::size_t b = begin / choice_.block; b * choice_.block < end; ++b)
            if (const std::uint32_t slot = slot_of_[b]; slot != not_sent)
                clip(begin, end, b * choice_.block, (b + 1) * choice_.block, std::size_t{slot} * choice_.block, piece);
    }

    /// Elements of the selection that share a fate: they stay, or stand at message[at], message[at + 1], ...
    struct range {
        std::size_t from = 0, to = 0, at = nowhere;
    };
    static constexpr std::size_t nowhere = ~std::size_t{0};
    /// The range that element `begin` lies in. @pre begin < size
    range range_at(std::size_t begin) const
    {
        if (choice_.block != 0) {
            const std::size_t b = begin / choice_.block;
            const std::uint32_t slot = slot_of_[b];
            return {b * choice_.block, (b + 1) * choice_.block, slot == not_sent ? nowhere : std::size_t{slot} * choice_.block};
        }
        const std::size_t stop = start_ + choice_.kept, wrapped = stop > choice_.size ? stop - choice_.size : 0;
        if (begin < wrapped) return {0, wrapped, choice_.size - start_};
        if (begin < start_) return {wrapped, start_, nowhere};
        if (begin < stop) return {start_, stop - wrapped, 0};
        return {stop, choice_.size, nowhere};
    }

    /// The element of the selection at which slot `slot` of the message starts. @pre blocks, not one run
    std::size_t first_of(std::uint32_t slot) const { return std::size_t{order_(slot)} * choice_.block; }

private:
    template <class Piece> GRADCOMP_INLINE static void clip(std::size_t begin, std::size_t end, std::size_t from, std::size_t to, std::size_t at, Piece piece)
    {
        const std::size_t lo = std::max(begin, from), hi = std::min(end, to);
        if (lo < hi) piece(lo, hi - lo, at + (lo - from));
    }

    block_choice choice_;
    std::vector<std::uint32_t> slot_of_;
    keyed_permutation order_{1, {}};
    std::uint32_t drawn_ = 0;
    std::size_t start_ = 0;
};

/// Chooser: what lies in a chosen block goes to payload and leaves nothing behind.
template <class T> struct send_blocks : stateless_chooser<send_blocks<T>> {
    const chosen_blocks* blocks = nullptr;
    std::size_t first = 0; ///< the sweep's element 0 in the selection
    T* payload = nullptr;
    chosen_blocks::range range = {}; ///< where the sweep stands

    send_blocks part(std::size_t, std::size_t, std::size_t) const { return *this; }
    GRADCOMP_INLINE foresight foresee(std::size_t base, std::size_t count)
    {
        const std::size_t begin = first + base;
        if (begin >= range.to) range = blocks->range_at(begin);
        if (begin + count > range.to) return {};
        if (range.at == chosen_blocks::nowhere) return {.how = foresight::nothing};
        return {.how = foresight::everything, .payload = payload + range.at + (begin - range.from)};
    }
    template <isa> GRADCOMP_INLINE taken choose(std::size_t base, std::size_t count, const T* p, T* c) const
    {
        const std::size_t begin = first + base;
        taken how = taken::none;
        blocks->pieces(begin, begin + count, [&](std::size_t from, std::size_t length, std::size_t at) __attribute__((always_inline)) {
            std::memcpy(payload + at, p + (from - begin), length * sizeof(T));
            if (length < count && how == taken::none) std::memset(c, 0, count * sizeof(T));
            how = taken::some;
            std::memcpy(c + (from - begin), p + (from - begin), length * sizeof(T));
        });
        return how;
    }
};
static_assert(chooser<send_blocks<float>, float>);

} // namespace gradcomp::exec
