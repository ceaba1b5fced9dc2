// How a block of threads brackets a threshold from a sample, on real threads: the last step's bracket is kept only where it still holds.
#include "cuda_lies.hpp"
#include "cuda_threads.hpp"

#include <gradcomp/exec/cuda/compact.hpp>
#include <gradcomp/exec/cuda/sampled_bracket.hpp>
#include <gradcomp/exec/engines.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace gc = gradcomp;
using cuda_threads::thread_block;
using gc::exec::sample_plan, gc::exec::sampled_hits;

namespace {

/// Elements of a selection whose lines of 16 have a scale of their own, as layers do, and a sample of whole lines.
template <class T> class population {
public:
    population(std::size_t n, std::size_t kept, std::uint32_t lines, double spread) : kept_(kept), lines_(lines), spread_(spread), values_(n) {}
    sample_plan plan() const { return {lines_, values_.size(), kept_, gc::exec::candidates_for(lines_, values_.size(), kept_)}; }

    /// Draws all elements anew. @return the magnitudes of a sample
    std::vector<gc::bits_t<T>> draw(double scale)
    {
        std::normal_distribution<double> normal;
        for (std::size_t i = 0; i < values_.size(); ++i) {
            if (i % 16 == 0) line_ = scale * std::exp(spread_ * normal(random_));
            values_[i] = static_cast<T>(line_ * normal(random_));
        }
        std::vector<gc::bits_t<T>> keys;
        const std::size_t all = values_.size() / 16;
        for (std::size_t line = 0; line < lines_; ++line) {
            const std::size_t at = all * line / lines_ + std::uniform_int_distribution<std::size_t>(0, all / lines_ - 1)(random_);
            for (std::size_t j = 0; j < 16; ++j) keys.push_back(gc::magnitude(values_[16 * at + j]));
        }
        return keys;
    }
    /// How many elements the pass would list.
    std::size_t listed(gc::bits_t<T> low) const
    {
        return static_cast<std::size_t>(std::count_if(values_.begin(), values_.end(), [low](T v) { return gc::magnitude(v) >= low; }));
    }
    bool misses(const gc::bracket<T>& limits) const { return listed(limits.low) < kept_ || listed(limits.low) > gc::exec::candidates_for(lines_, values_.size(), kept_); }

private:
    std::size_t kept_;
    std::uint32_t lines_;
    double spread_, line_ = 1;
    std::vector<T> values_;
    std::mt19937_64 random_{17};
};

template <class T> gc::bracket<T> bracket_of(const std::vector<gc::bits_t<T>>& keys, const sample_plan& plan, const gc::bracket<T>& last)
{
    gc::exec::bracket_shared<T> shared;
    std::vector<gc::bracket<T>> all(thread_block::threads);
    cuda_threads::run<thread_block>([&](const thread_block& block) { all[static_cast<std::size_t>(block.thread())] = gc::exec::bracket_of(block, shared, keys.data(), plan, last); });
    for (const auto& one : all) REQUIRE((one.low == all[0].low && one.high == all[0].high && one.sure == all[0].sure));
    return all[0];
}
template <class T> bool same(const gc::bracket<T>& a, const gc::bracket<T>& b) { return a.low == b.low && a.high == b.high; }

} // namespace

TEST_CASE_TEMPLATE("a new bracket has the ranks that are asked for", T, float, double)
{
    population<T> of(std::size_t{1} << 16, 655, 256, 0.0);
    const auto keys = of.draw(1);
    const sample_plan plan = of.plan();
    const auto found = bracket_of<T>(keys, plan, {});
    const auto reaching = [&](gc::bits_t<T> key) { return std::count_if(keys.begin(), keys.end(), [key](auto k) { return k >= key; }); };
    CHECK(reaching(found.high) == static_cast<long>(plan.rank));
    CHECK(reaching(found.low) > static_cast<long>(plan.rank + 5 * std::sqrt(plan.rank * 0.99)));
    CHECK(found.sure == gc::bracket<T>::never);
    CHECK_FALSE(of.misses(found));
}

TEST_CASE("over steps that change little the bracket is mostly the last one, and no step misses; independent or alike neighbours")
{
    for (const double spread : {0.0, 1.0})
        for (const std::size_t one_in : {10u, 100u, 1000u}) {
            CAPTURE(spread);
            CAPTURE(one_in);
            const std::size_t n = std::size_t{1} << 18;
            population<float> of(n, n / one_in, 512, spread);
            gc::bracket<float> last;
            int kept = 0, missed = 0;
            for (int step = 0; step < 40; ++step) {
                const auto keys = of.draw(1 + 0.01 * std::sin(step));
                const auto now = bracket_of<float>(keys, of.plan(), last);
                kept += step > 0 && same(now, last);
                missed += of.misses(now);
                last = now;
            }
            CHECK(missed == 0);
            CHECK(kept >= (one_in < 1000 ? 28 : 12)); // of few winners a sample says little
        }
}

TEST_CASE("a bracket is given up as soon as the numbers have moved away from it, either way, or are of another kind")
{
    population<float> of(std::size_t{1} << 18, 2621, 512, 0.0);
    const auto first = bracket_of<float>(of.draw(1), of.plan(), {});
    for (const double scale : {0.5, 0.8, 1.3, 2.0, 1e-30, 0.0}) {
        CAPTURE(scale);
        const auto now = bracket_of<float>(of.draw(scale), of.plan(), first);
        CHECK_FALSE(same(now, first));
        if (scale > 0) CHECK_FALSE(of.misses(now));
    }
    std::vector<std::uint32_t> bad = of.draw(1);
    std::fill(bad.begin(), bad.begin() + 1000, gc::magnitude(std::numeric_limits<float>::quiet_NaN()));
    CHECK_FALSE(same(bracket_of<float>(bad, of.plan(), first), first));
}

TEST_CASE("what a sample must say for a bracket to stay")
{
    const sample_plan plan(1024, std::size_t{1} << 20, 10486, 150000); // 163.8 of 16384 keys win; room for 2343
    const std::uint32_t even = 185; // squares of few hits a line
    REQUIRE(gc::exec::sampling_margin(plan, {0, 164, even}) == doctest::Approx(5 * std::sqrt(163.84 * 0.99) + 4).epsilon(0.01));
    CHECK(gc::exec::still_holds(plan, {240, 164, even}));
    CHECK_FALSE(gc::exec::still_holds(plan, {220, 164, even}));  // reaches too little
    CHECK_FALSE(gc::exec::still_holds(plan, {470, 164, even}));  // lists more than it need
    CHECK_FALSE(gc::exec::still_holds(plan, {240, 90, even}));   // lets too little go at once
    CHECK_FALSE(gc::exec::still_holds(plan, {240, 239, even}));  // lets too much go
    CHECK_FALSE(gc::exec::still_holds(plan, {240, 164, 4000}));  // neighbours so alike that the sample says little
    const sample_plan tight(1024, std::size_t{1} << 20, 10486, 16000); // room for 250
    CHECK_FALSE(gc::exec::still_holds(tight, {240, 164, even}));
    CHECK(gc::exec::rank_of_low(tight, 66) < tight.room);
    CHECK(gc::exec::rank_of_low(plan, 66) == doctest::Approx(163.84 + 99).epsilon(0.001));
}

TEST_CASE("the list has room for every bracket that may stay")
{
    for (const std::size_t size : {std::size_t{9000}, std::size_t{1} << 20, std::size_t{25'600'000}, std::size_t{1'000'000'000}})
        for (const std::size_t one_in : {2u, 10u, 100u, 1000u, 100000u}) {
            const std::size_t kept = std::max<std::size_t>(1, size / one_in), lines = std::clamp<std::size_t>(size / 32, 4096, 32768) / 16;
            const std::size_t room = gc::exec::candidates_for(static_cast<std::uint32_t>(lines), size, kept);
            CAPTURE(size);
            CAPTURE(one_in);
            CHECK(room <= size);
            CHECK((room == size || room >= 2 * kept + (std::size_t{1} << 17)));
            const sample_plan plan(static_cast<std::uint32_t>(lines), size, kept, room);
            const double needed = plan.rank + gc::exec::sampling_margin(plan, {});
            CHECK((room == size || 2 * needed <= plan.room));
        }
    CHECK(gc::exec::candidates_for(0, 5000, 50) == 5000);
}

TEST_CASE("a sample that was deceived misses, as the tests on a GPU rely on; and masses of equal numbers are no reason to miss")
{
    const std::size_t n = 300001;
    const gc::random_stream stream = gc::exec::choice_key{.seed = 7, .owner = 3}.stream(1, 0, gc::purpose::sample);
    const auto bracket_over = [&](const std::vector<float>& x, std::size_t kept, const gc::bracket<float>& last) {
        const std::uint32_t lines = gc::exec::sample_lines_for(n, kept);
        std::vector<std::uint32_t> keys(lines * gc::exec::sample_line);
        for (std::uint32_t k = 0; k < keys.size(); ++k) keys[k] = gc::rank_key(x[gc::exec::sampled_place(stream, n, lines, k)]);
        return bracket_of<float>(keys, {lines, n, kept, gc::exec::candidates_for(lines, n, kept)}, last);
    };
    const auto listed = [&](const std::vector<float>& x, std::size_t kept, const gc::bracket<float>& limits) {
        gc::exec::listed_counts all{0, 0};
        for (const float v : x) all.above += gc::rank_key(v) > limits.low, all.equal += gc::rank_key(v) == limits.low;
        return std::size_t{all.listed(static_cast<std::uint32_t>(kept))};
    };
    const auto room = [&](std::size_t kept) { return gc::exec::candidates_for(gc::exec::sample_lines_for(n, kept), n, kept); };
    const auto high = cuda_lies::numbers<float>(n, 15000, stream, cuda_lies::lie::too_large), low = cuda_lies::numbers<float>(n, 1000, stream, cuda_lies::lie::too_small);
    CHECK(listed(high, 15000, bracket_over(high, 15000, {})) < 15000);
    CHECK(listed(low, 1000, bracket_over(low, 1000, {})) > room(1000));

    std::mt19937_64 random(5);
    std::normal_distribution<float> normal;
    for (const std::size_t kept : {std::size_t{300}, std::size_t{3000}, std::size_t{30000}})
        for (const float step : {0.5f, 1.0f, 4.0f}) { // with the last one nearly all are 0
            gc::bracket<float> last;
            for (int round = 0; round < 3; ++round) {
                std::vector<float> x(n);
                for (float& v : x) v = std::rint(normal(random) / step) * step;
                last = bracket_over(x, kept, last);
                CAPTURE(kept);
                CAPTURE(step);
                CHECK(listed(x, kept, last) >= kept);
                CHECK(listed(x, kept, last) <= room(kept));
            }
        }
}
