/// @file What a block of threads does to find the k-th largest key and to take the winners in order, by counting digits.
///
/// Written against a Block: thread(), threads, sync(), exclusive_sum(x, before, total), add(counter, x), and count(histogram, bin, flag), which all threads
/// call together and which adds 1 for each whose flag is set. Kernels use CUB's; the tests run the same code on a block of std::threads, so that
/// ThreadSanitizer finds a missing barrier.
#pragma once

#include <gradcomp/core/radix.hpp>

namespace gradcomp::exec {

/// Where the search stands: the digits found so far, and the rank among the keys that start with them (1 is the largest).
template <class T> struct digit_search {
    bits_t<T> prefix;
    std::uint32_t rank;
    GRADCOMP_HD bool matches(bits_t<T> key, int digit) const { return digit == 0 || key >> (radix<T>::shift(digit) + radix<T>::width(digit)) == prefix; }
};

/// Elements that a thread loads before it looks at the first: a read of memory takes long, and as many as these are under way at once.
inline constexpr int select_batch = 8;

/// f(i, x, inside) for all threads of the block together, as often for each: x is element i of [begin, end), ascending over threads and calls; where there is
/// none left, `inside` is false and x any. The loads of a batch come before its calls, so source(i) must not depend on what f writes for others.
template <class T, class Block, class Source, class F> GRADCOMP_DEVICE void each_together(const Block& block, const Source& source, std::size_t begin, std::size_t end, const F& f)
{
    constexpr std::size_t threads = Block::threads, batch = select_batch;
    for (std::size_t base = begin; base < end; base += threads * batch) {
        const std::size_t first = base + static_cast<std::size_t>(block.thread());
        T x[batch];
        GRADCOMP_UNROLL
        for (std::size_t j = 0; j < batch; ++j) {
            const std::size_t i = first + j * threads;
            x[j] = source(i < end ? i : end - 1); // no branch, so that nothing keeps the loads apart
        }
        GRADCOMP_UNROLL
        for (std::size_t j = 0; j < batch; ++j) f(first + j * threads, x[j], first + j * threads < end);
    }
}

/// Zeros for digits to be counted. Ends with a barrier.
template <class T, class Block> GRADCOMP_DEVICE void clear_digits(const Block& block, std::uint32_t* histogram)
{
    for (int b = block.thread(); b < radix<T>::most_values; b += Block::threads) histogram[b] = 0;
    block.sync();
}
/// Adds digit `digit` of the keys that match. histogram: radix<T>::most_values words that the block shares, cleared before. No barrier.
template <class T, class Block, class Source>
GRADCOMP_DEVICE void count_digits(const Block& block, std::uint32_t* histogram, const digit_search<T>& found, const Source& source, std::size_t begin, std::size_t end, int digit)
{
    each_together<T>(block, source, begin, end, [&](std::size_t, T x, bool inside) {
        const bits_t<T> key = rank_key(x);
        block.count(histogram, radix<T>::value(key, digit), inside && found.matches(key, digit));
    });
}

/// The search one digit further. `shared` is where the thread that finds the digit leaves it; every thread returns it. Ends with a barrier.
template <class T, class Block>
GRADCOMP_DEVICE digit_search<T> narrow(const Block& block, digit_search<T>& shared, const std::uint32_t* histogram, const digit_search<T>& found, int digit)
{
    static_assert(radix<T>::most_values % Block::threads == 0);
    constexpr int per = radix<T>::most_values / Block::threads;
    const int top = radix<T>::most_values - 1 - block.thread() * per, values = 1 << radix<T>::width(digit);
    std::uint32_t count[per], sum = 0, above = 0, total = 0;
    for (int j = 0; j < per; ++j) sum += count[j] = top - j < values ? histogram[top - j] : 0;
    block.exclusive_sum(sum, above, total);
    for (int j = 0; j < per; ++j) {
        if (above < found.rank && found.rank <= above + count[j])
            shared = {static_cast<bits_t<T>>(found.prefix << radix<T>::width(digit)) | static_cast<bits_t<T>>(top - j), found.rank - above};
        above += count[j];
    }
    block.sync();
    const digit_search<T> further = shared;
    block.sync();
    return further;
}

/// Adds how many keys of [begin, end) are above the threshold, and how many equal it, for this thread alone.
template <class T, class Block, class Source>
GRADCOMP_DEVICE void count_winners(const Block& block, const Source& source, std::size_t begin, std::size_t end, bits_t<T> threshold, std::uint32_t& above, std::uint32_t& ties)
{
    each_together<T>(block, source, begin, end, [&](std::size_t, T x, bool inside) {
        const bits_t<T> key = rank_key(x);
        above += inside && key > threshold;
        ties += inside && key == threshold;
    });
}

/// Keys above the threshold, and those equal ones of which fewer than `quota` come before, in order: take(i, x, slot) once a winner,
/// pass(i, x) once for every other element. `ties` equal ones come before `begin`, and `slot` winners; both go on to `end`.
///
/// A thread has neighbours, so that one scan orders a whole batch.
template <class T, class Block, class Source, class Take, class Pass>
GRADCOMP_DEVICE void take_winners(const Block& block, const Source& source, std::size_t begin, std::size_t end, bits_t<T> threshold, std::uint32_t quota, std::uint32_t& ties,
    std::uint32_t& slot, const Take& take, const Pass& pass)
{
    constexpr std::size_t threads = Block::threads, batch = select_batch;
    static_assert(threads * batch < 65536, "two counts of 16 bits");
    for (std::size_t base = begin; base < end; base += threads * batch) {
        const std::size_t first = base + static_cast<std::size_t>(block.thread()) * batch;
        T x[batch];
        GRADCOMP_UNROLL
        for (std::size_t j = 0; j < batch; ++j) x[j] = source(first + j < end ? first + j : end - 1);
        std::uint32_t mine = 0, rank, total; // 16 bits each: above, ties
        GRADCOMP_UNROLL
        for (std::size_t j = 0; j < batch; ++j) {
            const bits_t<T> key = rank_key(x[j]);
            if (first + j < end) mine += key > threshold ? 0x10000u : key == threshold ? 1u : 0u;
        }
        block.exclusive_sum(mine, rank, total);
        const std::uint32_t room = quota > ties ? quota - ties : 0u, ties_here = total & 0xffffu;
        std::uint32_t above = rank >> 16, equal = rank & 0xffffu;
        GRADCOMP_UNROLL
        for (std::size_t j = 0; j < batch; ++j) {
            if (first + j >= end) continue;
            const bits_t<T> key = rank_key(x[j]);
            const bool over = key > threshold, tie = key == threshold;
            if (over || (tie && equal < room)) take(first + j, x[j], slot + above + (equal < room ? equal : room));
            else pass(first + j, x[j]);
            above += over;
            equal += tie;
        }
        slot += (total >> 16) + (ties_here < room ? ties_here : room);
        ties += ties_here;
    }
}

/// The first of `count` ascending indices that is not below `limit`.
GRADCOMP_HD inline std::uint32_t first_not_below(const std::uint32_t* index, std::uint32_t count, std::size_t limit)
{
    std::uint32_t low = 0, high = count;
    while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (index[middle] < limit) low = middle + 1;
        else high = middle;
    }
    return low;
}

} // namespace gradcomp::exec
