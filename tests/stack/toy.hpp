/// @file What the tests of stacks share: a small list of tensors, gradients that depend on the point, and a communicator that fails on demand.
#pragma once

#include <gradcomp/gradcomp.hpp>

#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace toy {

namespace gc = gradcomp;

inline const gc::tensor_list tensors{{"matrix", {10, 20}}, {"bias", {20}}, {"empty", {0}}, {"other", {30, 10}}};
inline constexpr std::size_t size = 520;

/// Deterministic values of both signs in (-1, 1).
template <class T> T value(std::uint64_t a, std::uint64_t b, std::uint64_t c)
{
    const gc::random_stream stream{a, static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(c), gc::purpose::rounding, 0};
    return static_cast<T>(stream.block(0).at[0]) / T(2147483648.0) - T(1);
}

template <class T> std::vector<T> start()
{
    std::vector<T> x(size);
    for (std::size_t i = 0; i < size; ++i) x[i] = value<T>(1, 0, i);
    return x;
}

/// A noisy gradient of a quadratic with curvatures from 0.2 to 1, other centres and noise on each rank.
template <class T> std::vector<T> gradient(std::span<const T> point, int rank, std::uint64_t step)
{
    std::vector<T> g(point.size());
    for (std::size_t i = 0; i < g.size(); ++i)
        g[i] = (T(0.2) + T(0.8) * static_cast<T>(i) / static_cast<T>(g.size())) * (point[i] - value<T>(2, static_cast<std::uint64_t>(rank), i))
             + T(0.3) * value<T>(3 + static_cast<std::uint64_t>(rank), step, i);
    return g;
}

/// The distance to the minimum of the ranks' mean function after `steps` steps, over that at the start; NaN where the ranks' x differ in a bit.
/// stack_of(communicator) gives the stack of a rank.
template <class T, class StackOf> double remaining(const StackOf& stack_of, std::uint64_t steps = 400, double rate = 0.05)
{
    constexpr int ranks = 3;
    std::vector<std::vector<T>> end(ranks);
    const auto distance = [](const std::vector<T>& x) {
        double sum = 0;
        for (std::size_t i = 0; i < size; ++i) {
            double minimum = 0;
            for (std::uint64_t r = 0; r < ranks; ++r) minimum += static_cast<double>(value<T>(2, r, i)) / ranks;
            sum += (static_cast<double>(x[i]) - minimum) * (static_cast<double>(x[i]) - minimum);
        }
        return std::sqrt(sum);
    };
    gc::comm::run_ranks(ranks, [&](gc::comm::in_process c) {
        auto x = start<T>();
        auto exchange = stack_of(c).attach(tensors, x);
        for (std::uint64_t t = 0; t < steps; ++t) {
            const auto g = gradient<T>(exchange.gradient_point(), c.rank(), t);
            exchange.step(std::span<const T>(g), rate);
        }
        end[static_cast<std::size_t>(c.rank())] = x;
    });
    return end[0] == end[1] && end[1] == end[2] ? distance(end[0]) / distance(start<T>()) : std::nan("");
}

template <class T> bool same_bits(std::span<const T> a, std::span<const T> b)
{
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

template <class T> std::vector<T> copy(std::span<const T> of) { return {of.begin(), of.end()}; }

/// The error that f throws.
template <class F> std::optional<gc::error> error_of(F f)
{
    try {
        f();
    } catch (const gc::error& e) {
        return e;
    }
    return std::nullopt;
}

/// An in_process handle whose next calls work until `countdown` reaches 0; that call fails on every rank alike, before anything is sent.
struct flaky {
    static constexpr gc::memory_space space = gc::memory_space::host;
    gc::comm::in_process inner;
    int* countdown;

    int rank() const { return inner.rank(); }
    int size() const { return inner.size(); }
    template <gc::comm::summable T> void all_reduce(std::type_identity_t<gc::host_view<const T>> in, gc::host_view<T> out) const { tick(), inner.all_reduce(in, out); }
    void all_gather(gc::host_view<const std::byte> mine, gc::host_view<std::byte> all) const { tick(), inner.all_gather(mine, all); }
    void gather(gc::host_view<const std::byte> mine, gc::host_view<std::byte> all, int root) const { tick(), inner.gather(mine, all, root); }
    void broadcast(gc::host_view<std::byte> data, int root) const { tick(), inner.broadcast(data, root); }
    void all_to_all(gc::host_view<const std::byte> in, gc::host_view<std::byte> out) const { tick(), inner.all_to_all(in, out); }
    void barrier() const { tick(), inner.barrier(); }

private:
    void tick() const
    {
        if (--*countdown == 0) throw gc::error(gc::error_code::peer_timeout, "rank", "9", "a link was down for a moment");
    }
};
static_assert(gc::comm::communicator<flaky, float> && gc::comm::communicator<flaky, double>);

} // namespace toy
