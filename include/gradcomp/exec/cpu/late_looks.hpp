/// @file What is looked at before a late choice: p again, rates of arrival, norms, and counts, many elements at a time.
#pragma once

#include <gradcomp/core/arrival.hpp>
#include <gradcomp/core/safe_squares.hpp>
#include <gradcomp/exec/cpu/chooser.hpp>
#include <gradcomp/exec/cpu/random_lanes.hpp>
#include <gradcomp/exec/sweep_options.hpp>

#include <algorithm>

namespace gradcomp::exec::detail {

/// p of element i after a sweep that sent nothing; a bad gradient of a rule without memory counts as 0 unless it is to travel.
template <class Again> typename Again::value_type left_at(const Again& again, std::size_t i, non_finite policy)
{
    const auto p = value_at(again, i);
    return is_finite(p) || policy == non_finite::propagate ? p : value_without_gradient(again, i);
}

/// A sum of squares by eight lanes, element i in lane i mod 8, then by halves; of p / 2^square_exponent().
template <class T> class squares_by_eight {
public:
    GRADCOMP_INLINE explicit squares_by_eight(bits_t<T> largest) : down_(two_to(-square_exponent<T>(largest))) {}
    GRADCOMP_INLINE void add(std::size_t i, T p)
    {
        double x = static_cast<double>(p);
        if constexpr (sizeof(T) > sizeof(float)) x *= down_;
        lanes_[i % 8] = multiply_add(x, x, lanes_[i % 8]);
    }
    /// The numbers that read(i) gives for i in [0, count), in order from lane 0 on. @pre nothing was added before
    template <class Read> GRADCOMP_INLINE void add_all(std::size_t count, Read read)
    {
        double lane[8] = {};
        std::size_t i = 0;
        for (; i + 8 <= count; i += 8)
            for (std::size_t j = 0; j < 8; ++j) {
                double x = static_cast<double>(read(i + j));
                if constexpr (sizeof(T) > sizeof(float)) x *= down_;
                lane[j] = multiply_add(x, x, lane[j]);
            }
        for (std::size_t j = 0; j < 8; ++j) lanes_[j] = lane[j];
        for (; i < count; ++i) add(i, read(i));
    }
    GRADCOMP_INLINE double total()
    {
        for (std::size_t half = 4; half > 0; half /= 2)
            for (std::size_t j = 0; j < half; ++j) lanes_[j] += lanes_[j + half];
        return lanes_[0];
    }

private:
    double down_, lanes_[8] = {};
};

/// Everything stays behind; rates[i] is element i's rate of arrival.
template <class T> struct list_rates : stateless_chooser<list_rates<T>> {
    T* rates;
    std::size_t first; ///< place of the sweep's element 0 in its selection
    random_lanes random;
    list_rates(T* to, std::size_t place, const random_stream& stream) : rates(to), first(place), random(stream) {}
    list_rates part(std::size_t, std::size_t, std::size_t) const { return *this; }
    template <isa Level> GRADCOMP_INLINE taken choose(std::size_t base, std::size_t count, const T* p, T*) const
    {
        constexpr std::size_t groups = (2 * (tile_size + 3) + random_group - 1) / random_group;
        alignas(64) std::uint32_t words[groups * random_group / 2];
        const std::size_t place = first + base, skipped = place % 4; // four words a block
        fill_random<Level>(random, static_cast<std::uint32_t>(place / 4), 2 * (skipped + count), reinterpret_cast<std::uint16_t*>(words));
        const std::uint32_t* const mine = words + skipped;
        T* const to = rates + base;
        bits_t<T> most = 0;
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < count; ++i) {
            const T rate = p[i] / waiting_time<T>(mine[i]);
            to[i] = rate;
            most = std::max(most, magnitude(rate));
        }
        if (most >= magnitude(most_plain_rate<T>)) [[unlikely]]
            for (std::size_t i = 0; i < count; ++i) to[i] = arrival_rate(p[i], mine[i]);
        return taken::none;
    }
};

/// How many of elements [from, to) have a magnitude of at least `least`.
template <class T, class Again> struct count_reaching_body {
    Again again;
    std::size_t from, to;
    bits_t<T> least;
    non_finite policy;
    std::size_t* found;

    template <isa> GRADCOMP_INLINE void run() const
    {
        const Again p = again;
        std::size_t all = 0;
        for (std::size_t begin = from, end; begin < to; begin = end) {
            end = std::min(to, begin + tile_size);
            bits_t<T> here = 0, most = 0;
            GRADCOMP_INDEPENDENT
            for (std::size_t i = begin; i < end; ++i) {
                const bits_t<T> key = magnitude(value_at(p, i));
                here += static_cast<bits_t<T>>(key >= least);
                most = std::max(most, key);
            }
            if (most >= key_of<T>::infinity && policy != non_finite::propagate) [[unlikely]] {
                here = 0;
                for (std::size_t i = begin; i < end; ++i) here += static_cast<bits_t<T>>(magnitude(left_at(p, i, policy)) >= least);
            }
            all += here;
        }
        *found = all;
    }
};

/// Everything stays behind; the largest magnitude of each tile is noted, and the sum of squares over 4^square_exponent() of it.
template <class T> struct measure_tiles : stateless_chooser<measure_tiles<T>> {
    T* largest = nullptr;     ///< of each tile of the segment
    double* squares = nullptr;
    measure_tiles part(std::size_t, std::size_t, std::size_t) const { return *this; }
    template <isa> GRADCOMP_INLINE taken choose(std::size_t base, std::size_t count, const T* p, T*) const
    {
        bits_t<T> most = 0;
        for (std::size_t i = 0; i < count; ++i) most = std::max(most, magnitude(p[i]));
        squares_by_eight<T> sum(most);
        sum.add_all(count, [p](std::size_t i) __attribute__((always_inline)) { return p[i]; });
        squares[base / tile_size] = sum.total();
        largest[base / tile_size] = __builtin_bit_cast(T, most);
        return taken::none;
    }
};

} // namespace gradcomp::exec::detail
