/// @file The library and a plain transcription side by side: what a test of the reference room needs to run both and compare them step by step.
#pragma once

#include "compressors.hpp"
#include "problem.hpp"
#include "vectors.hpp"

#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace side_by_side {

namespace gc = gradcomp;

using reference::vector;

inline const gc::tensor_list tensors{{"matrix", {4, 7}}, {"bias", {5}}, {"empty", {0, 3}}, {"scale", {}}, {"last", {13}}};
constexpr std::size_t size = 47;
constexpr int steps = 500;
constexpr double tolerance = 1e-12;

inline reference::quadratics problem_of(std::uint64_t seed) { return {.size = size, .seed = seed}; }

inline reference::settings settings_of(int ranks, int period)
{
    return {.workers = ranks, .steps = steps, .period = period, .momentum = 0.9, .weight_decay = 1e-3,
        .learning_rate = [](int t) { return t < 300 ? 0.02 : 0.004; }};
}

/// Applies a compressor for one tensor to each tensor of the list.
template <class One> reference::compressor per_tensor(One one)
{
    return [one](const vector& v, int worker, int step) {
        vector out = reference::zeros(v.size());
        for (std::size_t t = 0; t < tensors.count(); ++t) {
            const auto first = v.begin() + static_cast<std::ptrdiff_t>(tensors.offset(t));
            const vector c = one(t)(vector(first, first + static_cast<std::ptrdiff_t>(tensors.size(t))), worker, step);
            std::copy(c.begin(), c.end(), out.begin() + static_cast<std::ptrdiff_t>(tensors.offset(t)));
        }
        return out;
    };
}

/// max(1, floor(d / ratio)), 0 for an empty tensor.
inline std::size_t kept(std::size_t d, std::size_t ratio) { return std::min(d, std::max<std::size_t>(1, d / ratio)); }

/// The top-k of each tensor, by a full sort.
inline reference::compressor plain_top_k(std::size_t ratio)
{
    return per_tensor([ratio](std::size_t t) { return reference::top_k(kept(tensors.size(t), ratio)); });
}

/// One run of each tensor that wraps around; only where it starts is taken from the library, whose random numbers are a contract.
inline reference::compressor plain_random_block(std::size_t ratio, std::uint64_t seed, int period)
{
    return per_tensor([=](std::size_t t) -> reference::compressor {
        return [=](const vector& v, int, int step) {
            vector out = reference::zeros(v.size());
            if (v.empty()) return out;
            const auto exchange = static_cast<std::uint32_t>(step / period);
            const std::size_t start = gc::random_stream{seed, exchange, static_cast<std::uint32_t>(t), gc::purpose::random_block, 0}.below(v.size());
            for (std::size_t j = 0; j < kept(v.size(), ratio); ++j) out[(start + j) % v.size()] = v[(start + j) % v.size()];
            return out;
        };
    });
}

/// What a run of the library did, in the form of the transcriptions' traces.
struct library_trace : reference::trace {
    std::vector<std::vector<vector>> evaluated;  ///< [exchange][worker]: evaluate_at() after that many exchanges
    std::vector<std::vector<vector>> own;        ///< [exchange][worker]: x - e_worker
    std::vector<std::vector<vector>> corrected;  ///< [exchange][worker]: x - mean e
};

/// Runs make(communicator) as `run` says; the gradient is taken at gradient_point(), step by step, and everything is noted. `before(exchange, t, communicator)`
/// is called before the gradient of step t is taken.
template <class Make, class Before>
library_trace run_library(const vector& start, const reference::settings& run, const reference::gradient_function& gradient, Make make, Before before)
{
    const std::size_t entries = static_cast<std::size_t>(run.steps) + 1, ranks = static_cast<std::size_t>(run.workers);
    library_trace out;
    out.x.resize(entries);
    for (auto* of : {&out.error, &out.point, &out.evaluated, &out.own, &out.corrected}) of->assign(entries, std::vector<vector>(ranks));
    std::vector<vector> last(ranks);
    gc::comm::run_ranks(run.workers, [&](gc::comm::in_process communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        const auto stack = make(communicator);
        vector x = start;
        auto exchange = stack.attach(tensors, x);
        for (int t = 0; t <= run.steps; ++t) {
            const auto at = static_cast<std::size_t>(t);
            if (rank == 0) out.x[at] = x;
            out.error[at][rank].assign(exchange.error().begin(), exchange.error().end());
            if (t % run.period == 0 && (t / run.period) % 7 == 0) {
                out.evaluated[at][rank] = out.own[at][rank] = out.corrected[at][rank] = vector(size);
                exchange.evaluate_at(out.evaluated[at][rank]);
                exchange.evaluate_at(out.own[at][rank], gc::evaluation_point::local);
                exchange.evaluate_at(out.corrected[at][rank], gc::evaluation_point::mean_corrected);
            }
            if (t == run.steps) break;
            before(exchange, t, communicator);
            const auto point = exchange.gradient_point();
            out.point[at][rank].assign(point.begin(), point.end());
            exchange.step(gradient(communicator.rank(), t, out.point[at][rank]), run.learning_rate(t));
        }
        last[rank] = x;
    });
    for (const vector& x : last) REQUIRE(x == last[0]); // the same bits on every rank
    out.point.pop_back();
    return out;
}

template <class Make> library_trace run_library(const vector& start, const reference::settings& run, const reference::gradient_function& gradient, Make make)
{
    return run_library(start, run, gradient, make, [](auto&, int, gc::comm::in_process) {});
}

inline double furthest(const std::vector<vector>& a, const std::vector<vector>& b)
{
    REQUIRE(a.size() == b.size());
    double out = 0;
    for (std::size_t k = 0; k < a.size(); ++k) out = std::max(out, reference::distance(a[k], b[k]));
    return out;
}

struct compare_options {
    bool error = true;           ///< the memory is that of the transcription, between exchanges
    const char* evaluated = "x"; ///< what evaluate_at() gives: x, mean or own
    bool gradient_units = false; ///< the transcription's error lacks the learning rate
    bool points = true;          ///< x - e and x - mean e mean something
};

/// Every step's x, gradient points, errors and evaluation points.
inline void compare(const library_trace& library, const reference::trace& plain, const reference::settings& run, compare_options options)
{
    double x = 0, error = 0, point = 0, evaluated = 0, own = 0, corrected = 0;
    REQUIRE(library.x.size() == plain.x.size());
    for (std::size_t t = 0; t < plain.x.size(); ++t) {
        x = std::max(x, reference::distance(plain.x[t], library.x[t]));
        if (t < plain.point.size()) point = std::max(point, furthest(plain.point[t], library.point[t]));
        if (t % static_cast<std::size_t>(run.period) != 0) continue;
        if (options.error) error = std::max(error, furthest(plain.error[t], library.error[t]));
        if (library.evaluated[t][0].empty()) continue;
        const double owed = options.gradient_units && t > 0 ? run.learning_rate(static_cast<int>(t) - 1) : 1;
        const vector mean = reference::sum(plain.x[t], -owed, reference::mean(plain.error[t]));
        for (std::size_t k = 0; k < plain.error[t].size(); ++k) {
            const vector mine = reference::sum(plain.x[t], -owed, plain.error[t][k]);
            const vector& wanted = options.evaluated == std::string("x") ? plain.x[t] : options.evaluated == std::string("mean") ? mean : mine;
            evaluated = std::max(evaluated, reference::distance(wanted, library.evaluated[t][k]));
            if (!options.points) continue;
            own = std::max(own, reference::distance(mine, library.own[t][k]));
            corrected = std::max(corrected, reference::distance(mean, library.corrected[t][k]));
        }
    }
    CHECK(x <= tolerance);
    CHECK(point <= tolerance);
    CHECK(error <= tolerance);
    CHECK(evaluated <= tolerance);
    CHECK(own <= tolerance);
    CHECK(corrected <= tolerance);
    CHECK(reference::distance(plain.x.front(), plain.x.back()) > 0.1); // the run went somewhere
}

inline const gc::momentum local{.beta = 0.9, .weight_decay = 1e-3};

} // namespace side_by_side
