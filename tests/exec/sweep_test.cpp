#include "select_inputs.hpp"

#include <doctest/doctest.h>

using namespace gradcomp;
using namespace gradcomp::exec;

namespace {

template <class T> bool same_bits(const std::vector<T>& a, const std::vector<T>& b)
{
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Two outputs from two inputs, one of them in place: m' = beta m + g, and e' = (e + m') - c elsewhere.
template <class T> struct two_streams : rule_streams<T, T, 2, 2, 2> {
    GRADCOMP_INLINE T value(T g, const T* x) const { return x[1] + multiply_add(T(0.75), x[0], g); }
    GRADCOMP_INLINE void leave(T g, const T* x, T p, T c, T* y) const
    {
        y[0] = multiply_add(T(0.75), x[0], g);
        y[1] = p - c;
    }
};

template <class T> struct swept {
    std::vector<T> momentum, memory, payload;
    sweep_tally tally;
};

template <class T, class Choose> swept<T> sweep_two(std::size_t n, const cpu_team& team, Choose choose, sweep_options options)
{
    const std::vector<T> gradient = make<T>(data::gauss, n, 1), memory = make<T>(data::heavy, n, 3);
    swept<T> out{make<T>(data::gauss, n, 2), std::vector<T>(n, T(9)), std::vector<T>(n, T(9)), {}};
    two_streams<T> rule;
    rule.gradient = gradient.data();
    rule.in[0] = rule.out[0] = out.momentum.data();
    rule.in[1] = memory.data();
    rule.out[1] = out.memory.data();
    if constexpr (requires { choose.payload; }) choose.payload = out.payload.data();
    out.tally = sweep(team, rule, n, choose, options);
    return out;
}

template <class T, class Choose> void check_sweep(std::size_t n, Choose choose, T share)
{
    const std::vector<T> gradient = make<T>(data::gauss, n, 1), momentum = make<T>(data::gauss, n, 2), memory = make<T>(data::heavy, n, 3);
    std::vector<T> m(n), e(n);
    for (std::size_t i = 0; i < n; ++i) {
        m[i] = multiply_add(T(0.75), momentum[i], gradient[i]);
        const T p = memory[i] + m[i];
        e[i] = p - share * p;
    }
    for (const isa level : levels_here())
        for (const std::size_t threads : {1u, 2u, 3u, 7u})
            for (const bool streamed : {false, true}) {
                const forced_level forced(level);
                const swept<T> out = sweep_two<T>(n, cpu_team(threads), choose, {non_finite::propagate, streamed});
                CHECK(same_bits(out.momentum, m));
                CHECK(same_bits(out.memory, e));
                CHECK(out.tally.bad == 0);
                if constexpr (requires { choose.payload; }) {
                    bool right = true;
                    for (std::size_t i = 0; i < n; ++i) right = right && out.payload[i] == share * (memory[i] + m[i]);
                    CHECK(right);
                }
            }
}

} // namespace

TEST_CASE_TEMPLATE("a sweep writes what the rule says, whatever is sent, by whatever threads and instructions", T, float, double)
{
    for (const std::size_t n : {0u, 1u, 15u, 16u, 17u, 255u, 256u, 257u, 4095u, 4096u, 4097u, 70001u, 200003u}) {
        check_sweep<T>(n, send_none{}, T(0));
        check_sweep<T>(n, send_all<T>{}, T(1));
        send_scaled<T> half;
        half.factor = T(0.5);
        check_sweep<T>(n, half, T(0.5));
    }
}

TEST_CASE_TEMPLATE("elements that are not finite are counted, and kept out of every stream", T, float, double)
{
    constexpr std::size_t n = 1000;
    std::vector<T> gradient = make<T>(data::gauss, n);
    gradient[3] = std::numeric_limits<T>::quiet_NaN();
    gradient[700] = -std::numeric_limits<T>::infinity();
    std::vector<T> clean = gradient;
    clean[3] = clean[700] = 0;
    for (const isa level : levels_here())
        for (const non_finite policy : {non_finite::reject, non_finite::zero_and_count, non_finite::propagate}) {
            const forced_level forced(level);
            const cpu_team team;
            std::vector<T> memory(n, T(0.25)), payload(n);
            feedback<T> rule;
            rule.scale = T(2);
            rule.gradient = gradient.data();
            rule.in[0] = rule.out[0] = memory.data();
            send_scaled<T> half;
            half.payload = payload.data();
            half.factor = T(0.5);
            const sweep_tally tally = sweep(team, rule, n, half, {policy, false});
            const bool mended = policy != non_finite::propagate;
            CHECK(tally.bad == (mended ? 2u : 0u));
            for (const std::size_t i : {std::size_t{2}, std::size_t{3}, std::size_t{700}, std::size_t{999}}) {
                const T p = multiply_add(T(2), mended ? clean[i] : gradient[i], T(0.25));
                CHECK(bits_of(payload[i]) == bits_of(T(0.5) * p));
                CHECK(is_finite(memory[i]) == is_finite(p));
            }
        }
}

TEST_CASE("the tally samples the same tiles for any number of threads")
{
    constexpr std::size_t n = 300000;
    const std::vector<float> gradient = make<float>(data::gauss, n);
    double first = -1;
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
        const cpu_team team(threads);
        std::vector<float> memory(n, 1.0f);
        feedback<float> rule;
        rule.gradient = gradient.data();
        rule.in[0] = rule.out[0] = memory.data();
        const sweep_tally tally = sweep(team, rule, n, send_none{});
        CHECK(tally.sampled >= n / 16 - 256);
        CHECK(tally.update_square / static_cast<double>(tally.sampled) == doctest::Approx(1.0).epsilon(0.05)); // scale 1, standard normal
        CHECK(tally.error_square / static_cast<double>(tally.sampled) == doctest::Approx(2.0).epsilon(0.05));
        if (first < 0) first = tally.update_square;
        CHECK(tally.update_square == doctest::Approx(first).epsilon(1e-6));
    }
}
