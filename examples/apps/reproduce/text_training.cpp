/// @file One rank's steps on text, and what rank 0 keeps of them.
#include "reproduce/text_training.hpp"

#include "methods.hpp"
#include "random.hpp"
#include "schedule.hpp"

#include <gradcomp/gradcomp.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

constexpr double lambda = 0.3;
constexpr std::size_t first_look = 64; ///< the earliest measurement, in steps, of a run that is longer

/// What the ranks of one training share; rank 0 writes records and progress.
struct text_run {
    const models::character_mlp& model;
    const data::character_text& text;
    const text_settings& settings;
    record base;
    progress_bar& progress;
    step_schedule schedule;
    std::set<std::size_t> looks = {}; ///< after so many steps, before the end
    std::vector<record> records = {};

    text_run(const models::character_mlp& m, const data::character_text& t, const text_settings& s, const record& facts, progress_bar& bar)
        : model(m), text(t), settings(s), base(facts), progress(bar), schedule(1, s.steps * s.workers * s.batch, s.workers, s.batch, s.learning_rate)
    {
        const double first = static_cast<double>(std::min(first_look, s.steps)), whole = static_cast<double>(s.steps);
        for (std::size_t i = 0; i + 1 < s.points; ++i)
            looks.insert(static_cast<std::size_t>(first * std::pow(whole / first, static_cast<double>(i) / static_cast<double>(s.points - 1))));
    }
};

class text_rank {
public:
    std::vector<float> x;

    text_rank(text_run& run, gc::comm::in_process communicator)
        : x(run.model.size()), run_(run), communicator_(communicator), rank_(static_cast<std::size_t>(communicator.rank())), work_(run.model, std::max(rows, run.settings.batch)),
          gradient_(x.size()), point_(x.size()), positions_(std::max(rows, run.settings.batch))
    {
        run.model.initialise(x, run.settings.seed);
    }

    /// All steps, or those before a gradient was no longer finite; every rank throws alike, so every rank leaves the loop in the same step.
    template <class Exchange> void go(Exchange& exchange)
    {
        const text_settings& s = run_.settings;
        std::size_t step = 0;
        try {
            for (; step < s.steps; ++step) {
                if (run_.looks.contains(step)) keep(exchange, step, look(exchange, s.thinning));
                loss_ += run_.model.gradient(exchange.gradient_point(), run_.text.train, draw(step), gradient_, work_);
                ++losses_;
                exchange.step(std::span<const float>(gradient_), run_.schedule.rate_at(step));
            }
        } catch (const gc::error& error) {
            if (error.code() != gc::error_code::non_finite) throw;
        }
        record end = look(exchange, 1);
        exchange.evaluate_at(std::span<float>(point_), gc::evaluation_point::parameters);
        end.set("validation_loss_x", validation(1)).set("message_bytes", static_cast<std::int64_t>(exchange.message_bytes())).set("wire_bytes", static_cast<std::int64_t>(exchange.wire_bytes()));
        end.set("seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count()).set("diverged", step < s.steps);
        keep(exchange, step, end.set("last", true));
        if (rank_ == 0 && given_ < s.points) run_.progress.add(s.points - given_, s.label);
    }

private:
    static constexpr std::size_t rows = 256; // characters per product when measuring

    std::span<const std::uint32_t> draw(std::size_t step)
    {
        generator random(run_.settings.seed, 4096 + step * run_.settings.workers + rank_);
        const std::span<std::uint32_t> batch = std::span(positions_).first(run_.settings.batch);
        for (std::uint32_t& position : batch) position = static_cast<std::uint32_t>(random.below(run_.text.train.size() - run_.model.context));
        return batch;
    }
    /// Mean loss at point_ over every `thinning`-th character of the validation text; each rank guesses its share. The same on every rank. Collective.
    double validation(std::size_t thinning)
    {
        const std::size_t count = (run_.text.validation.size() - run_.model.context + thinning - 1) / thinning, workers = run_.settings.workers;
        const std::size_t end = count * (rank_ + 1) / workers;
        double sum = 0;
        for (std::size_t at = count * rank_ / workers; at < end; at += rows) {
            const std::span<std::uint32_t> batch = std::span(positions_).first(std::min(rows, end - at));
            for (std::size_t i = 0; i < batch.size(); ++i) batch[i] = static_cast<std::uint32_t>((at + i) * thinning);
            sum += run_.model.loss(point_, run_.text.validation, batch, work_) * static_cast<double>(batch.size());
        }
        return total({sum, 0})[0] / static_cast<double>(count);
    }
    std::array<double, 2> total(std::array<double, 2> own)
    {
        std::array<double, 2> all = {};
        communicator_.all_reduce(gc::host_view<const double>(own.data(), own.size()), gc::host_view<double>(all.data(), all.size()));
        return all;
    }
    template <class Exchange> record look(Exchange& exchange, std::size_t thinning)
    {
        const auto [loss, losses] = total({loss_, static_cast<double>(losses_)});
        loss_ = 0;
        losses_ = 0;
        exchange.evaluate_at(std::span<float>(point_));
        record r = run_.base;
        return r.set("train_loss", loss / losses).set("validation_loss", validation(thinning)).set("last", false);
    }
    template <class Exchange> void keep(const Exchange& exchange, std::size_t step, record r)
    {
        if (rank_ != 0) return;
        const text_settings& s = run_.settings;
        const double bytes = static_cast<double>(exchange.wire_bytes()) * static_cast<double>(s.workers) * static_cast<double>(step);
        r.set("step", static_cast<std::int64_t>(step)).set("characters", static_cast<std::int64_t>(step * s.workers * s.batch)).set("bits_sent", 8 * bytes);
        if (r.number("last") == 1) r.set("total_bytes", static_cast<std::int64_t>(bytes));
        run_.records.push_back(std::move(r));
        if (given_ < s.points) run_.progress.add(1, s.label), ++given_;
    }

    text_run& run_;
    gc::comm::in_process communicator_;
    std::size_t rank_;
    models::character_mlp::workspace work_;
    std::vector<float> gradient_, point_;
    std::vector<std::uint32_t> positions_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double loss_ = 0;
    std::size_t losses_ = 0, given_ = 0;
};

/// Trains x of the rank with the settings' method.
void train(text_rank& rank, const text_run& run, gc::comm::in_process communicator)
{
    const text_settings& s = run.settings;
    const gc::momentum local{.beta = 0.9, .weight_decay = 1e-4};
    const gc::exec::cpu alone{.threads = 1}; // the ranks themselves are the threads
    const auto go = [&](const auto& stack) {
        auto exchange = stack.attach(run.model.tensors(), std::span<float>(rank.x));
        rank.go(exchange);
    };
    if (s.method == "sgd") go(gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = local, .executor = alone});
    else if (s.method == "def")
        go(gc::policy_stack{.compressor = gc::random_block{.ratio = s.ratio}, .memory = gc::def{.lambda = lambda}, .reducer = gc::ring{communicator}, .local = local, .seed = s.seed, .executor = alone});
    else go(gc::policy_stack{.compressor = gc::top_k{.ratio = s.ratio}, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .local = local, .executor = alone});
}

record with_facts(record base, const text_settings& s)
{
    const method& how = *find_method(s.method);
    base.set("method", s.method).set("compressor", how.compressor).set("memory", how.memory).set("reducer", how.reducer).set("ratio", s.ratio);
    base.set("lambda", s.method == "def" ? record_value(lambda) : s.method == "top_k_ef" ? record_value(0.0) : record_value());
    base.set("seed", static_cast<std::int64_t>(s.seed)).set("workers", static_cast<std::int64_t>(s.workers)).set("batch", static_cast<std::int64_t>(s.batch));
    return base.set("learning_rate", s.learning_rate).set("steps", static_cast<std::int64_t>(s.steps));
}

} // namespace

std::vector<record> train_on_text(const models::character_mlp& model, const data::character_text& text, const text_settings& settings, const record& base, progress_bar& progress)
{
    if (settings.method != "sgd" && settings.method != "def" && settings.method != "top_k_ef") throw std::invalid_argument("method must be sgd, def or top_k_ef, not " + settings.method);
    for (const auto* part : {&text.train, &text.validation})
        if (part->size() <= model.context)
            throw std::invalid_argument("a context of " + std::to_string(model.context) + " characters needs more text than the " + std::to_string(part->size()) + " characters of " + text.name);
    text_run run(model, text, settings, with_facts(base, settings), progress);
    const gc::comm::in_process_options patient{.deadline = std::chrono::hours(1), .faults = {}};
    gc::comm::run_ranks(static_cast<int>(settings.workers), [&](gc::comm::in_process communicator) {
        text_rank rank(run, communicator);
        train(rank, run, communicator);
    }, patient);
    return run.records;
}

} // namespace apps::reproduce
