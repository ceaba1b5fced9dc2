// What CUDA threads do for low-rank factors, on the CPU: both rounds of an exchange, in the bits of exec::cpu's engine.
#include "cuda_threads.hpp"

#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <gradcomp/exec/cuda/thin_factors.hpp>

#include <doctest/doctest.h>

#include <limits>

namespace gc = gradcomp;
using conformance::input, conformance::pattern, conformance::first_difference, conformance::nowhere;
using cuda_threads::thread_crew, cuda_threads::thread_warp;
using gc::exec::non_finite;

namespace {

/// One matrix of one rank on the CPU's engine: what both rounds sent, what stayed, the factors.
template <class T> class on_cpu {
public:
    on_cpu(const gc::low_rank_form& form, std::vector<T> owed) : error(std::move(owed)), first(form.elements(0)), second(form.elements(1)), engine_(team_, form) {}
    void exchange(std::uint32_t step, non_finite policy)
    {
        const std::vector<T> zeros(error.size());
        conformance::memory_rule<T> rule;
        rule.gradient = zeros.data();
        rule.in[0] = rule.out[0] = error.data();
        const auto rules = [&](const gc::segment&) { return rule; };
        auto tally = engine_.encode(team_, rules, {T(1), step}, {7, 0}, first.data(), {.bad_elements = policy});
        engine_.encode_shares(team_, rules, {T(1), step}, first.data(), second.data(), {.bad_elements = policy}, tally);
        engine_.keep(team_, {}, second.data());
    }
    std::vector<T> longer() const { return {engine_.long_factors().begin(), engine_.long_factors().end()}; }

    std::vector<T> error, first, second;

private:
    gc::exec::cpu_team team_;
    gc::exec::low_rank_engine<gc::exec::cpu_team, T> engine_;
};

/// The same by the threads of CUDA's kernels, one launch after another.
template <class T> class by_threads {
public:
    by_threads(std::size_t rows, std::size_t columns, std::size_t rank, std::vector<T> owed)
        : error(std::move(owed)), m_{.rows = rows, .columns = columns}, rank_(rank), first(m_.longer() * rank), second(m_.shorter() * rank), longer(first.size()), kept_(second.size())
    {
    }
    void exchange(std::uint32_t step, non_finite policy)
    {
        mends_ = policy != non_finite::propagate;
        std::vector<T> shorter = kept_;
        const gc::random_stream stream = gc::exec::choice_key{7, 0}.stream(step, 0, gc::purpose::low_rank);
        factors<true>(shorter, m_.shorter(), [stream](std::size_t place) { return gc::exec::drawn_factor<T>(stream, place); });
        multiply(!m_.tall(), shorter, first);
        longer = first;
        if (!factors<false>(longer, m_.longer(), [](std::size_t) { return T(0); })) std::fill(longer.begin(), longer.end(), gc::not_a_number<T>());
        multiply(m_.tall(), longer, second);
        for (std::size_t i = 0; i < error.size(); ++i) error[i] -= gc::exec::product_at<T>(m_, rank_, i, longer.data(), second.data());
        kept_ = second;
    }

    std::vector<T> error;

private:
    gc::exec::device_matrix m_;
    std::size_t rank_;
    bool mends_ = true;

public:
    std::vector<T> first, second, longer;

private:
    template <bool Draws, class Draw> bool factors(std::vector<T>& columns, std::size_t n, const Draw& draw)
    {
        gc::exec::thin_shared<T> shared{};
        std::atomic<int> finite{0};
        cuda_threads::run<thread_crew>([&](const thread_crew& crew) { finite += gc::exec::orthonormalise<Draws>(crew, shared, columns.data(), n, rank_, draw); });
        CHECK((finite == 0 || finite == thread_crew::threads)); // every thread says the same
        return finite > 0;
    }
    void multiply(bool transposed, const std::vector<T>& thin, std::vector<T>& out)
    {
        const auto p = [&](std::size_t i) { return error[i]; };
        std::vector<T> parts(m_.blocks() * m_.columns * rank_, std::numeric_limits<T>::quiet_NaN());
        std::fill(out.begin(), out.end(), T(77));
        if (!transposed) {
            cuda_threads::run<thread_warp>([&](const thread_warp& warp) {
                for (std::size_t piece = 0; piece < m_.pieces(false); ++piece) gc::exec::multiply_rows(warp, p, m_, rank_, piece, thin.data(), out.data(), mends_);
            });
            return;
        }
        for (std::size_t piece = m_.pieces(true); piece-- > 0;)
            for (int lane = 0; lane < gc::exec::warp_lanes; ++lane) gc::exec::multiply_columns(lane, p, m_, rank_, piece, thin.data(), out.data(), parts.data(), mends_);
        for (std::size_t at = 0; m_.blocks() > 1 && at < out.size(); ++at) out[at] = gc::exec::fold_parts(m_, rank_, at, parts.data(), mends_);
    }

    std::vector<T> kept_;
};

template <class T> void compare(std::size_t rows, std::size_t columns, std::size_t rank, const std::vector<T>& x, non_finite policy = non_finite::reject)
{
    CAPTURE(rows);
    CAPTURE(columns);
    CAPTURE(rank);
    const auto form = gc::make_low_rank_form(gc::tensor_list{{"m", {rows, columns}}}, {0}, rank);
    REQUIRE(form.matrices.size() == 1);
    on_cpu<T> cpu(form, x);
    by_threads<T> threads(rows, columns, rank, x);
    for (const std::uint32_t step : {3u, 4u}) { // factors drawn, then kept
        CAPTURE(step);
        cpu.exchange(step, policy);
        threads.exchange(step, policy);
        REQUIRE(first_difference(cpu.first, threads.first) == nowhere);
        REQUIRE(first_difference(cpu.longer(), threads.longer) == nowhere);
        REQUIRE(first_difference(cpu.second, threads.second) == nowhere);
        REQUIRE(first_difference(cpu.error, threads.error) == nowhere);
    }
}

} // namespace

TEST_CASE_TEMPLATE("threads find the CPU's factors, tall and wide, over several blocks of rows and chunks of columns", T, float, double)
{
    for (const auto& [rows, columns, rank] : std::vector<std::array<std::size_t, 3>>{{2100, 9, 2}, {9, 2100, 2}, {70, 33, 3}, {33, 70, 1}, {40, 40, 9}, {1025, 300, 1}, {3, 3, 1}, {4, 5, 2}})
        compare<T>(rows, columns, rank, input<T>(pattern::heavy, rows * columns, rows));
}

TEST_CASE_TEMPLATE("columns that vanish, that overflow and that hold NaN are the CPU's", T, float, double)
{
    compare<T>(30, 20, 3, std::vector<T>(600));
    compare<T>(30, 20, 3, std::vector<T>(600, T(0.5))); // of rank 1
    auto huge = input<T>(pattern::uniform, 600, 2);
    for (T& v : huge) v *= std::numeric_limits<T>::max() / 4;
    compare<T>(20, 30, 2, huge);
    compare<T>(30, 20, 2, huge, non_finite::propagate);
    auto bad = input<T>(pattern::uniform, 600, 3);
    bad[77] = std::numeric_limits<T>::quiet_NaN();
    compare<T>(30, 20, 2, bad, non_finite::propagate);
}

TEST_CASE("what warps share a product by covers every row and column once, whatever the shape")
{
    for (const auto& [rows, columns] : std::vector<std::array<std::size_t, 2>>{{1, 1}, {1024, 5}, {1025, 5}, {5, 31}, {5, 33}, {4096, 4096}, {50257, 768}}) {
        const gc::exec::device_matrix m{.rows = rows, .columns = columns};
        CHECK(m.pieces(false) == (rows + 1) / 2);
        CHECK(m.pieces(true) == (rows + 1023) / 1024 * ((columns + 31) / 32));
        for (const bool transposed : {false, true}) CHECK(m.pieces_a_warp(transposed) >= 1);
        CHECK(m.longer() * m.shorter() == m.size());
    }
}
