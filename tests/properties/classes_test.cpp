/// @file Every compressor against the classes that it states: an adversarial search for d up to 64, then fresh draws at 6 standard errors.
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"
#include "fuzz/compressors.hpp"

#include <gradcomp/theory/measured.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

using namespace conformance;
namespace theory = gradcomp::theory;

namespace {

/// Draws of an operator on one tensor of d elements; every draw is a step of its own.
template <class C> class drawn {
public:
    drawn(const C& compressor, const gc::tensor_list& list) : run_(compressor, list), zeros_(list.total()) {}
    drawn(const C& compressor, std::size_t d) : drawn(compressor, one_tensor(d)) {}
    theory::measurement at(const std::vector<double>& x, std::uint64_t draws, double sigmas)
    {
        const auto operate = [&](std::span<const double> in, std::span<double> out, std::uint64_t) {
            const auto c = run_.decode(run_.encode(zeros_, in, step_++).message);
            std::copy(c.value.begin(), c.value.end(), out.begin());
        };
        return theory::measure<double>(operate, x, draws, sigmas);
    }

private:
    coding<double, C> run_;
    std::vector<double> zeros_;
    std::uint32_t step_ = 0;
};

/// By how much what was surely seen breaks a class, of the class that is broken most; negative where all hold.
double broken(const theory::membership& m, const theory::measurement& seen)
{
    double most = -1;
    if (m.u) most = std::max(most, seen.energy.lower() - m.u->zeta);
    if (m.b1) most = std::max({most, m.b1->alpha - seen.energy.upper(), seen.energy.lower() - m.b1->beta * seen.alignment.upper()});
    if (m.b2) most = std::max({most, m.b2->gamma - seen.alignment.upper(), seen.energy.lower() / m.b2->beta - seen.alignment.upper()});
    if (m.b3) most = std::max(most, seen.error.lower() - theory::contraction(*m.b3));
    return most;
}

/// The vector on which the operator comes closest to breaking a class: from one large element beside some equal smaller ones, then by random steps.
std::vector<double> worst_of(std::size_t d, const std::function<double(const std::vector<double>&)>& badness)
{
    std::vector<double> worst(d, 1);
    double most = -1e300;
    const auto offer = [&](const std::vector<double>& x) {
        if (const double now = badness(x); now > most) most = now, worst = x;
    };
    for (const std::size_t others : {std::size_t{0}, d / 2, d - 1})
        for (const double size : {1.0, 0.75, 0.5, 0.3, 0.1, 1e-3})
            for (const double whole : {1.0, 1.5, -1.75}) {
                std::vector<double> x(d, 0.0);
                x[0] = whole;
                for (std::size_t i = 1; i <= others; ++i) x[i] = (i % 3 == 0 ? -size : size) * whole;
                offer(x);
            }
    for (std::uint64_t climb = 0; climb < 150; ++climb) {
        std::vector<double> x = worst;
        const double width = std::exp2(-static_cast<double>(climb % 8));
        for (std::size_t i = 0; i < d; ++i)
            if (climb % 2 == 0 || scramble(climb, i) % d == 0) x[i] = x[i] * (1 + width * element<double>(pattern::uniform, i, d, climb)) + (climb % 5 == 0 ? width * 1e-2 : 0);
        offer(x);
    }
    return worst;
}

/// One compressor at one size. Unbiasedness is judged by the distance of the mean from x: a bias of 2^-16 of a step is 16 random bits'.
template <class C> void keeps_its_classes(const char* name, const C& compressor, const gc::tensor_list& list)
{
    const std::size_t d = list.total();
    CAPTURE(std::string(name));
    CAPTURE(d);
    const theory::membership stated = gc::stack::classes_over(compressor, list);
    drawn<C> operation(compressor, list);
    const auto worst = worst_of(d, [&](const std::vector<double>& x) { return broken(stated, operation.at(x, 40, 2)); });
    const theory::measurement seen = operation.at(worst, 10000, 6);
    CHECK(broken(stated, seen) <= 1e-9);
    if (stated.u) CHECK(seen.bias <= 3 * seen.bias_noise + 3e-5);
    CHECK((stated.u.has_value() || !C::unbiased));
}

template <class C> void keeps_its_classes(const char* name, const C& compressor, std::size_t d) { keeps_its_classes(name, compressor, one_tensor(d)); }

/// The mean of 20,000 draws lies within 6 standard errors of x in every coordinate, and no draw is farther from it than that could be by chance.
template <class C> void is_unbiased(const char* name, const C& compressor)
{
    CAPTURE(std::string(name));
    const std::vector<double> x{1, -0.3, 0.05, 0.77, -0.5, 0.123, 0.999, -0.02, 0.25, -0.8};
    drawn<C> operation(compressor, x.size());
    const theory::measurement seen = operation.at(x, 20000, 6);
    CHECK(seen.worst_coordinate <= 6);
    CHECK(std::abs(seen.alignment.mean - 1) <= seen.alignment.half_width + 1e-5);
    CHECK(seen.bias <= 3 * seen.bias_noise + 1e-12);
}

} // namespace

TEST_CASE("no search finds a vector on which a sparsifier breaks its classes")
{
    for (const std::size_t d : {1u, 2u, 3u, 9u, 33u, 64u})
        fuzzing::each_sparsifier([d](std::uint32_t, const char* name, const auto& compressor, const gc::tensor_list&) { keeps_its_classes(name, compressor, d); });
}

TEST_CASE("no search finds a vector on which a quantizer breaks its classes")
{
    for (const std::size_t d : {1u, 2u, 3u, 9u, 33u, 64u})
        fuzzing::each_quantizer([d](std::uint32_t, const char* name, const auto& compressor, const gc::tensor_list&) { keeps_its_classes(name, compressor, d); });
}

TEST_CASE("nor one on which forms without a golden file of their own break theirs")
{
    using gc::limit_unit, gc::norm, gc::rounding;
    for (const std::size_t d : {1u, 2u, 9u, 33u, 64u}) {
        keeps_its_classes("threshold_of_norm", gc::threshold<limit_unit::norm>{.limit = 1}, d);
        keeps_its_classes("threshold_of_norm_short", gc::threshold<limit_unit::norm>{.limit = 0.3, .ratio = 6}, d);
        keeps_its_classes("levels_nearest", gc::level_rounding<rounding::nearest>{.levels = {0.01, 0.1, 0.5, 1}, .bucket = 32}, d);
        keeps_its_classes("dithering_of_the_largest_nearest", gc::exponential_dithering<norm::infinity, rounding::nearest>{.base = 3, .levels = 4}, d);
        keeps_its_classes("dithering_by_the_norm_nearest", gc::exponential_dithering<norm::two, rounding::nearest>{.base = 1.5, .levels = 12}, d);
        keeps_its_classes("dithering_by_the_norm", gc::exponential_dithering<norm::two>{.base = 4, .levels = 5}, d);
        keeps_its_classes("dithering_by_the_sum", gc::exponential_dithering<norm::one>{.base = 1.25, .levels = 20}, d);
        keeps_its_classes("exponential_rounding", gc::exponential_rounding<>{.base = 3, .levels = 30}, d);
        keeps_its_classes("threshold_then_sign", gc::chain{gc::threshold<limit_unit::norm>{.limit = 0.8, .ratio = 2}, gc::block_sign{.bucket = 16}}, d);
        keeps_its_classes("blocks_then_levels", gc::chain{gc::block_top_k{.ratio = 2, .block = 5}, gc::level_rounding<rounding::nearest>{.bucket = 16}}, d);
        keeps_its_classes("random_then_natural", gc::chain{gc::rand_k<>{.ratio = 3}, gc::natural<>{}}, d);
    }
    for (const std::size_t columns : {1u, 3u, 8u}) keeps_its_classes("low_rank", gc::low_rank{.rank = 2}, gc::tensor_list{{"m", {7, columns}}, {"v", {3}}});
}

TEST_CASE("every unbiased operator's mean is x")
{
    std::size_t count = 0;
    const auto one = [&](std::uint32_t, const char* name, const auto& compressor, const gc::tensor_list&) {
        if constexpr (std::remove_cvref_t<decltype(compressor)>::unbiased) is_unbiased(name, compressor), ++count;
    };
    fuzzing::each_sparsifier(one);
    fuzzing::each_quantizer(one);
    CHECK(count == 12);
    // Forms that have no golden file of their own.
    is_unbiased("rand_k_shared", gc::rand_k<>{.ratio = 3});
    is_unbiased("e5m2", gc::cast<gc::fp8_e5m2, gc::rounding::stochastic>{});
    is_unbiased("half", gc::cast<gc::half, gc::rounding::stochastic>{});
    is_unbiased("dithering_of_the_largest", gc::natural_dithering<gc::norm::infinity>(5));
    is_unbiased("dithering_by_the_norm", gc::natural_dithering(7));
    is_unbiased("exponential_rounding", gc::exponential_rounding<>{.base = 3, .levels = 30});
}

TEST_CASE("the search finds what is wrong: classes with a constant one percent too good are broken")
{
    const gc::top_k options{.ratio = 4};
    drawn<gc::top_k> operation(options, 16);
    theory::membership wrong = options.classes(16);
    wrong.b3->delta *= 0.99;
    const auto worst = worst_of(16, [&](const std::vector<double>& x) { return broken(wrong, operation.at(x, 1, 2)); });
    CHECK(broken(wrong, operation.at(worst, 1, 6)) > 1e-3);
}
