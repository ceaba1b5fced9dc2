/// @file The perceptron as products and loops over elements, for whatever runs them: cuBLAS and kernels, or plain loops in the tests.
#pragma once

#include "models/mlp.hpp"
#include "models/rows.hpp"

#include <cstddef>
#include <cstdint>

namespace apps::models {

/// A set of labelled images where the steps can read it; see data::labelled_images and data::dataset.
struct resident_images {
    const std::uint8_t* values; ///< images x pixels
    const std::uint8_t* labels;
    const float* offset; ///< pixels
    float scale;
    std::size_t pixels;
};

/// The images of a batch: which[0], which[1], ..., or `first` and those that follow where `which` is null.
struct image_choice {
    const std::uint32_t* which;
    std::size_t first;
    std::size_t rows;
    GRADCOMP_HD std::size_t operator[](std::size_t row) const { return which != nullptr ? which[row] : first + row; }
};

/// The loops' bodies: each is called once for every index of its loop, in any order.
namespace steps {

/// rows x pixels: as data::gather.
struct gather {
    resident_images from;
    image_choice choice;
    float* to;
    GRADCOMP_HD void operator()(std::size_t i) const
    {
        const std::size_t row = i / from.pixels, pixel = i % from.pixels;
        to[i] = static_cast<float>(from.values[choice[row] * from.pixels + pixel]) * from.scale - from.offset[pixel];
    }
};

/// rows x hidden: bias and ReLU. What is no number stays none, so that the step is rejected.
struct activate {
    float* activation;
    const float* bias;
    std::size_t hidden;
    GRADCOMP_HD void operator()(std::size_t i) const
    {
        const float value = activation[i] + bias[i % hidden];
        activation[i] = value <= 0.0f ? 0.0f : value;
    }
};

/// rows: bias and the gradient of the loss by the scores.
struct softmax {
    float* scores;
    const float* bias;
    std::size_t classes;
    const std::uint8_t* labels;
    image_choice choice;
    float scale;
    GRADCOMP_HD void operator()(std::size_t row) const
    {
        float* const own = scores + row * classes;
        for (std::size_t i = 0; i < classes; ++i) own[i] += bias[i];
        softmax_row(own, classes, labels[choice[row]], scale);
    }
};

/// rows: bias, and whether the label has the largest score.
struct judge {
    float* scores;
    const float* bias;
    std::size_t classes;
    const std::uint8_t* labels;
    image_choice choice;
    std::uint32_t* right;
    GRADCOMP_HD void operator()(std::size_t row) const
    {
        float* const own = scores + row * classes;
        for (std::size_t i = 0; i < classes; ++i) own[i] += bias[i];
        right[row] = row_is_right(own, classes, labels[choice[row]]) ? 1 : 0;
    }
};

/// hidden: the way back through the ReLU, and the gradient of its bias, added up from the first row to the last.
struct gate {
    float* delta;
    const float* activation;
    std::size_t rows, hidden;
    float* bias;
    GRADCOMP_HD void operator()(std::size_t unit) const
    {
        float sum = 0.0f;
        for (std::size_t i = unit; i < rows * hidden; i += hidden) {
            if (!(activation[i] > 0.0f)) delta[i] = 0.0f;
            sum += delta[i];
        }
        bias[unit] = sum;
    }
};

/// columns: sums from the first row to the last.
struct column_sums {
    const float* from;
    std::size_t rows, columns;
    float* to;
    GRADCOMP_HD void operator()(std::size_t column) const
    {
        float sum = 0.0f;
        for (std::size_t row = 0; row < rows; ++row) sum += from[row * columns + column];
        to[column] = sum;
    }
};

/// 1: adds the rows that are right to a count.
struct count {
    const std::uint32_t* right;
    std::size_t rows;
    std::uint64_t* total;
    GRADCOMP_HD void operator()(std::size_t) const
    {
        for (std::size_t row = 0; row < rows; ++row) *total += right[row];
    }
};

} // namespace steps

/// What models::mlp computes, with all arrays in the backend's memory; one per rank. Nothing waits.
///
/// A backend offers buffer<T>(elements), a zeroed array with data(); for_each(n, body), body(i) for all i below n; and
/// product(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, c, ldc), c = op(a) op(b) with c of m x n, op(a) of m x k, all column-major as BLAS has
/// them. A row-major matrix is its transpose there.
template <class Backend> class mlp_steps {
    template <class T> using buffer = typename Backend::template buffer<T>;

public:
    /// For batches of up to `rows` images. @throws what the backend's memory throws.
    mlp_steps(const mlp& model, std::size_t rows, Backend& backend)
        : model_(model), backend_(&backend), images_(rows * model.inputs), hidden_(rows * model.hidden), delta_(rows * model.hidden), scores_(rows * model.classes), right_(rows)
    {
    }

    /// The gradient of the mean loss over the chosen images; as models::mlp::gradient, up to rounding.
    void gradient(const float* parameters, const resident_images& from, const image_choice& choice, float* gradient)
    {
        const auto [inputs, hidden, classes] = model_;
        const std::size_t rows = choice.rows;
        const places<const float> layer(model_, parameters);
        const places<float> slope(model_, gradient);
        scores(layer, from, choice);
        backend_->for_each(rows, steps::softmax{scores_.data(), layer.bias2, classes, from.labels, choice, 1.0f / static_cast<float>(rows)});
        backend_->product(false, true, hidden, classes, rows, hidden_.data(), hidden, scores_.data(), classes, slope.weight2, hidden);
        backend_->for_each(classes, steps::column_sums{scores_.data(), rows, classes, slope.bias2});
        backend_->product(false, false, hidden, rows, classes, layer.weight2, hidden, scores_.data(), classes, delta_.data(), hidden);
        backend_->for_each(hidden, steps::gate{delta_.data(), hidden_.data(), rows, hidden, slope.bias1});
        backend_->product(false, true, inputs, hidden, rows, images_.data(), inputs, delta_.data(), hidden, slope.weight1, inputs);
    }

    /// Adds to *total how many of the chosen images get their label as the largest score.
    void count_correct(const float* parameters, const resident_images& from, const image_choice& choice, std::uint64_t* total)
    {
        const places<const float> layer(model_, parameters);
        scores(layer, from, choice);
        backend_->for_each(choice.rows, steps::judge{scores_.data(), layer.bias2, model_.classes, from.labels, choice, right_.data()});
        backend_->for_each(1, steps::count{right_.data(), choice.rows, total});
    }

private:
    /// Where the four tensors of a flat list start.
    template <class T> struct places {
        T *weight1, *bias1, *weight2, *bias2;
        places(const mlp& model, T* flat)
            : weight1(flat), bias1(flat + model.hidden * model.inputs), weight2(bias1 + model.hidden), bias2(weight2 + model.classes * model.hidden)
        {
        }
    };

    /// Everything up to the scores, without the last bias.
    void scores(const places<const float>& layer, const resident_images& from, const image_choice& choice)
    {
        const auto [inputs, hidden, classes] = model_;
        const std::size_t rows = choice.rows;
        backend_->for_each(rows * inputs, steps::gather{from, choice, images_.data()});
        backend_->product(true, false, hidden, rows, inputs, layer.weight1, inputs, images_.data(), inputs, hidden_.data(), hidden);
        backend_->for_each(rows * hidden, steps::activate{hidden_.data(), layer.bias1, hidden});
        backend_->product(true, false, classes, rows, hidden, layer.weight2, hidden, hidden_.data(), hidden, scores_.data(), classes);
    }

    mlp model_;
    Backend* backend_;
    buffer<float> images_, hidden_, delta_, scores_;
    buffer<std::uint32_t> right_;
};

} // namespace apps::models
