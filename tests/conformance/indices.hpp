/// @file Indices of a message written and read by the book, one at a time, for tests to compare with.
#pragma once

#include <gradcomp/core/index_code.hpp>

#include <vector>

namespace conformance {

/// The words of plain indices in a form; zeros in what room is left.
inline std::vector<std::uint32_t> written_indices(const gradcomp::index_form& form, const std::vector<std::size_t>& index)
{
    std::vector<std::uint32_t> words(form.bytes() / 4);
    auto* const at = reinterpret_cast<std::byte*>(words.data());
    for (std::size_t j = 0; j < index.size(); ++j) {
        const std::uint64_t i = form.width == 2 ? index[j] % 65536 : index[j];
        for (std::size_t b = 0; b < form.width; ++b) at[4 * form.tiles + form.width * j + b] = static_cast<std::byte>(i >> (8 * b));
        if (form.tiles > 0) ++words[index[j] / 65536];
    }
    return words;
}

/// The first `count` indices of a message that was accepted.
inline std::vector<std::size_t> read_indices(const gradcomp::index_form& form, const std::byte* at, std::size_t count)
{
    std::vector<std::size_t> index;
    gradcomp::each_index_run(form, at, 0, count, [&](auto places, std::size_t base, std::size_t from, std::size_t to) {
        for (std::size_t j = from; j < to; ++j) index.push_back(base + places[j]);
    });
    return index;
}

} // namespace conformance
