/// @file The divergence guard: watches what is owed against what is new, and says which remedy fits.
#pragma once

#include <gradcomp/core/scalar.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

namespace gradcomp {
inline namespace observe {

/// What the guard knows of the memory, for its advice.
enum class feedback_kind { absent, attached, detached, estimate };

/// The guard's view after a step. Norms are estimates over every sixteenth tile of this rank's sweep; they never enter a result.
struct health_report {
    bool diverging = false;
    std::uint64_t step = 0;       ///< the step at which `diverging` became true
    double error_norm = 0;        ///< ||e|| after the last exchange; of an estimate, what the message left of p
    double update_norm = 0;       ///< ||D|| of the last exchange
    double growth = 1;            ///< direction norm, latest average over the smallest one
    std::string text;             ///< one or two sentences when diverging, else empty
};

/// What the guard counts, and when it calls a run diverging: the same for every executor; CUDA keeps it on the device.
///
/// Compares the average norm of the direction D / eta over the last 32 exchanges with the smallest such average so far. A healthy run's
/// direction shrinks or wanders within a small factor; an unstable one's grows exponentially. A hundredfold growth, or a norm that is no
/// number, is called divergence. Costs a few operations a step.
struct divergence_watch {
    static constexpr int window = 32;
    static constexpr double threshold = 100, beyond = 0x1.fffffffffffffp+1023;

    double error_norm = 0, update_norm = 0;            ///< of the last exchange that said something
    double growth = 1, flagged_growth = 1;             ///< latest average over the smallest one, and what it was when the run was flagged
    double sum = 0, smallest = beyond;                 ///< of squared directions: of this window, and of the windows so far
    std::uint64_t step = 0;                            ///< at which the run was flagged
    int count = 0;
    bool diverging = false;

    /// @param error_square, update_square squared norms of what stays behind and of D; @param scale what D was multiplied by (eta, or 1)
    GRADCOMP_HD void observe(double error_square, double update_square, double scale, std::uint64_t at)
    {
        error_norm = square_root(error_square);
        update_norm = square_root(update_square);
        const double direction = scale > 0 ? update_square / (scale * scale) : 0;
        sum += direction;
        if (!is_finite(direction)) return flag(at, beyond);
        if (++count < window) return;
        const double average = sum / window;
        sum = 0;
        count = 0;
        if (average > 0 && average < smallest) smallest = average;
        growth = average > 0 ? square_root(average / smallest) : 1;
        if (growth >= threshold) flag(at, growth);
    }
    /// The same from sums over `sampled` of `total` elements of type T. Leaves out steps whose D is lost in the rounding of p = e + D, or whose squares
    /// leave the range of T: they say nothing.
    template <class T> GRADCOMP_HD void observe_sample(double error_square, double update_square, std::uint64_t sampled, std::uint64_t total, double scale, std::uint64_t at)
    {
        if (sampled == 0) return;
        constexpr double resolution = sizeof(T) == 4 ? 0x1p-23 : 0x1p-52, smallest_normal = sizeof(T) == 4 ? 0x1p-126 : 0x1p-1022;
        const double noise = multiply_add(16 * resolution * resolution, error_square, smallest_normal / resolution * static_cast<double>(sampled));
        if (is_finite(noise) && update_square <= noise) return;
        const double all = static_cast<double>(total) / static_cast<double>(sampled);
        observe(error_square * all, update_square * all, scale, at);
    }

private:
    GRADCOMP_HD void flag(std::uint64_t at, double by)
    {
        if (diverging) return;
        diverging = true;
        step = at;
        flagged_growth = by;
    }
};

/// The watch with the words for what it saw.
class divergence_guard {
public:
    explicit divergence_guard(feedback_kind kind) : kind_(kind) {}
    divergence_guard(feedback_kind kind, const divergence_watch& watch) : kind_(kind), watch_(watch) {}

    void observe(double error_square, double update_square, double scale, std::uint64_t step) { watch_.observe(error_square, update_square, scale, step); }
    divergence_watch& watch() { return watch_; }

    /// The sentence is made here, so a step allocates nothing.
    health_report report() const
    {
        health_report out{watch_.diverging, watch_.step, watch_.error_norm, watch_.update_norm, watch_.growth, {}};
        if (!out.diverging) return out;
        const double owed = out.update_norm > 0 ? out.error_norm / out.update_norm : 0;
        out.text = "diverging since step " + std::to_string(out.step) + ": the update direction has grown " + growth_text()
            + "-fold, and the memory owes " + short_text(owed) + " updates (|e| = " + short_text(out.error_norm) + ", |D| = " + short_text(out.update_norm) + "). "
            + remedy();
        return out;
    }

private:
    std::string growth_text() const { return watch_.flagged_growth < divergence_watch::beyond ? short_text(watch_.flagged_growth) : "inf"; }
    static std::string short_text(double x)
    {
        char text[32];
        std::snprintf(text, sizeof text, "%.3g", x);
        return text;
    }
    const char* remedy() const
    {
        switch (kind_) {
        case feedback_kind::absent: return "Nothing repairs what the compressor drops: give the stack an error memory, such as def{.lambda = 0.3}.";
        case feedback_kind::attached:
            return "Gradients are taken far from where the owed updates lead: detach them (def{.lambda = 0.3}), lower the learning rate, or compress less.";
        case feedback_kind::detached:
        case feedback_kind::estimate: break;
        }
        return "Lower the learning rate, or compress less.";
    }
    feedback_kind kind_;
    divergence_watch watch_;
};

} // namespace observe
} // namespace gradcomp
