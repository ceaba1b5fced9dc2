/// @file Step sizes and rates against runs and one-step searches; the text of the warning.
#include <gradcomp/theory/operators.hpp>
#include <gradcomp/theory/step_size.hpp>

#include "exact_operator.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>

namespace gc = gradcomp;
namespace theory = gradcomp::theory;
using doctest::Approx;

namespace {

/// f(x) = sum h_i x_i^2 / 2.
double quadratic(const exact::vector& h, const exact::vector& x)
{
    double out = 0;
    for (std::size_t i = 0; i < x.size(); ++i) out += 0.5 * h[i] * x[i] * x[i];
    return out;
}

/// E f(x - eta C(grad f(x))) by enumeration.
double after_step(const exact::vector& h, const exact::vector& x, double eta, const exact::operation& c)
{
    exact::vector g = x;
    for (std::size_t i = 0; i < x.size(); ++i) g[i] *= h[i];
    double out = 0;
    for (const auto& o : c(g)) {
        exact::vector next = x;
        for (std::size_t i = 0; i < x.size(); ++i) next[i] -= eta * o.value[i];
        out += o.probability * quadratic(h, next);
    }
    return out;
}

std::string warning_text(const theory::membership& m, const theory::training_run& run)
{
    const auto warning = theory::check_learning_rate(m, run);
    return warning ? warning->text() : "no warning";
}

} // namespace

TEST_CASE("no step of compressed gradient descent shrinks a quadratic less than the factor of any class says")
{
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> uniform(0, 1);
    int checked = 0;
    for (std::size_t d = 2; d <= 5; ++d)
        for (std::size_t k = 1; k <= d; ++k) {
            const double share = static_cast<double>(k) / static_cast<double>(d);
            const std::pair<theory::membership, exact::operation> cases[] = {{theory::top_k(d, k), exact::top_k(k)},
                {theory::rand_k(d, k), exact::random_subset(k, 1)}, {theory::rand_k_unbiased(d, k), exact::random_subset(k, 1 / share)},
                {theory::delta_scaling(0.4), exact::times(0.4)}};
            for (int n = 0; n < 60; ++n) {
                exact::vector h(d);
                for (double& value : h) value = std::pow(10.0, 2 * uniform(random) - 1);
                const double smooth = *std::max_element(h.begin(), h.end()), convex = *std::min_element(h.begin(), h.end());
                for (const auto& [m, c] : cases)
                    for (const auto& x : exact::probes(d, static_cast<unsigned>(n), 4)) {
                        const double before = quadratic(h, x), place = uniform(random);
                        const auto check = [&](auto of_class) {
                            const double eta = place * theory::largest_learning_rate(of_class, smooth);
                            CHECK(after_step(h, x, eta, c) <= before * theory::contraction_factor(of_class, eta, smooth, convex) * (1 + 1e-12));
                            ++checked;
                        };
                        if (m.u) check(*m.u);
                        if (m.b1) check(*m.b1);
                        if (m.b2) check(*m.b2);
                        if (m.b3) check(*m.b3);
                    }
            }
        }
    CHECK(checked > 20000);
}

TEST_CASE("above the largest learning rate the bound of B2 fails: C = I grows beyond 2/L")
{
    const exact::vector h{1, 1}, x{1, -1};
    CHECK(after_step(h, x, 2.0, exact::times(1)) == Approx(quadratic(h, x)));
    CHECK(after_step(h, x, 2.01, exact::times(1)) > quadratic(h, x));
    CHECK(theory::largest_learning_rate(*theory::identity().b2, 1.0) == 2);
}

TEST_CASE("rates and recommended steps are the formulas of the paper")
{
    const double smooth = 4, convex = 0.5;
    CHECK(theory::recommended_learning_rate(theory::class_b1{0.2, 1.5}, smooth) == Approx(1 / 6.0));
    CHECK(theory::recommended_learning_rate(theory::class_b2{0.2, 1.5}, smooth) == Approx(1 / 6.0));
    CHECK(theory::recommended_learning_rate(theory::class_u{3}, smooth) == Approx(1 / 12.0));
    CHECK(theory::recommended_learning_rate(theory::class_b3{9}, smooth) == Approx(0.25));
    CHECK(theory::largest_learning_rate(theory::class_b1{0.2, 1.5}, smooth) == Approx(1 / 3.0));
    CHECK(theory::largest_learning_rate(theory::class_u{3}, smooth) == Approx(1 / 6.0));
    CHECK(theory::largest_learning_rate(theory::class_b3{9}, smooth) == Approx(0.25));
    // At the recommended step: 1 - alpha mu / (beta^2 L), 1 - gamma mu / (beta L), 1 - mu / (zeta L), 1 - mu / (delta L).
    CHECK(theory::contraction_factor(theory::class_b1{0.2, 1.5}, 1 / 6.0, smooth, convex) == Approx(1 - 0.2 * 0.5 / (2.25 * 4)));
    CHECK(theory::contraction_factor(theory::class_b2{0.2, 1.5}, 1 / 6.0, smooth, convex) == Approx(1 - 0.2 * 0.5 / (1.5 * 4)));
    CHECK(theory::contraction_factor(theory::class_u{3}, 1 / 12.0, smooth, convex) == Approx(1 - 0.5 / (3 * 4)));
    CHECK(theory::contraction_factor(theory::class_b3{9}, 0.25, smooth, convex) == Approx(1 - 0.5 / (9 * 4)));
}

TEST_CASE("iterations_to counts the steps of a geometric decay")
{
    CHECK(theory::iterations_to(1e-3, 0.5) == 10);
    CHECK(theory::iterations_to(0.5, 0.5) == 1);
    CHECK(theory::iterations_to(1e-6, 0) == 1);
    CHECK(theory::iterations_to(1e-6, 1) == std::numeric_limits<double>::infinity());
    CHECK(theory::iterations_to(1e-6, 1.5) == std::numeric_limits<double>::infinity());
    double left = 1;
    for (int i = 0; i < static_cast<int>(theory::iterations_to(1e-4, 0.97)); ++i) left *= 0.97;
    CHECK(left <= 1e-4);
    CHECK(left / 0.97 > 1e-4);
}

TEST_CASE("steps to epsilon of each class are its complexity times kappa log(1/epsilon)")
{
    const double smooth = 4, convex = 0.001, epsilon = 1e-3, unit = smooth / convex * std::log(1 / epsilon);
    const auto near = [&](double steps, double complexity) { CHECK(steps == Approx(complexity * unit).epsilon(1e-3)); };
    near(theory::iterations_to(epsilon, theory::class_b1{0.2, 1.5}, smooth, convex), 1.5 * 1.5 / 0.2);
    near(theory::iterations_to(epsilon, theory::class_b2{0.2, 1.5}, smooth, convex), 1.5 / 0.2);
    near(theory::iterations_to(epsilon, theory::class_b3{9}, smooth, convex), 9);
    near(theory::iterations_to(epsilon, theory::class_u{3}, smooth, convex), 3);
}

TEST_CASE("the error feedback step is 1 / (14 (2 delta + B) L) and says how sure it is")
{
    const theory::allowed_learning_rate rate = theory::error_feedback_learning_rate({64}, 2, 3);
    CHECK(rate.largest == Approx(1 / (14.0 * 131 * 2)));
    CHECK(rate.how_sure == theory::confidence::unverified);
    CHECK(std::string(rate.rule).find("Beznosikov") != std::string::npos);
    CHECK(theory::descent_learning_rate(theory::top_k(10, 1), 2).how_sure == theory::confidence::proved);
}

TEST_CASE("which bound applies: class B2 where it is wider, none without a class, plain descent where nothing is lost")
{
    CHECK(theory::descent_learning_rate(theory::top_k(10, 1), 4).largest == 0.5);             // 2 / (beta L), beta = 1
    CHECK(theory::descent_learning_rate(theory::rand_k_unbiased(100, 5), 4).largest == 0.025); // 2 / (zeta L)
    CHECK(theory::descent_learning_rate({.b3 = theory::class_b3{10}}, 4).largest == Approx(2 / ((1 + std::sqrt(0.9)) * 4)));
    CHECK(theory::descent_learning_rate({}, 4).largest == 0);
    theory::training_run run{.learning_rate = 1, .smoothness = 4, .error_feedback = true, .workers = 8};
    CHECK(theory::learning_rate_bound(theory::identity(), run).largest == 0.5);
    CHECK(theory::learning_rate_bound(theory::top_k(10, 1), run).largest == Approx(1 / (14.0 * 20 * 4)));
    CHECK(theory::learning_rate_bound(theory::rand_k_unbiased(10, 1), run).largest == 0);
    run.error_feedback = false;
    CHECK(theory::learning_rate_bound(theory::top_k(10, 1), run).largest == 0);
    CHECK(theory::learning_rate_bound(theory::rand_k_unbiased(100, 5), run).largest == 0.025);
    run.workers = 1;
    CHECK(theory::learning_rate_bound(theory::top_k(10, 1), run).largest == 0.5);
}

TEST_CASE("check_learning_rate warns only above the bound, counts momentum, and is silent while L is unknown")
{
    const theory::membership m = theory::random_block(1.0 / 64);
    const double bound = 1 / (14.0 * 128 * 2);
    theory::training_run run{.learning_rate = bound * 0.999, .smoothness = 2, .error_feedback = true, .workers = 8};
    CHECK_FALSE(theory::check_learning_rate(m, run).has_value());
    run.learning_rate = bound * 1.001;
    CHECK(theory::check_learning_rate(m, run).has_value());
    run.smoothness = 0;
    CHECK_FALSE(theory::check_learning_rate(m, run).has_value());
    run = {.learning_rate = bound * 0.5, .smoothness = 2, .momentum = 0.9, .error_feedback = true};
    const auto warning = theory::check_learning_rate(m, run);
    REQUIRE(warning.has_value());
    CHECK(warning->effective == Approx(5 * bound));
    CHECK(warning->delta == 64);
    CHECK(warning->allowed.largest == Approx(bound));
    run.learning_rate = 0;
    CHECK_FALSE(theory::check_learning_rate(m, run).has_value());
}

TEST_CASE("the warning is whole sentences with the numbers in them")
{
    CHECK(warning_text(theory::random_block(1.0 / 64), {.learning_rate = 0.05, .smoothness = 1, .momentum = 0.9, .error_feedback = true, .workers = 8})
          == "The learning rate 0.05 with momentum 0.9 acts like 0.5 (eta / (1 - beta)) and is above 0.000558, the largest that theory allows here "
             "(1 / (14 (2 delta + B) L), error feedback (Beznosikov et al., JMLR 24(276), 2023), with delta = 64, B = 0, L = 1; constants not verified "
             "against the source). It is 896 times that. Training may still converge, for the bound is a worst case; if the error memory grows, lower "
             "the learning rate, send more, or take the gradient at x - lambda e (def).");
    CHECK(warning_text(theory::top_k(100, 5), {.learning_rate = 3, .smoothness = 1})
          == "The learning rate 3 is above 2, the largest that theory allows here (2 / (beta L), compressed gradient descent, class B2, with L = 1; "
             "proved). It is 1.5 times that. Training may still converge, for the bound is a worst case; lower the learning rate or send more.");
    CHECK(warning_text(theory::top_k(100, 5), {.learning_rate = 0.1, .smoothness = 1, .workers = 3})
          == "The learning rate 0.1 is covered by no theorem: several workers with biased messages and no error memory may diverge at every learning "
             "rate. Use error feedback around a contraction, or an unbiased compressor.");
    CHECK(warning_text(theory::nothing(), {.learning_rate = 0.1, .smoothness = 1, .momentum = 0.5, .error_feedback = true})
          == "The learning rate 0.1 with momentum 0.5 acts like 0.2 (eta / (1 - beta)) and is covered by no theorem: error feedback needs a "
             "contraction, and the operator is none. Use error feedback around a contraction, or an unbiased compressor.");
}

TEST_CASE("a run's numbers outside their ranges are errors that name field and value")
{
    const auto field_of = [](const theory::training_run& run) -> std::string {
        try {
            theory::check_learning_rate(theory::identity(), run);
        } catch (const gc::error& e) {
            CHECK(e.code() == gc::error_code::invalid_option);
            return e.field() + " = " + e.value();
        }
        return "no error";
    };
    const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    CHECK(field_of({.learning_rate = -0.1}) == "learning_rate = -0.1");
    CHECK(field_of({.learning_rate = nan}) == "learning_rate = nan");
    CHECK(field_of({.learning_rate = 0.1, .smoothness = infinity}) == "smoothness = inf");
    CHECK(field_of({.learning_rate = 0.1, .smoothness = -1}) == "smoothness = -1");
    CHECK(field_of({.learning_rate = 0.1, .momentum = 1}) == "momentum = 1");
    CHECK(field_of({.learning_rate = 0.1, .momentum = -0.5}) == "momentum = -0.5");
    CHECK(field_of({.learning_rate = 0.1, .workers = 0}) == "workers = 0");
    CHECK(field_of({.learning_rate = 0.1, .noise_growth = -2}) == "noise_growth = -2");
    CHECK(field_of({.learning_rate = 0.1, .smoothness = 1}) == "no error");
}
