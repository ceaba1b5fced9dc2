/// @file How a block of threads brackets the threshold of a top-k selection by a sample of its magnitudes: the last step's bracket where it still holds.
///
/// A bracket decides how long a step takes and never what it sends. Written against the Block of select_block.hpp.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/random.hpp>
#include <gradcomp/exec/cuda/select_block.hpp>

namespace gradcomp::exec {

/// Neighbours that are sampled together.
inline constexpr std::uint32_t sample_line = 16;

/// Lines of a selection's sample; none where it is small, or all of it is sent.
inline std::uint32_t sample_lines_for(std::size_t size, std::size_t kept)
{
    const std::size_t keys = size / 32 < 4096 ? 4096 : size / 32 > 32768 ? 32768 : size / 32;
    return size <= 8192 || kept >= size ? 0 : static_cast<std::uint32_t>(keys / sample_line);
}

/// The element behind key k of a sample of `lines` lines: the k % 16-th of a line at a random place of stratum k / 16; four strata share a block of the stream.
GRADCOMP_HD inline std::size_t sampled_place(const random_stream& stream, std::size_t size, std::uint32_t lines, std::uint32_t k)
{
    const std::uint32_t line = k / sample_line;
    const std::size_t first = size / lines * line, length = size / lines;
    const std::size_t place = (first + static_cast<std::size_t>(std::uint64_t{stream.block(line / 4).at[line % 4]} * length >> 32)) / sample_line * sample_line + k % sample_line;
    return place < size ? place : size - 1;
}

/// A sample of `lines` lines in which `rank` keys are expected to win, and how many there is room for in the list of candidates, as keys of the sample.
struct sample_plan {
    std::uint32_t lines;
    double share, rank, room;
    GRADCOMP_HD sample_plan(std::uint32_t sampled, std::size_t size, std::size_t kept, std::size_t capacity)
        : lines(sampled), share(static_cast<double>(kept) / static_cast<double>(size)), rank(share * keys()), room(static_cast<double>(capacity) / static_cast<double>(size) * keys())
    {
    }
    GRADCOMP_HD std::uint32_t keys() const { return lines * sample_line; }
};

/// What a sample says of a bracket: keys that reach `low`, keys that reach `high`, and the sum over lines of the squares of the latter.
struct sampled_hits {
    std::uint32_t low = 0, high = 0, squares = 0;
};

/// Keys by which the winners among a sample may differ from their expected number: 5 standard deviations, counted by lines, since neighbours are alike.
GRADCOMP_HD inline double sampling_margin(const sample_plan& plan, const sampled_hits& hits)
{
    const double high = hits.high, even = plan.rank * (1 - plan.share), clustered = static_cast<double>(hits.squares) - high * high / plan.lines;
    return 5 * root_of(clustered > even ? clustered : even) + 4;
}
/// The rank of a new bracket's `low`: half a margin beyond the one that is needed, so that the next steps may keep it, but well within the list.
GRADCOMP_HD inline double rank_of_low(const sample_plan& plan, double margin)
{
    const double far = plan.rank + 1.5 * margin, middle = (plan.rank + plan.room) / 2;
    return far < middle ? far : middle;
}
/// Whether a bracket that was found otherwise serves as well: `low` reaches far enough, not much farther than a new one would, nor beyond the list, and
/// `high` is as near to the threshold as a sample can tell.
GRADCOMP_HD inline bool still_holds(const sample_plan& plan, const sampled_hits& hits)
{
    const double margin = sampling_margin(plan, hits), needed = plan.rank + margin, reached = hits.low, off = static_cast<double>(hits.high) - plan.rank;
    return reached >= needed && reached <= 2 * needed && reached + 5 * root_of(reached) <= plan.room && off <= margin && -off <= margin;
}

/// Candidates of which a list holds as many as a bracket that still holds may let in, where neighbours are not alike.
inline std::size_t candidates_for(std::uint32_t lines, std::size_t size, std::size_t kept)
{
    const std::size_t least = 2 * kept + (std::size_t{1} << 17);
    if (lines == 0 || size <= least) return size < least ? size : least;
    const sample_plan plan(lines, size, kept, size);
    const double needed = plan.rank + sampling_margin(plan, {}), most = 2 * needed + 5 * root_of(2 * needed);
    const auto scaled = static_cast<std::size_t>(most / plan.keys() * static_cast<double>(size));
    const std::size_t room = scaled > least ? scaled : least, countable = 0xffffffffu; // by 32 bits
    return room < size ? (room < countable ? room : countable) : (size < countable ? size : countable);
}

/// Keys as numbers, whose magnitudes they are.
template <class T> struct key_source {
    const bits_t<T>* key;
    GRADCOMP_DEVICE T operator()(std::size_t i) const { return __builtin_bit_cast(T, key[i]); }
};

/// What a block of threads shares for it.
template <class T> struct bracket_shared {
    std::uint32_t histogram[radix<T>::most_values];
    digit_search<T> found;
    sampled_hits hits;
};

namespace detail {

/// The key of a rank among n keys.
template <class T, class Block> GRADCOMP_DEVICE bits_t<T> key_of_rank(const Block& block, bracket_shared<T>& shared, const key_source<T>& source, std::size_t n, std::uint32_t rank)
{
    digit_search<T> found{0, rank};
    for (int digit = 0; digit < radix<T>::digits; ++digit) {
        clear_digits<T>(block, shared.histogram);
        count_digits<T>(block, shared.histogram, found, source, 0, n, digit);
        block.sync();
        found = narrow<T>(block, shared.found, shared.histogram, found, digit);
    }
    return found.prefix;
}

/// Every thread returns what the sample says. Ends with a barrier.
template <class T, class Block> GRADCOMP_DEVICE sampled_hits count_hits(const Block& block, bracket_shared<T>& shared, const bits_t<T>* keys, std::uint32_t lines, bits_t<T> low, bits_t<T> high)
{
    if (block.thread() == 0) shared.hits = {0, 0, 0};
    block.sync();
    sampled_hits mine;
    for (auto line = static_cast<std::uint32_t>(block.thread()); line < lines; line += Block::threads) {
        std::uint32_t hits = 0;
        bits_t<T> key[sample_line];
        GRADCOMP_UNROLL
        for (std::uint32_t j = 0; j < sample_line; ++j) key[j] = keys[line * sample_line + j];
        GRADCOMP_UNROLL
        for (std::uint32_t j = 0; j < sample_line; ++j) {
            mine.low += key[j] >= low;
            hits += key[j] >= high;
        }
        mine.high += hits;
        mine.squares += hits * hits;
    }
    if (mine.low > 0) block.add(shared.hits.low, mine.low);
    if (mine.high > 0) block.add(shared.hits.high, mine.high);
    if (mine.squares > 0) block.add(shared.hits.squares, mine.squares);
    block.sync();
    const sampled_hits all = shared.hits;
    block.sync();
    return all;
}

} // namespace detail

/// The bracket for this sample; `last` is the one before it, its `low` 0 where there is none. The same for every thread.
template <class T, class Block> GRADCOMP_DEVICE bracket<T> bracket_of(const Block& block, bracket_shared<T>& shared, const bits_t<T>* keys, const sample_plan& plan, const bracket<T>& last)
{
    if (last.low != 0 && still_holds(plan, detail::count_hits<T>(block, shared, keys, plan.lines, last.low, last.high))) return last;
    const std::uint32_t n = plan.keys();
    const bits_t<T> middle = detail::key_of_rank<T>(block, shared, {keys}, n, plan.rank < 1 ? 1u : static_cast<std::uint32_t>(plan.rank));
    const double margin = sampling_margin(plan, detail::count_hits<T>(block, shared, keys, plan.lines, middle, middle));
    const double below = rank_of_low(plan, margin);
    const bits_t<T> low = below + 1 < n ? detail::key_of_rank<T>(block, shared, {keys}, n, static_cast<std::uint32_t>(below) + 1) : bits_t<T>(0);
    return {low, plan.rank >= 1 ? middle : bracket<T>::never, bracket<T>::never};
}

} // namespace gradcomp::exec
