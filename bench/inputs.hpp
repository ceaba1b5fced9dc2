/// @file The data sets that the benchmarks share, made once per kind and size.
#pragma once

#include "harness.hpp"

#include <cmath>

namespace bench {

enum class data {
    gauss, ///< standard normal
    heavy, ///< Student t with 2 degrees of freedom times layer scales over 4 decades, a layer being 262144 elements
    ties,  ///< gauss rounded down to 8 significant bits, so that many magnitudes are equal
    zeros, ///< gauss, 95 percent of it zero
    nan    ///< gauss, every 97th element NaN
};
inline const char* name_of(data kind)
{
    const char* names[] = {"gauss", "heavy", "ties", "zeros", "nan"};
    return names[static_cast<int>(kind)];
}

/// A fixed sequence of numbers in (0, 1).
class uniform {
public:
    double operator()()
    {
        state_ += 0x9E3779B97F4A7C15u;
        std::uint64_t z = (state_ ^ (state_ >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return (static_cast<double>((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
    }

private:
    std::uint64_t state_ = 1;
};

inline void fill(data kind, const huge_array<float>& x)
{
    uniform random;
    double layer = 1;
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (kind == data::heavy) {
            if (i % 262144 == 0) layer = std::pow(10.0, -4 * random());
            const double u = 2 * random() - 1;
            x[i] = static_cast<float>(u * std::sqrt(2 / (1 - u * u)) * layer);
            continue;
        }
        const double radius = std::sqrt(-2 * std::log(random()));
        x[i] = static_cast<float>(radius * std::cos(6.283185307179586 * random()));
        if (kind == data::ties) {
            std::uint32_t bits;
            std::memcpy(&bits, &x[i], 4);
            bits &= 0xffff0000u;
            std::memcpy(&x[i], &bits, 4);
        }
        if (kind == data::zeros && random() < 0.95) x[i] = 0;
        if (kind == data::nan && i % 97 == 0) x[i] = std::numeric_limits<float>::quiet_NaN();
    }
}

/// The data set of this kind and size; the last one asked for is kept, so ask in order of kind.
inline const huge_array<float>& input(data kind, std::size_t d)
{
    static std::unique_ptr<huge_array<float>> kept;
    static data kept_kind;
    if (!kept || kept->size() != d || kept_kind != kind) {
        kept.reset();
        kept = std::make_unique<huge_array<float>>(d);
        fill(kept_kind = kind, *kept);
    }
    return *kept;
}

} // namespace bench
