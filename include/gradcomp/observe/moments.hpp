/// @file What the ranks' errors have in common, measured: the input of DEF's best lambda.
#pragma once

#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/core/view.hpp>
#include <gradcomp/theory/detachment.hpp>

#include <span>
#include <vector>

namespace gradcomp {
inline namespace observe {

/// M^2 and sigma^2 of the errors that the ranks hold now, without bias: sigma^2 = sum ||e_k - mean e||^2 / (K - 1), M^2 = ||mean e||^2 - sigma^2 / K
/// (not below 0). theory::best_detachment turns them into lambda*.
///
/// Collective: one dense all-reduce and one of a number; allocates, so not for every step. With one rank, sigma^2 is 0.
/// @param error exchange.error() @throws the communicator's errors.
template <class T, class Communicator> theory::error_moments error_moments_of(Communicator& communicator, std::span<const T> error)
{
    const auto ranks = static_cast<std::size_t>(communicator.size());
    std::vector<T> sum(error.size());
    communicator.all_reduce(host_view<const T>(error.data(), error.size()), host_view<T>(sum.data(), sum.size()));
    double around = 0, common = 0, spread = 0;
    for (std::size_t i = 0; i < error.size(); ++i) {
        const double mean = static_cast<double>(sum[i]) / static_cast<double>(ranks), off = static_cast<double>(error[i]) - mean;
        common += mean * mean;
        around += off * off;
    }
    communicator.all_reduce(host_view<const double>(&around, 1), host_view<double>(&spread, 1));
    const double variance = ranks > 1 ? spread / static_cast<double>(ranks - 1) : 0, square = common - variance / static_cast<double>(ranks);
    return {.common = square > 0 ? square : 0, .variance = variance, .ranks = ranks};
}

} // namespace observe
} // namespace gradcomp
