/// @file low_rank: PowerSGD's loop, what it recovers exactly, and what it does where matrices vanish, lose rank or hold what is no number.
#include "quantizing.hpp"

#include "stack/toy.hpp"

#include <gradcomp/theory/measured.hpp>

#include <limits>

using namespace quantizing;

namespace {

using vector = std::vector<double>;

const gc::tensor_list model{{"tall", {12, 7}}, {"bias", {7}}, {"wide", {5, 3, 4}}, {"no", {0, 4}}, {"small", {2, 2}}, {"scalar", {}}};
constexpr std::size_t size = 84 + 7 + 60 + 4 + 1;

/// A noisy gradient of a quadratic whose centres and curvatures differ between ranks.
vector gradient_at(const vector& x, int rank, int step)
{
    vector g(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double at = static_cast<double>(i);
        g[i] = (0.5 + 0.4 * std::sin(at + rank)) * (x[i] - std::cos(0.7 * at + rank)) + 0.1 * std::sin(3.1 * at + 1.7 * step + rank);
    }
    return g;
}

/// Double precision, nothing of the library but the random words from which factors start: Algorithms 1 and 2 of the paper.
class power_sgd {
public:
    power_sgd(std::size_t longer, std::size_t shorter, std::size_t rank, std::uint32_t tensor) : n_(longer), m_(shorter), r_(rank), q_(shorter * rank)
    {
        const gc::random_stream words{1, 0, tensor, gc::purpose::low_rank, 0};
        for (std::size_t at = 0; at < q_.size(); ++at)
            q_[at] = (static_cast<double>(static_cast<std::int32_t>(words.block(static_cast<std::uint32_t>(at / 4)).at[at % 4])) + 0.5) / 2147483648.0;
    }
    /// Takes M of each rank, longer times shorter; leaves M - P Q^T there. @return P (mean Q)^T
    vector operator()(std::vector<vector>& all)
    {
        vector p(n_ * r_), mean_q(m_ * r_);
        for (const vector& matrix : all)
            for (std::size_t k = 0; k < r_; ++k)
                for (std::size_t i = 0; i < n_; ++i)
                    for (std::size_t j = 0; j < m_; ++j) p[k * n_ + i] += matrix[i * m_ + j] * q_[k * m_ + j] / static_cast<double>(all.size());
        gram_schmidt(p);
        for (vector& matrix : all) {
            vector q(m_ * r_);
            for (std::size_t k = 0; k < r_; ++k)
                for (std::size_t i = 0; i < n_; ++i)
                    for (std::size_t j = 0; j < m_; ++j) q[k * m_ + j] += matrix[i * m_ + j] * p[k * n_ + i];
            const vector sent = product(p, q);
            for (std::size_t at = 0; at < matrix.size(); ++at) matrix[at] -= sent[at];
            for (std::size_t at = 0; at < q.size(); ++at) mean_q[at] += q[at] / static_cast<double>(all.size());
        }
        q_ = mean_q;
        return product(p, mean_q);
    }

    void start_from(const double* q) { std::copy_n(q, q_.size(), q_.begin()); }

private:
    void gram_schmidt(vector& p) const
    {
        for (std::size_t k = 0; k < r_; ++k) {
            for (std::size_t l = 0; l < k; ++l) {
                double along = 0;
                for (std::size_t i = 0; i < n_; ++i) along += p[l * n_ + i] * p[k * n_ + i];
                for (std::size_t i = 0; i < n_; ++i) p[k * n_ + i] -= along * p[l * n_ + i];
            }
            double square = 0;
            for (std::size_t i = 0; i < n_; ++i) square += p[k * n_ + i] * p[k * n_ + i];
            for (std::size_t i = 0; i < n_; ++i) p[k * n_ + i] /= std::sqrt(square);
        }
    }
    vector product(const vector& p, const vector& q) const
    {
        vector out(n_ * m_);
        for (std::size_t k = 0; k < r_; ++k)
            for (std::size_t i = 0; i < n_; ++i)
                for (std::size_t j = 0; j < m_; ++j) out[i * m_ + j] += p[k * n_ + i] * q[k * m_ + j];
        return out;
    }

    std::size_t n_, m_, r_;
    vector q_;
};

/// x, every rank's e, and the sum of the ranks' short factors after each step.
struct course {
    std::vector<vector> x, e[3], factors;
};

constexpr int steps = 150;
constexpr double rate = 0.1;

/// Error feedback around it: "tall" is 12 times 7, "wide" 5 times 12 and thus transposed; the rest is sent dense. `follow` gives the state before each step.
course plain_course(const course* follow = nullptr)
{
    course out;
    vector x(size, 0.25);
    std::vector<vector> e(3, vector(size));
    power_sgd tall(12, 7, 2, 0), wide(12, 5, 2, 2);
    for (int step = 0; step < steps; ++step) {
        if (const auto last = static_cast<std::size_t>(step) - 1; follow && step > 0) {
            x = follow->x[last];
            for (std::size_t rank = 0; rank < 3; ++rank) e[rank] = follow->e[rank][last];
            tall.start_from(follow->factors[last].data());
            wide.start_from(follow->factors[last].data() + 7 * 2);
        }
        std::vector<vector> owed(3), a(3), b(3);
        vector sent(size);
        for (int rank = 0; rank < 3; ++rank) {
            const auto r = static_cast<std::size_t>(rank);
            owed[r] = gradient_at(x, rank, step);
            for (std::size_t i = 0; i < size; ++i) owed[r][i] = e[r][i] + rate * owed[r][i];
            a[r].assign(owed[r].begin(), owed[r].begin() + 84);
            b[r].resize(60);
            for (std::size_t i = 0; i < 5; ++i)
                for (std::size_t j = 0; j < 12; ++j) b[r][j * 5 + i] = owed[r][91 + i * 12 + j];
            for (std::size_t i = 0; i < size; ++i) sent[i] += owed[r][i] / 3;
        }
        const vector from_a = tall(a), from_b = wide(b);
        std::copy(from_a.begin(), from_a.end(), sent.begin());
        for (std::size_t i = 0; i < 5; ++i)
            for (std::size_t j = 0; j < 12; ++j) sent[91 + i * 12 + j] = from_b[j * 5 + i];
        for (std::size_t r = 0; r < 3; ++r) {
            std::fill(e[r].begin(), e[r].end(), 0.0);
            std::copy(a[r].begin(), a[r].end(), e[r].begin());
            for (std::size_t i = 0; i < 5; ++i)
                for (std::size_t j = 0; j < 12; ++j) e[r][91 + i * 12 + j] = b[r][j * 5 + i];
            out.e[r].push_back(e[r]);
        }
        for (std::size_t i = 0; i < size; ++i) x[i] -= sent[i];
        out.x.push_back(x);
    }
    return out;
}

/// The library's run; `factors` of all ranks, for they must agree.
template <class T, class Memory, class ReducerOf> course library_course(const Memory& memory, ReducerOf reducer_of, std::vector<std::vector<T>>& factors, int count = steps)
{
    course out;
    factors.assign(3, {});
    gc::comm::run_ranks(3, [&](gc::comm::in_process c) {
        const auto rank = static_cast<std::size_t>(c.rank());
        std::vector<T> x(size, T(0.25));
        auto exchange = gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = memory, .reducer = reducer_of(c)}.attach(model, x);
        for (int step = 0; step < count; ++step) {
            const vector g = gradient_at({exchange.gradient_point().begin(), exchange.gradient_point().end()}, c.rank(), step);
            exchange.step(std::vector<T>(g.begin(), g.end()), rate);
            if (rank == 0) out.x.emplace_back(x.begin(), x.end());
            if (rank == 0) out.factors.emplace_back(exchange.coder().short_factors().begin(), exchange.coder().short_factors().end());
            out.e[rank].emplace_back(exchange.error().begin(), exchange.error().end());
        }
        factors[rank].assign(x.begin(), x.end());
        for (const auto& part : {exchange.coder().short_factors(), exchange.coder().long_factors()}) factors[rank].insert(factors[rank].end(), part.begin(), part.end());
    });
    return out;
}

/// The larger one; of what is no number, infinity.
double larger(double most, double gap) { return std::max(most, std::isfinite(gap) ? gap : std::numeric_limits<double>::infinity()); }

double furthest(const vector& a, const vector& b)
{
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) most = larger(most, std::abs(a[i] - b[i]));
    return most;
}

const auto ring = [](gc::comm::in_process c) { return gc::ring{c}; };
const auto all_gather = [](gc::comm::in_process c) { return gc::all_gather{c}; };

/// One exchange of one rank without a stack, on one matrix.
template <class T> struct once {
    std::vector<T> sent, left, longer;
    gc::exec::sweep_tally tally;
};
template <class T>
once<T> compress(std::size_t rows, std::size_t columns, const std::vector<T>& x, std::uint32_t rank, std::uint32_t step = 0, gc::exec::non_finite policy = gc::exec::non_finite::reject)
{
    coding<T, gc::low_rank> run({.rank = rank}, gc::tensor_list{{"m", {rows, columns}}});
    const auto out = run.encode(std::vector<T>(x.size()), x, step, 0xa5, policy);
    REQUIRE(out.guards_intact);
    const auto longer = run.coder().long_factors();
    return {run.decode(out.message).value, out.left, {longer.begin(), longer.end()}, out.tally};
}

/// rows times columns, the product of random factors of `rank` columns.
template <class T> std::vector<T> of_rank(std::size_t rows, std::size_t columns, std::size_t rank, std::uint64_t seed)
{
    const auto a = input<T>(pattern::uniform, rows * rank, seed), b = input<T>(pattern::uniform, columns * rank, seed + 1);
    std::vector<T> out(rows * columns);
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j)
            for (std::size_t k = 0; k < rank; ++k) out[i * columns + j] += a[i * rank + k] * b[j * rank + k];
    return out;
}
template <class T> double norm(const std::vector<T>& x)
{
    double sum = 0;
    for (const T v : x) sum += static_cast<double>(v) * static_cast<double>(v);
    return std::sqrt(sum);
}

/// The largest distance of P^T P from the identity, columns of zeros apart. @return also how many there are of those
template <class T> std::pair<double, std::size_t> off_orthonormal(const std::vector<T>& p, std::size_t n)
{
    double worst = 0;
    std::size_t zeros = 0;
    for (std::size_t a = 0; a < p.size() / n; ++a)
        for (std::size_t b = 0; b <= a; ++b) {
            double along = 0;
            for (std::size_t i = 0; i < n; ++i) along += static_cast<double>(p[a * n + i]) * static_cast<double>(p[b * n + i]);
            zeros += a == b && along == 0;
            worst = larger(worst, std::abs(along - (a == b && along != 0)));
        }
    return {worst, zeros};
}

} // namespace

TEST_CASE("low_rank follows PowerSGD's loop with error feedback on 3 ranks, over a ring and gathered")
{
    std::vector<vector> factors, others;
    const course library = library_course<double>(gc::ef{}, ring, factors), gathered = library_course<double>(gc::ef<gc::staged>{}, all_gather, others);
    const course plain = plain_course(), beside = plain_course(&library);
    // Rounding grows tenfold every seven steps of this loop, whose columns change places; so each of the later steps is followed from where the library stood.
    for (std::size_t t = 0; t < steps; ++t) {
        REQUIRE(furthest(beside.x[t], library.x[t]) <= 1e-10);
        for (int rank = 0; rank < 3; ++rank) REQUIRE(furthest(beside.e[rank][t], library.e[rank][t]) <= 1e-10);
        if (t >= 40) continue;
        REQUIRE(furthest(plain.x[t], library.x[t]) <= 1e-9);
        REQUIRE(furthest(plain.x[t], gathered.x[t]) <= 1e-9);
        for (int rank = 0; rank < 3; ++rank) REQUIRE(furthest(plain.e[rank][t], library.e[rank][t]) <= 1e-9);
    }
    CHECK(norm(plain.e[1].back()) > 0.1); // there is something to be wrong about
    std::vector<std::vector<float>> in_float;
    CHECK(furthest(library_course<float>(gc::ef{}, ring, in_float, 20).x.back(), plain.x[19]) <= 1e-4);
    for (int rank = 1; rank < 3; ++rank) {
        const auto r = static_cast<std::size_t>(rank);
        CHECK(first_difference(factors[0], factors[r]) == nowhere);
        CHECK(first_difference(others[0], others[r]) == nowhere);
        CHECK(first_difference(in_float[0], in_float[r]) == nowhere);
    }
}

TEST_CASE("the other memories train with it, and ranks agree in every bit")
{
    const auto trains = [](auto memory, auto reducer_of, std::uint32_t period, auto server) {
        std::vector<vector> x(3);
        gc::comm::run_ranks(3, [&](gc::comm::in_process c) {
            vector mine(size, 0.25);
            auto exchange = gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = memory, .reducer = reducer_of(c), .server = server, .period = period, .warn = nullptr}
                                .attach(model, mine);
            for (int step = 0; step < 600; ++step)
                exchange.step(gradient_at({exchange.gradient_point().begin(), exchange.gradient_point().end()}, c.rank(), step), 0.05);
            x[static_cast<std::size_t>(c.rank())] = mine;
        });
        CHECK(first_difference(x[0], x[1]) == nowhere);
        CHECK(first_difference(x[0], x[2]) == nowhere);
        double square = 0;
        for (std::size_t i = 0; i < size; ++i) {
            double curvature = 0, pull = 0;
            for (int rank = 0; rank < 3; ++rank) {
                const double at = static_cast<double>(i), of = 0.5 + 0.4 * std::sin(at + rank);
                curvature += of;
                pull += of * std::cos(0.7 * at + rank);
            }
            square += (x[0][i] - pull / curvature) * (x[0][i] - pull / curvature);
        }
        CHECK(std::sqrt(square / size) < 0.15);
    };
    trains(gc::def{.lambda = 0.3}, ring, 1, gc::descent{});
    trains(gc::def_a<gc::staged>{.lambda = 0.3}, all_gather, 1, gc::descent{});
    trains(gc::saef{.averaging_period = 4}, ring, 1, gc::descent{});
    trains(gc::psync{}, ring, 1, gc::descent{});
    trains(gc::ef{.units = gc::units::gradient}, ring, 3, gc::descent{});
    trains(gc::ef21{}, ring, 1, gc::estimate{});
    trains(gc::momentum_correction{}, ring, 1, gc::descent{});
    trains(gc::ef{}, all_gather, 1, gc::server_momentum{.beta = 0.5});
    trains(gc::ef{}, [](gc::comm::in_process c) { return gc::framed{gc::all_gather{c}}; }, 1, gc::descent{});
}

TEST_CASE("matrices of rank at most r are recovered, and nothing stays behind but rounding")
{
    for (const auto& [rows, columns] : {std::pair{40u, 9u}, {9u, 40u}, {300u, 700u}, {2000u, 20u}, {16u, 16u}})
        for (const std::uint32_t rank : {1u, 3u})
            for (std::uint32_t of = 1; of <= rank; ++of) {
                CAPTURE(rows);
                CAPTURE(columns);
                CAPTURE(rank);
                CAPTURE(of);
                const auto x = of_rank<double>(rows, columns, of, 7 * of);
                const auto seen = compress(rows, columns, x, rank);
                CHECK(norm(seen.left) <= 1e-13 * norm(x));
                const std::vector<float> y(x.begin(), x.end());
                CHECK(norm(compress(rows, columns, y, rank).left) <= 2e-5 * norm(y));
            }
}

TEST_CASE("the long factor is orthonormal, also of matrices that are nearly of lower rank, and 0 beyond the rank")
{
    for (const double share : {1.0, 1e-3, 1e-6, 1e-9, 0.0}) {
        CAPTURE(share);
        auto x = of_rank<double>(50, 20, 1, 3);
        const auto other = of_rank<double>(50, 20, 4, 5);
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += share * other[i];
        const auto [worst, zeros] = off_orthonormal(compress(50, 20, x, 4).longer, 50);
        CHECK(worst <= 1e-14);
        CHECK(zeros == (share == 0.0 ? 3 : 0));
        const std::vector<float> y(x.begin(), x.end());
        CHECK(off_orthonormal(compress(50, 20, y, 4).longer, 50).first <= 1e-6);
    }
    const auto [worst, zeros] = off_orthonormal(compress(400, 300, input<float>(pattern::heavy, 120000, 9), 12).longer, 400); // more columns than are summed at once
    CHECK(worst <= 1e-6);
    CHECK(zeros == 0);
}

TEST_CASE("what is sent is a projection, and the guard's norm is that of what stays")
{
    const auto x = input<double>(pattern::uniform, 256, 5);
    const auto seen = compress(16, 16, x, 3);
    CHECK(std::abs(norm(seen.sent) * norm(seen.sent) + norm(seen.left) * norm(seen.left) - norm(x) * norm(x)) <= 1e-12);
    CHECK(seen.tally.sampled == 256);
    CHECK(std::abs(std::sqrt(seen.tally.error_square) - norm(seen.left)) <= 1e-7);
}

TEST_CASE("vectors, and matrices that factors would not shorten, are sent as they are")
{
    const gc::tensor_list list{{"v", {50}}, {"column", {50, 1}}, {"row", {1, 50}}, {"two", {2, 2}}, {"three", {3, 3}}, {"no", {0, 9}}, {"scalar", {}}, {"m", {30, 10, 2}}};
    coding<float, gc::low_rank> run({.rank = 2}, list);
    const std::size_t dense = 50 + 50 + 50 + 4 + 9 + 0 + 1;
    CHECK(run.bytes() == (dense + 2 * (30 + 20)) * sizeof(float));
    const auto x = input<float>(pattern::heavy, list.total(), 4);
    const auto out = run.encode(std::vector<float>(x.size()), x, 0);
    CHECK(out.message.size() == (dense + 2 * 20) * sizeof(float));
    const auto c = run.decode(out.message).value;
    for (std::size_t i = 0; i < dense; ++i) {
        REQUIRE(c[i] == x[i]);
        REQUIRE(out.left[i] == 0);
    }
    CHECK(norm(out.left) > 0);
    CHECK((coding<float, gc::low_rank>({.rank = 3}, gc::tensor_list{{"m", {6, 6}}}).bytes() == 36 * sizeof(float)));   // 3 (6 + 6) saves nothing
    CHECK((coding<double, gc::low_rank>({.rank = 2}, gc::tensor_list{{"m", {6, 6}}}).bytes() == 24 * sizeof(double)));
    CHECK((coding<double, gc::low_rank>({.rank = 65536}, gc::tensor_list{{"m", {600, 600}}}).bytes() == 360000 * sizeof(double)));
}

TEST_CASE("zeros, denormals and the largest numbers give no NaN and no Inf")
{
    const auto survives = [](auto value, auto factor) {
        using T = decltype(value);
        for (const auto of : {pattern::uniform, pattern::one_hot, pattern::zeros, pattern::ties}) {
            auto x = input<T>(of, 30 * 20, 6);
            for (T& v : x) v *= factor;
            for (const auto& of_all : {compress(30, 20, x, 3), compress(20, 30, x, 3)})
                for (std::size_t i = 0; i < x.size(); ++i) REQUIRE((gc::is_finite(of_all.sent[i]) && gc::is_finite(of_all.left[i])));
        }
    };
    for (const float all : {1e-45f, 1e-38f, 1e-30f, 1e20f, 1e28f, 3e38f}) survives(1.0f, all);
    for (const double all : {5e-324, 1e-300, 1e200, 1e308}) survives(1.0, all);
    const auto tiny = compress(30, 20, std::vector<float>(600, 1e-32f), 1);
    CHECK(norm(tiny.sent) == 0);
    CHECK(tiny.left == std::vector<float>(600, 1e-32f));
}

TEST_CASE("a matrix that was zero is taken up again when it is not")
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        std::vector<float> x(600);
        auto exchange = gc::policy_stack{.compressor = gc::low_rank{.rank = 3}, .memory = gc::ef{}, .reducer = gc::ring{c}}.attach({{"m", {30, 20}}}, x);
        for (int step = 0; step < 3; ++step) exchange.step(std::vector<float>(600), 1);
        exchange.step(of_rank<float>(30, 20, 1, 4), 1); // two of the columns vanish
        const auto before = x;
        exchange.step(of_rank<float>(30, 20, 3, 8), 1);
        for (std::size_t i = 0; i < 600; ++i)
            if (!(std::abs(before[i] - x[i] - of_rank<float>(30, 20, 3, 8)[i]) <= 1e-4f)) throw std::runtime_error("rank 3 was not recovered");
    });
    CHECK(true);
}

TEST_CASE("NaN is rejected on every rank alike, counted, or makes its matrix NaN and no other")
{
    using gc::exec::non_finite;
    for (const auto policy : {non_finite::reject, non_finite::zero_and_count, non_finite::propagate}) {
        CAPTURE(static_cast<int>(policy));
        std::vector<std::string> said(2);
        std::vector<float> ends[2];
        gc::comm::run_ranks(2, [&](gc::comm::in_process c) {
            const auto rank = static_cast<std::size_t>(c.rank());
            std::vector<float> x(600 + 200 + 5);
            auto exchange = gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = gc::ef{}, .reducer = gc::ring{c}, .non_finite = policy}
                                .attach({{"a", {30, 20}}, {"b", {20, 10}}, {"v", {5}}}, x);
            for (std::uint64_t step = 0; step < 4; ++step) {
                auto g = input<float>(pattern::uniform, x.size(), step);
                if (step == 1 && rank == 1) g[100] = std::numeric_limits<float>::quiet_NaN();
                const auto before = x;
                said[rank] += complaint([&] { exchange.step(g, 0.1); }) + ";";
                if (step == 1 && policy == non_finite::reject && x != before) said[rank] += "x changed";
            }
            ends[rank] = x;
        });
        const bool rejects = policy == non_finite::reject;
        CHECK(said[0] == (rejects ? "accepted;non_finite gradient another rank's;accepted;accepted;" : "accepted;accepted;accepted;accepted;"));
        CHECK(said[1] == (rejects ? "accepted;non_finite gradient[100] nan a;accepted;accepted;" : "accepted;accepted;accepted;accepted;"));
        CHECK(first_difference(ends[0], ends[1]) == nowhere);
        for (std::size_t i = 0; i < ends[0].size(); ++i) REQUIRE(gc::is_finite(ends[0][i]) == (policy != non_finite::propagate || i >= 600));
    }
}

TEST_CASE("a failure in either round loses nothing")
{
    for (const int call : {1, 2, 7, 8}) { // two calls an exchange
        CAPTURE(call);
        std::string wrong[2];
        gc::comm::run_ranks(2, [&](gc::comm::in_process c) {
            int countdown = call;
            const auto rank = static_cast<std::size_t>(c.rank());
            vector x(600);
            auto exchange = gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = gc::def{.lambda = 0.5}, .reducer = gc::ring{toy::flaky{c, &countdown}}}.attach({{"a", {30, 20}}}, x);
            int failures = 0;
            for (int step = 0; step < 6; ++step) {
                const auto g = input<double>(pattern::uniform, 600, static_cast<std::uint64_t>(10 * step) + rank);
                const vector before = x, owed = toy::copy(exchange.error()), factors = toy::copy(exchange.coder().short_factors());
                if (complaint([&] { exchange.step(g, 0.125); }) == "accepted") continue;
                ++failures;
                for (std::size_t i = 0; i < 600; ++i) {
                    if (x[i] != before[i]) wrong[rank] += "x changed;";
                    if (!(std::abs(exchange.error()[i] - (owed[i] + 0.125 * g[i])) <= 1e-15)) wrong[rank] += "e is not p;";
                    if (exchange.gradient_point()[i] != gc::multiply_add(-0.5, exchange.error()[i], x[i])) wrong[rank] += "z is not x - lambda e;";
                }
                if (factors != toy::copy(exchange.coder().short_factors())) wrong[rank] += "the factors changed;";
            }
            if (failures != 1) wrong[rank] += "failures: " + std::to_string(failures);
        });
        CHECK(wrong[0] == "");
        CHECK(wrong[1] == "");
    }
}

TEST_CASE("its class holds for factors that are drawn, and orthogonal matrices attain it")
{
    const auto left = [](std::size_t rows, std::size_t columns, std::uint32_t rank, const vector& x) {
        double sum = 0;
        for (std::uint32_t step = 0; step < 400; ++step) sum += std::pow(norm(compress(rows, columns, x, rank, step).left) / norm(x), 2);
        return sum / 400;
    };
    for (const std::uint32_t rank : {1u, 2u, 3u}) {
        CAPTURE(rank);
        const auto stated = [rank](std::size_t rows, std::size_t columns) {
            return gc::theory::contraction(*gc::low_rank{.rank = rank}.classes_over(gc::tensor_list{{"m", {rows, columns}}}).b3);
        };
        vector eye(64);
        for (std::size_t i = 0; i < 8; ++i) eye[9 * i] = i % 2 ? -2 : 2;
        CHECK(std::abs(left(8, 8, rank, eye) - stated(8, 8)) <= 1e-9); // whatever is drawn
        CHECK(stated(8, 8) == doctest::Approx(1 - rank / 8.0));
        for (const auto of : {pattern::uniform, pattern::heavy, pattern::one_hot}) {
            CHECK(left(12, 9, rank, input<double>(of, 108, 5)) <= stated(12, 9));
            CHECK(left(9, 12, rank, input<double>(of, 108, 6)) <= stated(9, 12));
        }
        vector nearly(108); // singular values far apart
        for (std::size_t i = 0; i < 9; ++i) nearly[i * 9 + i] = std::pow(10.0, -static_cast<double>(i));
        CHECK(left(12, 9, rank, nearly) <= stated(12, 9));
    }
}

TEST_CASE("a rank that is none is refused")
{
    CHECK(complaint([] { gc::low_rank{.rank = 0}.check(); }) == "invalid_option rank 0");
    CHECK(complaint([] { gc::low_rank{.rank = 65537}.check(); }) == "invalid_option rank 65537");
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        vector x(size);
        if (complaint([&] { gc::policy_stack{.compressor = gc::low_rank{.rank = 0}, .memory = gc::ef{}, .reducer = gc::ring{c}}.attach(model, x); }) != "invalid_option rank 0")
            throw std::runtime_error("rank 0 was accepted");
    });
}
