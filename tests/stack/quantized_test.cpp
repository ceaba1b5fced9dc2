/// @file Quantizers in a stack: what the numbers forbid is refused at attach(), and what they allow trains.
#include "toy.hpp"


#include <doctest/doctest.h>

#include <cmath>
#include <mutex>

using namespace toy;

namespace {

/// The distance to the common minimum after training, over that at the start; the same on all ranks or NaN.
template <class Compressor, class Memory> double remaining(const Compressor& compressor, Memory memory)
{
    std::vector<double> left(3);
    gc::comm::run_ranks(3, [&](gc::comm::in_process c) {
        auto x = start<double>();
        std::vector<double> minimum(size);
        for (std::size_t i = 0; i < size; ++i)
            for (std::uint64_t r = 0; r < 3; ++r) minimum[i] += value<double>(2, r, i) / 3;
        const auto distance = [&] {
            double sum = 0;
            for (std::size_t i = 0; i < size; ++i) sum += (x[i] - minimum[i]) * (x[i] - minimum[i]);
            return std::sqrt(sum);
        };
        const double before = distance();
        const gc::policy_stack stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{c}};
        auto exchange = stack.attach(tensors, x);
        for (std::uint64_t t = 0; t < 400; ++t) {
            const auto g = gradient<double>(exchange.gradient_point(), c.rank(), t);
            exchange.step(std::span<const double>(g), 0.05);
        }
        left[static_cast<std::size_t>(c.rank())] = distance() / before;
    });
    return left[0] == left[1] && left[1] == left[2] ? left[0] : std::nan("");
}

} // namespace

TEST_CASE("error feedback around too few levels is refused at attach(), with none it is accepted")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        auto x = start<float>();
        const gc::qsgd<> few{.bits = 3};
        const auto refused = error_of([&] { gc::policy_stack{.compressor = few, .memory = gc::ef{}, .reducer = gc::all_gather{c}}.attach(tensors, x); });
        if (!refused || refused->code() != gc::error_code::not_contractive) throw std::runtime_error("too few levels were accepted");
        const auto accepted = error_of([&] { gc::policy_stack{.compressor = few, .reducer = gc::all_gather{c}}.attach(tensors, x); });
        if (accepted) throw std::runtime_error("an unbiased quantizer was refused");
    });
    CHECK(true);
}

TEST_CASE("quantized training comes as near to the minimum as its noise lets it, and ranks agree in every bit")
{
    CHECK(remaining(gc::identity{}, gc::none{}) < 0.1);
    CHECK(remaining(gc::sign<>{}, gc::ef{}) < 0.25);
    CHECK(remaining(gc::block_sign{.bucket = 64}, gc::ef<gc::staged>{}) < 0.2);
    CHECK(remaining(gc::natural<>{}, gc::none{}) < 0.15);
    CHECK(remaining(gc::qsgd<>{.bits = 4, .bucket = 64}, gc::ef{}) < 0.15);
    CHECK(remaining(gc::min_max<gc::rounding::nearest>{}, gc::ef{}) < 0.15);
    CHECK(remaining(gc::cast<gc::fp8_e4m3>{}, gc::def{.lambda = 0.3}) < 0.15);
    CHECK(remaining(gc::chain{gc::top_k{.ratio = 4}, gc::cast<gc::half>{}}, gc::ef{}) < 0.3);
}
