/// @file The divergence guard: watches what is owed against what is new, and says which remedy fits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>

namespace gradcomp {
inline namespace observe {

/// What the guard knows of the memory, for its advice.
enum class feedback_kind { absent, attached, detached };

/// The guard's view after a step. Norms are estimates over every sixteenth tile of this rank's sweep; they never enter a result.
struct health_report {
    bool diverging = false;
    std::uint64_t step = 0;       ///< the step at which `diverging` became true
    double error_norm = 0;        ///< ||e|| after the last exchange
    double update_norm = 0;       ///< ||D|| of the last exchange
    double growth = 1;            ///< direction norm, latest average over the smallest one
    std::string text;             ///< one or two sentences when diverging, else empty
};

/// Compares the average norm of the direction D / eta over the last 32 exchanges with the smallest such average so far.
///
/// A healthy run's direction shrinks or wanders within a small factor; an unstable one's grows exponentially. A hundredfold growth, or a
/// norm that is no number, is called divergence. Costs a few operations a step.
class divergence_guard {
public:
    explicit divergence_guard(feedback_kind kind) : kind_(kind) {}

    /// @param error_square, update_square squared norms of what stays behind and of D; @param scale what D was multiplied by (eta, or 1)
    void observe(double error_square, double update_square, double scale, std::uint64_t step)
    {
        report_.error_norm = std::sqrt(error_square);
        report_.update_norm = std::sqrt(update_square);
        const double direction = scale > 0 ? update_square / (scale * scale) : 0;
        sum_ += direction;
        if (!std::isfinite(direction)) return flag(step, std::numeric_limits<double>::infinity());
        if (++count_ < window) return;
        const double average = sum_ / window;
        sum_ = 0;
        count_ = 0;
        if (average > 0) smallest_ = std::min(smallest_, average);
        report_.growth = average > 0 ? std::sqrt(average / smallest_) : 1;
        if (report_.growth >= threshold) flag(step, report_.growth);
    }

    /// The sentence is made here, so a step allocates nothing.
    health_report report() const
    {
        health_report out = report_;
        if (!out.diverging) return out;
        const double owed = out.update_norm > 0 ? out.error_norm / out.update_norm : 0;
        out.text = "diverging since step " + std::to_string(out.step) + ": the update direction has grown " + short_text(flagged_growth_)
            + "-fold, and the memory owes " + short_text(owed) + " updates (|e| = " + short_text(out.error_norm) + ", |D| = " + short_text(out.update_norm) + "). "
            + remedy();
        return out;
    }

private:
    static constexpr int window = 32;
    static constexpr double threshold = 100;

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
        case feedback_kind::detached: break;
        }
        return "Lower the learning rate, or compress less.";
    }
    void flag(std::uint64_t step, double growth)
    {
        if (report_.diverging) return;
        report_.diverging = true;
        report_.step = step;
        flagged_growth_ = growth;
    }

    feedback_kind kind_;
    double sum_ = 0, smallest_ = std::numeric_limits<double>::infinity(), flagged_growth_ = 1;
    int count_ = 0;
    health_report report_;
};

} // namespace observe
} // namespace gradcomp
