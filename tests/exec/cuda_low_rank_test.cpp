// What CUDA threads do for low-rank factors, on the CPU: both rounds of an exchange, in the bits of exec::cpu's engine.
#include "cuda_threads.hpp"

#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <gradcomp/exec/cuda/thin_factors.hpp>

#include <doctest/doctest.h>

#include <array>
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
        second_round(longer);
        kept_ = second;
    }
    void second_round(const std::vector<T>& factor)
    {
        multiply(m_.tall(), factor, second);
        for (std::size_t i = 0; i < error.size(); ++i) error[i] -= gc::exec::product_at<T>(m_, rank_, i, factor.data(), second.data());
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
        if (!transposed) return multiply_rows(p, thin, out);
        for (std::size_t piece = m_.pieces(true); piece-- > 0;)
            for (int lane = 0; lane < gc::exec::warp_lanes; ++lane) gc::exec::multiply_columns(lane, p, m_, rank_, piece, thin.data(), out.data(), parts.data(), mends_);
        for (std::size_t at = 0; m_.blocks() > 1 && at < out.size(); ++at) out[at] = gc::exec::fold_parts(m_, rank_, at, parts.data(), mends_);
    }

    /// Lanes one after another, and what their shuffles add.
    template <class Source> void multiply_rows(const Source& p, const std::vector<T>& thin, std::vector<T>& out)
    {
        for (std::size_t piece = 0; piece < m_.pieces(false); ++piece)
            for (std::size_t from = 0; from < rank_; from += gc::exec::thin_columns) {
                const std::size_t some = std::min(rank_ - from, gc::exec::thin_columns);
                T sum[gc::exec::warp_lanes][gc::exec::thin_columns] = {};
                for (int lane = 0; lane < gc::exec::warp_lanes; ++lane) gc::exec::add_row_terms(lane, p, m_, piece, thin.data(), from, some, sum[lane]);
                for (const int row : {0, gc::exec::row_lanes})
                    for (std::size_t k = 0; k < some && gc::exec::row_of(piece, row) < m_.rows; ++k) {
                        for (int width = gc::exec::row_lanes / 2; width > 0; width /= 2)
                            for (int lane = 0; lane < width; ++lane) sum[row + lane][k] += sum[row + lane + width][k];
                        out[(from + k) * m_.rows + gc::exec::row_of(piece, row)] = gc::exec::limited_product(sum[row][k], mends_);
                    }
            }
    }

    std::vector<T> kept_;
};

template <class T> void compare(std::size_t rows, std::size_t columns, std::size_t rank, const std::vector<T>& x, non_finite policy = non_finite::reject, std::uint32_t steps = 2)
{
    CAPTURE(rows);
    CAPTURE(columns);
    CAPTURE(rank);
    const auto form = gc::make_low_rank_form(gc::tensor_list{{"m", {rows, columns}}}, {0}, rank);
    REQUIRE(form.matrices.size() == 1);
    on_cpu<T> cpu(form, x);
    by_threads<T> threads(rows, columns, rank, x);
    for (std::uint32_t step = 3; step < 3 + steps; ++step) { // factors drawn, then kept
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
    for (const auto& [rows, columns, rank] : std::vector<std::array<std::size_t, 3>>{{2100, 9, 2}, {9, 1100, 1}, {70, 33, 2}, {1025, 300, 1}, {3, 3, 1}})
        compare<T>(rows, columns, rank, input<T>(pattern::heavy, rows * columns, rows));
}

TEST_CASE("more columns than are summed at once are the CPU's, of rows and of the transpose")
{
    for (const auto& [rows, columns] : {std::pair{200u, 150u}, {150u, 200u}}) {
        const auto x = input<float>(pattern::heavy, rows * columns, rows);
        on_cpu<float> cpu(gc::make_low_rank_form(gc::tensor_list{{"m", {rows, columns}}}, {0}, 19), x);
        by_threads<float> threads(rows, columns, 19, x);
        cpu.exchange(0, non_finite::reject);
        threads.second_round(cpu.longer());
        REQUIRE(first_difference(cpu.second, threads.second) == nowhere);
        REQUIRE(first_difference(cpu.error, threads.error) == nowhere);
    }
}

TEST_CASE("a warp of threads multiplies rows as its lanes do, a row beyond the last one included")
{
    const gc::exec::device_matrix m{.rows = 3, .columns = 70};
    const auto p = input<float>(pattern::heavy, m.size(), 1), thin = input<float>(pattern::uniform, 2 * m.columns, 2);
    std::vector<float> out(6, 99.0f);
    cuda_threads::run<thread_warp>([&](const thread_warp& warp) {
        for (std::size_t piece = 0; piece < m.pieces(false); ++piece) gc::exec::multiply_rows(warp, [&](std::size_t i) { return p[i]; }, m, 2, piece, thin.data(), out.data(), true);
    });
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t k = 0; k < 2; ++k) {
            float lane[16] = {};
            for (std::size_t j = 0; j < m.columns; ++j) lane[j % 16] = gc::multiply_add(p[i * m.columns + j], thin[k * m.columns + j], lane[j % 16]);
            for (std::size_t width = 8; width > 0; width /= 2)
                for (std::size_t l = 0; l < width; ++l) lane[l] += lane[l + width];
            CHECK(out[k * 3 + i] == lane[0]);
        }
}

TEST_CASE_TEMPLATE("columns that vanish, that overflow and that hold NaN are the CPU's", T, float, double)
{
    compare<T>(15, 8, 2, std::vector<T>(120));
    compare<T>(15, 8, 2, std::vector<T>(120, T(0.5))); // of rank 1
    auto huge = input<T>(pattern::uniform, 120, 2);
    for (T& v : huge) v *= std::numeric_limits<T>::max() / 4;
    compare<T>(8, 15, 2, huge, non_finite::reject, 1);
    compare<T>(15, 8, 2, huge, non_finite::propagate, 1);
    auto bad = input<T>(pattern::uniform, 120, 3);
    bad[77] = std::numeric_limits<T>::quiet_NaN();
    compare<T>(15, 8, 2, bad, non_finite::propagate, 1);
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
