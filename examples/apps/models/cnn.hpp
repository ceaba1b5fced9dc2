/// @file A small convolutional network: two convolutions, one pooling, two dense layers; ReLU, softmax, cross-entropy.
#pragma once

#include <gradcomp/core/tensors.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace apps::models {

/// The network of PyTorch's MNIST example without its dropout: 1,199,882 parameters for 28 x 28 images.
///
/// conv1 (3 x 3), ReLU, conv2 (3 x 3), ReLU, 2 x 2 maxima, fc1, ReLU, fc2. Parameters in the order of tensors(). The convolutions are Eigen's
/// products over unrolled patches, one image at a time, so that the patches stay in a cache; about 0.07 GFLOP an image and gradient.
struct cnn {
    std::size_t side = 28;      ///< images are side x side; side - 4 must be even
    std::size_t channels1 = 32; ///< of conv1
    std::size_t channels2 = 64; ///< of conv2
    std::size_t hidden = 128;
    std::size_t classes = 10;

    /// Names and shapes in the order of the flat list.
    gradcomp::tensor_list tensors() const;
    std::size_t size() const;

    /// Weights and biases uniform in +-1/sqrt(inputs of their layer): the same floats for a seed on every platform.
    void initialise(std::span<float> parameters, std::uint64_t seed) const;

    /// Memory for batches of up to `rows` images; one per thread.
    class workspace {
    public:
        workspace(const cnn& model, std::size_t rows);

    private:
        friend struct cnn;
        std::vector<float> first_;          // rows x channels1 x side1^2: activations of conv1
        std::vector<float> second_;         // channels2 x side2^2: of conv2, one image
        std::vector<float> patches1_, patches2_, patch_slopes_; // one image
        std::vector<float> first_slope_;    // channels1 x side1^2, one image
        std::vector<float> pooled_, pooled_slope_; // rows x features
        std::vector<std::uint8_t> winner_;  // rows x features: which of the four, 4 where ReLU gives 0
        std::vector<float> hidden_, delta_, scores_;
    };

    /// Writes the gradient of the batch's mean loss and returns that loss (natural logarithm; NaN or Inf where the parameters are).
    /// @param images labels.size() x side^2, row-major; @param gradient size(), overwritten.
    /// Takes no memory. @pre labels.size() is at most the workspace's rows, and each label is below `classes`.
    double gradient(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, std::span<float> gradient,
        workspace& work) const;

    /// How many images get their label as the largest score. A score that is not a number counts as wrong.
    std::size_t correct(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, workspace& work) const;

private:
    std::size_t side1() const { return side - 2; }
    std::size_t side2() const { return side - 4; }
    std::size_t features() const { return channels2 * (side2() / 2) * (side2() / 2); }
    void scores(std::span<const float> parameters, std::span<const float> images, std::size_t rows, workspace& work) const;
    void convolve(std::span<const float> parameters, const float* image, std::size_t row, workspace& work) const;
    void convolve_back(std::span<const float> parameters, const float* image, std::size_t row, std::span<float> gradient, workspace& work) const;
};

} // namespace apps::models
