/// @file How a block of threads chooses the largest of one chunk: the digits of its threshold one after the other, then the winners in order.
#pragma once

#include <gradcomp/exec/cuda/select_block.hpp>

namespace gradcomp::exec {

/// take(place, value, slot) once for each of the k largest of n, slots in the order of places, pass(place, value) for every other one; ties go to the lowest place.
/// source(place) is read once a digit and once more, and must not depend on what take() and pass() write for other places.
/// @param histogram radix<T>::most_values words, and `shared` a search, that the block shares; @pre 0 < k <= n
template <class T, class Block, class Source, class Take, class Pass>
GRADCOMP_DEVICE void take_largest(const Block& block, std::uint32_t* histogram, digit_search<T>& shared, const Source& source, std::size_t n, std::size_t k, const Take& take, const Pass& pass)
{
    digit_search<T> found{0, static_cast<std::uint32_t>(k)};
    for (int digit = 0; digit < radix<T>::digits; ++digit) {
        clear_digits<T>(block, histogram);
        count_digits<T>(block, histogram, found, source, 0, n, digit);
        block.sync();
        found = narrow<T>(block, shared, histogram, found, digit);
    }
    std::uint32_t ties = 0, slot = 0;
    take_winners<T>(block, source, 0, n, found.prefix, found.rank, ties, slot, take, pass);
}

} // namespace gradcomp::exec
