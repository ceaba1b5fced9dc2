/// @file Learning rates that the theorems allow, the rates of convergence that they promise, and the warning when a run exceeds them.
///
/// L is the smoothness of the loss, mu its strong convexity (0: merely convex or not convex), eta the learning rate.
/// @cite Compressed gradient descent: Beznosikov et al., JMLR 24(276), 2023; its one-step bounds are derived again in docs/theory.md.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/scalar.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/theory/conversions.hpp>

#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace gradcomp::theory {

/// How sure a number is.
enum class confidence {
    proved,    ///< derived in this library's documents and checked by its tests
    unverified ///< the form is the cited paper's, the constants were not compared with its text: a guide, not a guarantee
};

/// The words for a confidence, as they stand in warnings.
constexpr std::string_view name_of(confidence c) { return c == confidence::proved ? "proved" : "constants not verified against the source"; }

/// The largest eta for which one step x - eta C(grad f(x)) cannot increase f in expectation: 2/(beta L), and for U and B3 2/(zeta L) and 1/L.
///
/// f(x - eta C) <= f - eta t G + (L/2) eta^2 s G with G = ||grad f||^2 and t, s as in conversions.hpp; s <= beta t makes it
/// <= f - (eta/2)(2 - eta beta L) t G. For B3, eta <= 1/L replaces L by 1/eta: f - (eta/2)(2t - s) G <= f - (eta/2)(1/delta) G.
constexpr double largest_learning_rate(class_b1 c, double smoothness) { return 2 / (c.beta * smoothness); }
/// @copydoc largest_learning_rate(class_b1,double)
constexpr double largest_learning_rate(class_b2 c, double smoothness) { return 2 / (c.beta * smoothness); }
/// @copydoc largest_learning_rate(class_b1,double)
constexpr double largest_learning_rate(class_u c, double smoothness) { return 2 / (c.zeta * smoothness); }
/// @copydoc largest_learning_rate(class_b1,double)
constexpr double largest_learning_rate(class_b3, double smoothness) { return 1 / smoothness; }

/// The eta with the best bound on one step: 1/(beta L), 1/(zeta L) for U, 1/L for B3.
constexpr double recommended_learning_rate(class_b1 c, double smoothness) { return 1 / (c.beta * smoothness); }
/// @copydoc recommended_learning_rate(class_b1,double)
constexpr double recommended_learning_rate(class_b2 c, double smoothness) { return 1 / (c.beta * smoothness); }
/// @copydoc recommended_learning_rate(class_b1,double)
constexpr double recommended_learning_rate(class_u c, double smoothness) { return 1 / (c.zeta * smoothness); }
/// @copydoc recommended_learning_rate(class_b1,double)
constexpr double recommended_learning_rate(class_b3, double smoothness) { return 1 / smoothness; }

/// The factor by which E f(x) - f* shrinks at least in one step, for 0 <= eta <= largest_learning_rate(): B2 1 - gamma eta mu (2 - eta beta L),
/// B1 the same with gamma = alpha / beta, U with gamma = 1 and beta = zeta, B3 1 - eta mu / delta.
constexpr double contraction_factor(class_b2 c, double eta, double smoothness, double strong_convexity)
{
    return 1 - c.gamma * eta * strong_convexity * (2 - eta * c.beta * smoothness);
}
/// @copydoc contraction_factor(class_b2,double,double,double)
constexpr double contraction_factor(class_b1 c, double eta, double smoothness, double strong_convexity)
{
    return contraction_factor(b2_of(c), eta, smoothness, strong_convexity);
}
/// @copydoc contraction_factor(class_b2,double,double,double)
constexpr double contraction_factor(class_u c, double eta, double smoothness, double strong_convexity)
{
    return contraction_factor(b2_of(c), eta, smoothness, strong_convexity);
}
/// @copydoc contraction_factor(class_b2,double,double,double)
constexpr double contraction_factor(class_b3 c, double eta, double, double strong_convexity) { return 1 - eta * strong_convexity / c.delta; }

/// Steps until the factor has shrunk E f(x) - f* to epsilon times its start, 0 < epsilon < 1; infinity for a factor that does not shrink.
inline double iterations_to(double epsilon, double factor)
{
    if (!(factor < 1)) return std::numeric_limits<double>::infinity();
    if (!(factor > 0)) return 1;
    return std::ceil(std::log(epsilon) / std::log(factor));
}

/// Steps of x - eta C(grad f(x)) at the recommended eta until E f(x) - f* is epsilon times its start, for a class of operators: to leading order
/// (beta^2/alpha) kappa log(1/epsilon) for B1, (beta/gamma) kappa log for B2, delta kappa log for B3, zeta kappa log for U, kappa = L/mu.
template <class Class> double iterations_to(double epsilon, Class c, double smoothness, double strong_convexity)
{
    return iterations_to(epsilon, contraction_factor(c, recommended_learning_rate(c, smoothness), smoothness, strong_convexity));
}

/// A learning rate with its origin.
struct allowed_learning_rate {
    double largest = 0;
    confidence how_sure = confidence::proved;
    std::string_view rule = {}; ///< the formula and where it comes from
};

/// Distributed SGD with error feedback around a contraction, any number of workers: eta <= 1 / (14 (2 delta + B) L).
///
/// The memory is in model units: c = C(e + eta g), e' = e + eta g - c, x' = x - mean c. B bounds how the gradient's noise grows with
/// the gradient: E||g - grad f||^2 <= B ||grad f||^2 + constant; 0 when it does not. Needs each worker's loss L-smooth; with mu > 0 a
/// weighted average of the iterates converges. How 2 delta + B enters is the paper's; the constant 14 is marked unverified.
/// @cite Beznosikov et al., JMLR 24(276), 2023, the theorem on distributed SGD with biased compression and error feedback.
constexpr allowed_learning_rate error_feedback_learning_rate(class_b3 c, double smoothness, double noise_growth = 0)
{
    return {1 / (14 * (2 * c.delta + noise_growth) * smoothness), confidence::unverified,
        "1 / (14 (2 delta + B) L), error feedback (Beznosikov et al., JMLR 24(276), 2023)"};
}

/// The largest eta of any class that holds, for compressed gradient descent without an error memory; 0 where no class holds.
constexpr allowed_learning_rate descent_learning_rate(const membership& of_c, double smoothness)
{
    const membership m = complete(of_c);
    allowed_learning_rate best{0, confidence::proved, "no class of the operator allows any"};
    // B1 and U add nothing here: complete() gave B2 the better of their betas.
    if (m.b3) best = {largest_learning_rate(*m.b3, smoothness), confidence::proved, "1 / L, compressed gradient descent, class B3"};
    if (m.b2 && largest_learning_rate(*m.b2, smoothness) > best.largest)
        best = {largest_learning_rate(*m.b2, smoothness), confidence::proved, "2 / (beta L), compressed gradient descent, class B2"};
    return best;
}

/// What check_learning_rate() needs to know of a run.
struct training_run {
    double learning_rate = 0;
    double smoothness = 0;       ///< L of each worker's loss; 0 for unknown, and then nothing is checked
    double momentum = 0;         ///< the local momentum, in [0, 1)
    bool error_feedback = false; ///< an error memory (ef, def, saef, psync, ...) is in use
    int workers = 1;
    double noise_growth = 0;     ///< B of error_feedback_learning_rate()
};

/// A learning rate above what the theorems allow: advice, not an error, since theorems are cautious and real losses kind.
struct learning_rate_warning {
    training_run run;
    double effective = 0;          ///< learning_rate / (1 - momentum)
    double delta = 0;              ///< of class B3; infinity for an operator that is no contraction
    allowed_learning_rate allowed; ///< the bound that is exceeded

    /// One paragraph with all the numbers.
    std::string text() const
    {
        std::string out = "The learning rate " + text_of(run.learning_rate);
        if (run.momentum > 0) out += " with momentum " + text_of(run.momentum) + " acts like " + short_text(effective) + " (eta / (1 - beta)) and";
        if (!(allowed.largest > 0)) {
            return out + " is covered by no theorem: " + std::string(allowed.rule)
                 + ". Use error feedback around a contraction, or an unbiased compressor.";
        }
        out += " is above " + short_text(allowed.largest) + ", the largest that theory allows here (" + std::string(allowed.rule) + ", with ";
        if (run.error_feedback) out += "delta = " + short_text(delta) + ", B = " + text_of(run.noise_growth) + ", ";
        out += "L = " + text_of(run.smoothness) + "; " + std::string(name_of(allowed.how_sure)) + "). It is " + short_text(effective / allowed.largest)
             + " times that. Training may still converge, for the bound is a worst case; ";
        return out + (run.error_feedback ? "if the error memory grows, lower the learning rate, send more, or take the gradient at x - lambda e (def)."
                                         : "lower the learning rate or send more.");
    }

private:
    static std::string short_text(double x)
    {
        char text[32];
        std::snprintf(text, sizeof text, "%.3g", x);
        return text;
    }
};

/// The bound that applies to a run; largest = 0 where no theorem covers it.
constexpr allowed_learning_rate learning_rate_bound(const membership& of_c, const training_run& run)
{
    const membership m = complete(of_c);
    // An operator that loses nothing leaves its memory empty, so both kinds of run are plain gradient descent.
    if (is_lossless(m)) return descent_learning_rate(m, run.smoothness);
    if (run.error_feedback) {
        if (!m.b3) return {0, confidence::proved, "error feedback needs a contraction, and the operator is none"};
        return error_feedback_learning_rate(*m.b3, run.smoothness, run.noise_growth);
    }
    // Workers with biased messages and no memory may diverge at every learning rate (docs/theory.md); unbiased ones average their errors out.
    if (run.workers > 1 && !is_unbiased(m))
        return {0, confidence::proved, "several workers with biased messages and no error memory may diverge at every learning rate"};
    return descent_learning_rate(m, run.smoothness);
}

/// Compares a run's learning rate with what the theorems allow; momentum beta counts as the learning rate eta / (1 - beta), to which heavy-ball
/// steps add up along a constant gradient (the theorems themselves are for beta = 0).
/// @param m the classes of the packed operator at its real sizes, see operators.hpp.
/// @return nothing when the rate is allowed, is 0, or L is unknown.
/// @throws error invalid_option for a learning_rate, smoothness or noise_growth that is negative, NaN or infinite, for momentum outside
///     [0, 1), or workers below 1.
inline std::optional<learning_rate_warning> check_learning_rate(const membership& m, const training_run& run)
{
    const auto check = [](bool holds, const char* field, double value, const char* sentence) {
        if (!holds) throw error(error_code::invalid_option, field, text_of(value), sentence);
    };
    const auto not_negative = [](double x) { return is_finite(x) && x >= 0; };
    check(not_negative(run.learning_rate), "learning_rate", run.learning_rate, "must be finite and not negative");
    check(not_negative(run.smoothness), "smoothness", run.smoothness, "must be finite and not negative (0 for unknown)");
    check(not_negative(run.noise_growth), "noise_growth", run.noise_growth, "must be finite and not negative");
    check(not_negative(run.momentum) && run.momentum < 1, "momentum", run.momentum, "must be at least 0 and below 1");
    check(run.workers >= 1, "workers", run.workers, "must be at least 1");
    if (run.smoothness == 0 || run.learning_rate == 0) return std::nullopt;
    const double effective = run.learning_rate / (1 - run.momentum);
    const allowed_learning_rate allowed = learning_rate_bound(m, run);
    if (effective <= allowed.largest) return std::nullopt;
    const std::optional<class_b3> b3 = complete(m).b3;
    return learning_rate_warning{run, effective, b3 ? b3->delta : std::numeric_limits<double>::infinity(), allowed};
}

} // namespace gradcomp::theory
