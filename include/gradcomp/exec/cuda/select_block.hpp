/// @file What a block of threads does to find the k-th largest key and to take the winners in order, by counting digits.
///
/// Written against a Block: thread(), threads, sync(), exclusive_sum(x, before, total), add(counter, x). Kernels use CUB's; the tests run the
/// same code on a block of std::threads, so that ThreadSanitizer finds a missing barrier.
#pragma once

#include <gradcomp/core/radix.hpp>

namespace gradcomp::exec {

/// Where the search stands: the digits found so far, and the rank among the keys that start with them (1 is the largest).
template <class T> struct digit_search {
    bits_t<T> prefix;
    std::uint32_t rank;
    GRADCOMP_HD bool matches(bits_t<T> key, int digit) const { return digit == 0 || key >> (radix<T>::shift(digit) + radix<T>::width(digit)) == prefix; }
};

/// Counts digit `digit` of the keys that match. histogram: radix<T>::most_values words that the block shares. Ends with a barrier.
template <class T, class Block, class Source>
GRADCOMP_DEVICE void count_digits(const Block& block, std::uint32_t* histogram, const digit_search<T>& found, const Source& source, std::size_t begin, std::size_t end, int digit)
{
    for (int b = block.thread(); b < radix<T>::most_values; b += Block::threads) histogram[b] = 0;
    block.sync();
    for (std::size_t i = begin + static_cast<std::size_t>(block.thread()); i < end; i += Block::threads) {
        const bits_t<T> key = rank_key(source(i));
        if (found.matches(key, digit)) block.add(histogram[radix<T>::value(key, digit)], 1u);
    }
    block.sync();
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

/// How many keys of [begin, end) are above the threshold, and how many equal it, for this thread alone.
template <class T, class Block, class Source>
GRADCOMP_DEVICE void count_winners(const Block& block, const Source& source, std::size_t begin, std::size_t end, bits_t<T> threshold, std::uint32_t& above, std::uint32_t& ties)
{
    above = ties = 0;
    for (std::size_t i = begin + static_cast<std::size_t>(block.thread()); i < end; i += Block::threads) {
        const bits_t<T> key = rank_key(source(i));
        above += key > threshold;
        ties += key == threshold;
    }
}

/// Keys above the threshold, and those equal ones of which fewer than `quota` come before, in order: take(i, x, slot) once a winner,
/// pass(i, x) once for every other element. `ties` equal ones come before `begin`, and `slot` winners.
template <class T, class Block, class Source, class Take, class Pass>
GRADCOMP_DEVICE void take_winners(const Block& block, const Source& source, std::size_t begin, std::size_t end, bits_t<T> threshold, std::uint32_t quota, std::uint32_t ties,
    std::uint32_t slot, const Take& take, const Pass& pass)
{
    for (std::size_t base = begin; base < end; base += Block::threads) {
        const std::size_t i = base + static_cast<std::size_t>(block.thread());
        const T x = i < end ? source(i) : T(0);
        const bits_t<T> key = rank_key(x);
        const bool above = i < end && key > threshold, tie = i < end && key == threshold;
        const std::uint32_t room = quota > ties ? quota - ties : 0u;
        std::uint32_t rank, total; // 16 bits each: above, ties
        block.exclusive_sum(static_cast<std::uint32_t>(above) << 16 | static_cast<std::uint32_t>(tie), rank, total);
        const std::uint32_t ties_before = rank & 0xffffu, ties_here = total & 0xffffu;
        if (above || (tie && ties_before < room)) take(i, x, slot + (rank >> 16) + (ties_before < room ? ties_before : room));
        else if (i < end) pass(i, x);
        slot += (total >> 16) + (ties_here < room ? ties_here : room);
        ties += ties_here;
    }
}

} // namespace gradcomp::exec
