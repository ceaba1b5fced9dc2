/// @file Messages that name their coordinates: every form of indices, to any target and to a dense vector, by any number of threads.
#include "conformance/coding.hpp"
#include "conformance/indices.hpp"

#include <gradcomp/exec/cpu/indexed_messages.hpp>

#include <doctest/doctest.h>

using namespace conformance;

namespace {

/// `kept` of n indices, ascending, in clumps and gaps; the first and the last one are among them.
std::vector<std::size_t> some_indices(std::size_t n, std::size_t kept)
{
    std::vector<std::size_t> index;
    for (std::size_t i = 0; i < n && index.size() < kept; ++i)
        if (i == 0 || n - i <= kept - index.size() || i == n - 1 || (i / 50 % 3 == 0 && (i * 2654435761u >> 7) % n < kept * 3)) index.push_back(i);
    return index;
}
template <class T> std::vector<T> numbers(std::size_t n)
{
    std::vector<T> value(n);
    for (std::size_t j = 0; j < n; ++j) value[j] = static_cast<T>(j) + T(0.5);
    return value;
}

/// f(team) for 1, 2 and 7 threads under every instruction set.
template <class F> void on_all_teams(F f)
{
    for (const auto level : supported_isas())
        for (const std::size_t threads : {1u, 2u, 7u}) {
            const forced_isa forced(level);
            f(gc::exec::cpu_team(threads));
        }
}

} // namespace

TEST_CASE("scatter follows the indices of every form and their places")
{
    for (const std::size_t n : {std::size_t{1}, std::size_t{1000}, std::size_t{65536}, std::size_t{65537}, std::size_t{300001}})
        for (const std::size_t kept : {std::size_t{1}, (n + 9) / 10, n}) {
            const auto index = some_indices(n, kept);
            REQUIRE(index.size() == kept);
            const auto value = numbers<double>(kept);
            for (const gc::index_form& form : {gc::index_form_of(n, kept), gc::index_form{n, kept, 0, 4}, gc::index_form{n, kept, 0, 8}}) {
                const auto words = written_indices(form, index);
                on_all_teams([&](const gc::exec::cpu_team& team) {
                    std::vector<double> out(3 * n + 2);
                    double* const to = out.data();
                    gc::exec::scatter(team, [to](std::size_t i, double v) { to[i] += v; }, form, reinterpret_cast<const std::byte*>(words.data()), value.data(), kept,
                        [](std::size_t i) { return 3 * i + 1; });
                    std::vector<double> expected(3 * n + 2);
                    for (std::size_t j = 0; j < kept; ++j) expected[3 * index[j] + 1] = value[j];
                    REQUIRE(out == expected);
                });
            }
        }
}

TEST_CASE_TEMPLATE("a dense vector gets every element once, zeros between, whatever part of the selection it is and wherever it lies", T, float, double)
{
    constexpr std::size_t n = 300'001;
    for (const std::size_t kept : {std::size_t{0}, std::size_t{1}, std::size_t{300}, std::size_t{30'000}, n}) {
        const auto index = some_indices(n, kept);
        const auto value = numbers<T>(kept);
        std::vector<T> all(n);
        for (std::size_t j = 0; j < kept; ++j) all[index[j]] = value[j];
        for (const gc::index_form& form : {gc::index_form_of(n, kept), gc::index_form{n, kept, 0, 8}}) {
            const auto words = written_indices(form, index);
            on_all_teams([&](const gc::exec::cpu_team& team) {
                for (const auto& [first, size] : {std::pair<std::size_t, std::size_t>{0, n}, {1, n - 1}, {70'000, 5}, {65'000, 140'003}, {n, 0}}) {
                    std::vector<T> out(size + 2, T(-7));
                    gc::exec::scatter_dense(team, out.data() + 1, first, size, form, reinterpret_cast<const std::byte*>(words.data()), value.data(), kept);
                    CHECK((out.front() == T(-7) && out.back() == T(-7)));
                    CHECK(std::equal(out.begin() + 1, out.end() - 1, all.begin() + static_cast<std::ptrdiff_t>(first)));
                }
            });
        }
    }
}

TEST_CASE("a vector that is stored past the caches is the same")
{
    constexpr std::size_t n = (std::size_t{16} << 20) / sizeof(float) + 12'345;
    std::vector<std::size_t> index;
    for (std::size_t i = 17; i < n; i += 97) index.push_back(i);
    const gc::index_form form = gc::index_form_of(n, index.size());
    const auto words = written_indices(form, index);
    const auto value = numbers<float>(index.size());
    gc::exec::host_buffer<float> out(n + 16);
    for (const std::size_t shift : {0u, 1u, 16u}) { // also where no line begins with an element
        std::fill(out.data(), out.data() + out.size(), -7.0f);
        gc::exec::scatter_dense(gc::exec::cpu_team(2), out.data() + shift, 0, n, form, reinterpret_cast<const std::byte*>(words.data()), value.data(), index.size());
        std::size_t wrong = 0, j = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const bool named = j < index.size() && index[j] == i;
            wrong += out.data()[shift + i] != (named ? value[j] : 0.0f);
            j += named;
        }
        for (std::size_t i = 0; i < 16; ++i) wrong += out.data()[i < shift ? i : n + i] != -7.0f;
        CHECK(wrong == 0);
    }
}
