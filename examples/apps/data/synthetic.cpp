/// @file Generates the stand-in data set.
#include "data/synthetic.hpp"

#include "random.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace apps::data {
namespace {

constexpr std::size_t side = 28;
constexpr std::size_t classes = 10;
using prototype = std::array<float, side * side>;

/// Smooth pattern in [0, 1]: random values on a coarse grid, interpolated between its points.
prototype make_prototype(generator& random)
{
    constexpr std::size_t cells = 7;
    std::array<float, (cells + 1) * (cells + 1)> grid{};
    for (float& value : grid) value = random.uniform();
    prototype pattern{};
    for (std::size_t row = 0; row < side; ++row) {
        for (std::size_t column = 0; column < side; ++column) {
            const float y = static_cast<float>(row) / 4.0f, x = static_cast<float>(column) / 4.0f;
            const auto top = static_cast<std::size_t>(y), left = static_cast<std::size_t>(x);
            const float down = y - static_cast<float>(top), right = x - static_cast<float>(left);
            const float* corner = &grid[top * (cells + 1) + left];
            const float upper = corner[0] * (1 - right) + corner[1] * right;
            const float lower = corner[cells + 1] * (1 - right) + corner[cells + 2] * right;
            pattern[row * side + column] = upper * (1 - down) + lower * down;
        }
    }
    return pattern;
}

/// The mixture keeps classes apart on average and lets some images fall between two of them.
void draw_image(const std::vector<prototype>& prototypes, std::size_t label, generator& random, std::uint8_t* out)
{
    const prototype& own = prototypes[label];
    const prototype& other = prototypes[(label + 1 + random.below(classes - 1)) % classes];
    const float blend = random.uniform(0.0f, 0.54f);
    const float contrast = random.uniform(0.5f, 1.0f);
    const std::size_t down = random.below(5), right = random.below(5);
    for (std::size_t row = 0; row < side; ++row) {
        for (std::size_t column = 0; column < side; ++column) {
            const std::size_t at = ((row + down) % side) * side + (column + right) % side;
            const float clean = contrast * ((1 - blend) * own[at] + blend * other[at]);
            const float noisy = 255.0f * (clean + 0.2f * random.normal());
            out[row * side + column] = static_cast<std::uint8_t>(std::clamp(noisy, 0.0f, 255.0f));
        }
    }
}

labelled_images draw_images(const std::vector<prototype>& prototypes, std::size_t count, generator random)
{
    labelled_images images{count, side * side, std::vector<std::uint8_t>(count * side * side), std::vector<std::uint8_t>(count)};
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t label = random.below(classes);
        images.labels[i] = static_cast<std::uint8_t>(label);
        draw_image(prototypes, label, random, images.values.data() + i * side * side);
    }
    return images;
}

} // namespace

dataset make_synthetic(std::size_t train_count, std::size_t test_count, std::uint64_t seed)
{
    generator random(seed, 0);
    std::vector<prototype> prototypes;
    for (std::size_t i = 0; i < classes; ++i) prototypes.push_back(make_prototype(random));
    dataset set;
    set.name = "synthetic";
    set.synthetic = true;
    set.classes = classes;
    set.train = draw_images(prototypes, train_count, generator(seed, 1));
    set.test = draw_images(prototypes, test_count, generator(seed, 2));
    centre(set, 0.5);
    set.notes.push_back("This is a synthetic, generated stand-in for Fashion-MNIST: its accuracies say nothing about real data.");
    return set;
}

} // namespace apps::data
