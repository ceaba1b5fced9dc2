/// @file The local rule without state: the gradient itself, with weight decay when asked.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>

#include <cmath>

namespace gradcomp {
inline namespace optim {

/// Direction g + weight_decay * z; z is the point at which g was taken.
struct plain_gradient {
    double weight_decay = 0.0; ///< from 0

    static constexpr int states = 0; ///< models of memory
    double decay() const { return weight_decay; }
    double amplification() const { return 1; } ///< the step of a constant gradient, in units of eta
    /// @throws error invalid_option.
    void check() const
    {
        if (!(weight_decay >= 0 && std::isfinite(weight_decay)))
            throw error(error_code::invalid_option, "weight_decay", text_of(weight_decay), "must be finite and not negative");
    }

    /// Streams in: z with Decay.
    template <class T, bool Decay> struct direction {
        static constexpr bool reads_point = Decay;
        static constexpr int inputs = Decay, outputs = 0, point_in = 0;
        T decay;
        explicit direction(const plain_gradient& options) : decay(static_cast<T>(options.weight_decay)) {}
        GRADCOMP_HD GRADCOMP_INLINE T value(T g, [[maybe_unused]] const T* x) const
        {
            if constexpr (Decay) return multiply_add(decay, x[point_in], g);
            else return g;
        }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T*, T, T*) const {}
    };
};
static_assert(local_rule<plain_gradient>);

} // namespace optim
} // namespace gradcomp
