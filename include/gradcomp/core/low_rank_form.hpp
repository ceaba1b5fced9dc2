/// @file Which tensors of a list are sent as two thin factors, and where the factors stand in the messages of the two rounds.
#pragma once

#include <gradcomp/core/layout.hpp>

#include <algorithm>

namespace gradcomp {

/// A matrix, rows times columns, that is sent as a long factor (its longer side times the rank) and a short one.
struct factored_matrix {
    segment piece;
    std::size_t rows = 0, columns = 0;
    std::size_t long_at = 0;  ///< the long factor's first element in the message of the first round
    std::size_t short_at = 0; ///< the short factor's first element in the message of the second round

    bool tall() const { return rows >= columns; }
    std::size_t longer() const { return std::max(rows, columns); }
    std::size_t shorter() const { return std::min(rows, columns); }
};

/// The first message holds all long factors; the second all short ones, then the tensors that are sent dense. Factors are stored column by column.
struct low_rank_form {
    std::size_t rank = 1;
    std::vector<factored_matrix> matrices = {};
    std::vector<segment> dense = {}; ///< `first` is the place behind the short factors
    std::size_t long_elements = 0, short_elements = 0, dense_elements = 0;

    std::size_t elements(int round) const { return round == 0 ? long_elements : short_elements + dense_elements; }
};

/// Whether `rank` columns of both sides are fewer elements than the matrix; then the rank is also below both sides.
inline bool factors_save(std::size_t rows, std::size_t columns, std::size_t rank)
{
    return rows > 0 && columns > 0 && rank <= (rows * columns - 1) / (rows + columns);
}

/// The form for the tensors with these numbers. A tensor of several dimensions is a matrix whose rows are its first one.
inline low_rank_form make_low_rank_form(const tensor_list& list, const std::vector<std::size_t>& tensors, std::size_t rank)
{
    low_rank_form form{.rank = rank};
    for (const std::size_t t : tensors) {
        const segment piece{.offset = list.offset(t), .size = list.size(t), .tensor = t};
        const std::size_t rows = list[t].rows(), columns = list[t].columns();
        if (!factors_save(rows, columns, rank)) {
            form.dense.push_back(piece);
            form.dense.back().first = form.dense_elements;
            form.dense_elements += piece.size;
            continue;
        }
        form.matrices.push_back({piece, rows, columns, form.long_elements, form.short_elements});
        form.long_elements += form.matrices.back().longer() * rank;
        form.short_elements += form.matrices.back().shorter() * rank;
    }
    return form;
}

} // namespace gradcomp
