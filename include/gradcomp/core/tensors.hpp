/// @file The list of named tensors that a model consists of.
#pragma once

#include <gradcomp/core/error.hpp>

#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

namespace gradcomp {

/// One tensor of a model: its name and its shape (rows first). An empty shape is a scalar; a 0 in it makes an empty tensor, which is legal.
struct tensor {
    std::string name;
    std::vector<std::size_t> shape;

    /// Elements. @throws error size_overflow when the product leaves std::size_t.
    std::size_t size() const
    {
        std::size_t n = 1;
        for (const std::size_t extent : shape) {
            if (extent != 0 && n > std::numeric_limits<std::size_t>::max() / extent)
                throw error(error_code::size_overflow, "shape", std::to_string(extent), "the product of the extents leaves std::size_t", {.tensor = name});
            n *= extent;
        }
        return n;
    }

    /// As a matrix: the first extent is its rows, the product of the others its columns. A scalar is 1 times 1, a vector has one column.
    std::size_t rows() const { return shape.empty() ? 1 : shape[0]; }
    std::size_t columns() const { return rows() == 0 ? 0 : size() / rows(); } ///< 0 where there are no rows
};

/// The tensors of a model in registration order, packed one behind the other: tensor t is [offset(t), offset(t) + size(t)).
class tensor_list {
public:
    tensor_list() = default;
    /// @throws error invalid_argument for two tensors of one name; size_overflow.
    tensor_list(std::initializer_list<tensor> tensors) : tensor_list(std::vector<tensor>(tensors)) {}
    explicit tensor_list(std::vector<tensor> tensors) : tensors_(std::move(tensors))
    {
        for (std::size_t t = 0; t < tensors_.size(); ++t) {
            for (std::size_t u = 0; u < t; ++u)
                if (tensors_[u].name == tensors_[t].name)
                    throw error(error_code::invalid_argument, "name", tensors_[t].name, "two tensors of a list must not share a name");
            sizes_.push_back(tensors_[t].size());
            offsets_.push_back(total_);
            if (sizes_.back() > std::numeric_limits<std::size_t>::max() / 16 - total_)
                throw error(error_code::size_overflow, "size", std::to_string(sizes_.back()), "the tensors together leave std::size_t",
                    {.tensor = tensors_[t].name});
            total_ += sizes_.back();
        }
    }

    std::size_t count() const { return tensors_.size(); }
    /// 0, 1, ..., count() - 1.
    std::vector<std::size_t> numbers() const
    {
        std::vector<std::size_t> all(count());
        for (std::size_t t = 0; t < all.size(); ++t) all[t] = t;
        return all;
    }
    std::size_t total() const { return total_; }                          ///< elements of all tensors
    std::size_t size(std::size_t t) const { return sizes_[t]; }           ///< elements of tensor t
    std::size_t offset(std::size_t t) const { return offsets_[t]; }       ///< where tensor t starts, in elements
    const std::string& name(std::size_t t) const { return tensors_[t].name; }
    const std::vector<std::size_t>& shape(std::size_t t) const { return tensors_[t].shape; }
    const tensor& operator[](std::size_t t) const { return tensors_[t]; }

private:
    std::vector<tensor> tensors_;
    std::vector<std::size_t> sizes_, offsets_;
    std::size_t total_ = 0;
};

} // namespace gradcomp
