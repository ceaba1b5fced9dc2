/// @file Properties of compressors: nothing is lost, sizes are exact, classes and level distances hold, decoding is a function of the bytes.
#include "properties/property.hpp"

#if defined(GRADCOMP_TEST_RAPIDCHECK)
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <gradcomp/comm/ring_chunks.hpp>
#include <gradcomp/core/index_code.hpp>
#include <gradcomp/theory/measured.hpp>

#include <cmath>

using namespace conformance;
using namespace properties;
using gc::norm, gc::rounding;

namespace {

/// A random p, as owed and gradient, with the step: everything that an encoding depends on.
struct problem {
    std::vector<float> gradient, owed, p;
    std::uint32_t step;
};
problem some_problem(std::size_t most = 150)
{
    const std::size_t n = size_in(0, most);
    const auto of = static_cast<pattern>(size_in(0, std::size(all_patterns) - 1)), other = static_cast<pattern>(size_in(0, std::size(all_patterns) - 1));
    problem one{input<float>(of, n, any_seed()), input<float>(other, n, any_seed()), {}, static_cast<std::uint32_t>(any_seed())};
    one.p = expected_p<float>(one.gradient, one.owed);
    return one;
}

/// What one encoding gave, and what it says.
struct outcome {
    encoded<float> sent;
    std::vector<float> c;
    std::vector<std::uint8_t> touched;
};
template <class C> outcome send(const C& compressor, const problem& of, setting with = {})
{
    coding<float, C> run(compressor, one_tensor(of.p.size()), with);
    outcome out{run.encode(of.gradient, of.owed, of.step), {}, {}};
    run.check(out.sent.message);
    auto what = run.decode(out.sent.message);
    out.c = std::move(what.value);
    out.touched = std::move(what.touched);
    return out;
}

/// c_i is p_i or 0 and c + e' is p exactly.
void conserves(const problem& of, const outcome& out)
{
    for (std::size_t i = 0; i < of.p.size(); ++i) RC_ASSERT(out.touched[i] <= 1 && out.c[i] + out.sent.left[i] == of.p[i] && (!out.touched[i] || out.c[i] == of.p[i]));
}
/// e' is p - c in one rounding.
void leaves_the_rest(const problem& of, const outcome& out)
{
    for (std::size_t i = 0; i < of.p.size(); ++i) RC_ASSERT(same_bits(out.sent.left[i], of.p[i] - out.c[i]));
}
double energy(const std::vector<float>& x)
{
    double sum = 0;
    for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
    return sum;
}
std::size_t count_of(const outcome& out) { return static_cast<std::size_t>(std::count(out.touched.begin(), out.touched.end(), 1)); }
float largest_of(const std::vector<float>& x) { return gc::largest_of(x.data(), x.size()); }

} // namespace

GRADCOMP_PROPERTY("top_k sends k elements of the largest magnitude, ties to the lowest index, and loses nothing")
{
    const problem of = some_problem();
    const gc::top_k options{.ratio = 1 + static_cast<double>(size_in(0, 400)) / 16};
    const outcome out = send(options, of);
    conserves(of, out);
    const std::size_t k = options.kept(of.p.size());
    RC_ASSERT(count_of(out) == k && out.sent.message.size() == 4 * k + (2 * k + 3) / 4 * 4); // one tile: 16 bits an index
    std::uint32_t least = ~0u, most = 0;
    std::size_t last_sent = 0, first_left = of.p.size();
    for (std::size_t i = 0; i < of.p.size(); ++i) {
        if (out.touched[i]) least = std::min(least, gc::magnitude(of.p[i]));
        else most = std::max(most, gc::magnitude(of.p[i]));
    }
    RC_ASSERT(k == 0 || least >= most);
    for (std::size_t i = 0; i < of.p.size(); ++i) {
        if (gc::magnitude(of.p[i]) != least || least != most) continue;
        if (out.touched[i]) last_sent = i;
        else first_left = std::min(first_left, i);
    }
    RC_ASSERT(k == 0 || least != most || last_sent < first_left);
}

GRADCOMP_PROPERTY("top_k leaves at most the share 1 - k/d of the energy")
{
    const problem of = some_problem();
    RC_PRE(!of.p.empty());
    const gc::top_k options{.ratio = 1 + static_cast<double>(size_in(0, 100)) / 8};
    const outcome out = send(options, of);
    RC_ASSERT(energy(out.sent.left) <= gc::theory::contraction(*options.classes(of.p.size()).b3) * energy(of.p) * (1 + 1e-12));
}

GRADCOMP_PROPERTY("rand_k with own indices loses nothing, and its size is exact")
{
    const problem of = some_problem();
    const gc::rand_k<gc::indices::own, gc::scaling::none> options{.ratio = 1 + static_cast<double>(size_in(0, 100)) / 8};
    const outcome out = send(options, of, {.rank = static_cast<std::uint32_t>(size_in(0, 7)), .seed = any_seed()});
    conserves(of, out);
    RC_ASSERT(count_of(out) == options.kept(of.p.size()) && out.sent.message.size() == 4 * count_of(out) + (2 * count_of(out) + 3) / 4 * 4);
}

GRADCOMP_PROPERTY("random_block loses nothing, and all ranks choose the same elements")
{
    const problem of = some_problem();
    const gc::random_block options{.ratio = 1 + static_cast<double>(size_in(0, 100)) / 8, .block = static_cast<std::uint32_t>(size_in(0, 9))};
    const std::uint64_t seed = any_seed();
    const outcome out = send(options, of, {.seed = seed});
    conserves(of, out);
    RC_ASSERT(out.sent.message.size() == 4 * options.kept(of.p.size()));
    RC_ASSERT(send(options, of, {.rank = 3, .seed = seed}).touched == out.touched);
}

GRADCOMP_PROPERTY("threshold sends what reaches its limit as far as there is room, and loses nothing")
{
    const problem of = some_problem();
    const gc::threshold<gc::limit_unit::absolute> options{.limit = std::ldexp(1.0, static_cast<int>(size_in(0, 12)) - 10), .ratio = 1 + static_cast<double>(size_in(0, 40)) / 8};
    const outcome out = send(options, of);
    conserves(of, out);
    const auto reaches = [&](float p) { return std::abs(static_cast<double>(p)) >= options.limit; };
    const std::size_t reach = static_cast<std::size_t>(std::count_if(of.p.begin(), of.p.end(), reaches));
    RC_ASSERT(count_of(out) == std::min(reach, gc::kept_count(of.p.size(), options.ratio)));
    for (std::size_t i = 0; i < of.p.size(); ++i) RC_ASSERT(!out.touched[i] || reaches(of.p[i]));
}

GRADCOMP_PROPERTY("block_top_k sends the blocks of the largest norm and loses nothing")
{
    const problem of = some_problem();
    const gc::block_top_k options{.ratio = 1 + static_cast<double>(size_in(0, 40)) / 8, .block = static_cast<std::uint32_t>(size_in(1, 9))};
    const outcome out = send(options, of);
    conserves(of, out);
    double least = 1e300, most = 0;
    for (std::size_t at = 0; at < of.p.size(); at += options.block) {
        const auto stop = std::min<std::size_t>(of.p.size(), at + options.block);
        const double norm = energy({of.p.begin() + static_cast<std::ptrdiff_t>(at), of.p.begin() + static_cast<std::ptrdiff_t>(stop)});
        for (std::size_t i = at; i < stop; ++i) RC_ASSERT(out.touched[i] == out.touched[at]);
        if (out.touched[at]) least = std::min(least, norm);
        else most = std::max(most, norm);
    }
    RC_ASSERT(least >= most * (1 - 1e-12));
}

GRADCOMP_PROPERTY("sign with its scale leaves at most the share 1 - 1/d of the energy")
{
    const problem of = some_problem();
    RC_PRE(!of.p.empty());
    const outcome out = send(gc::sign<>{}, of);
    leaves_the_rest(of, out);
    RC_ASSERT(energy(out.sent.left) <= (1 - 1 / static_cast<double>(of.p.size())) * energy(of.p) * (1 + 1e-5) + 1e-60);
}

GRADCOMP_PROPERTY("natural sends one of the powers of two beside an element, sign kept, at most 2^127")
{
    const problem of = some_problem();
    const outcome out = send(gc::natural<>{}, of);
    leaves_the_rest(of, out);
    for (std::size_t i = 0; i < of.p.size(); ++i) {
        const float p = std::abs(of.p[i]), c = std::abs(out.c[i]);
        if (p < 0x1p-126f) RC_ASSERT(c == 0 || c == 0x1p-126f);
        else RC_ASSERT(c == std::exp2(std::floor(std::log2(static_cast<double>(p)))) || (c >= p && c < 2 * p && std::ilogb(c) == std::ilogb(p) + 1 && c == std::ldexp(1.0f, std::ilogb(c))));
        RC_ASSERT(std::signbit(out.c[i]) == std::signbit(of.p[i]) || out.c[i] == 0);
    }
}

GRADCOMP_PROPERTY("qsgd moves no element by more than one step of its bucket")
{
    const problem of = some_problem();
    const gc::qsgd<norm::infinity> options{.bits = static_cast<int>(size_in(2, 8)), .bucket = std::size_t{8} << size_in(0, 4)};
    const outcome out = send(options, of);
    leaves_the_rest(of, out);
    for (std::size_t at = 0; at < of.p.size(); at += options.bucket) {
        const std::size_t stop = std::min(of.p.size(), at + options.bucket);
        const float step = gc::largest_of(of.p.data() + at, stop - at) / static_cast<float>((1 << (options.bits - 1)) - 1);
        for (std::size_t i = at; i < stop; ++i) RC_ASSERT(std::abs(out.c[i] - of.p[i]) <= step * 1.0001f + 0x1p-100f);
    }
}

GRADCOMP_PROPERTY("min_max moves no element by more than half a step, and stays between the ends")
{
    const problem of = some_problem(64);
    RC_PRE(!of.p.empty());
    const gc::min_max<rounding::nearest> options{.bits = static_cast<int>(size_in(1, 8)), .bucket = 64};
    const outcome out = send(options, of);
    leaves_the_rest(of, out);
    const auto [low, high] = std::minmax_element(of.p.begin(), of.p.end());
    const float step = (*high - *low) / static_cast<float>((1 << options.bits) - 1), rounding = 4e-7f * largest_of(of.p) + 0x1p-100f;
    for (std::size_t i = 0; i < of.p.size(); ++i) {
        RC_ASSERT(std::abs(out.c[i] - of.p[i]) <= 0.5001f * step + rounding);
        RC_ASSERT(out.c[i] >= *low - rounding && out.c[i] <= *high + rounding);
    }
}

GRADCOMP_PROPERTY("a cast to half is off by at most 2^-11 of an element, or of the format's range below the bucket's largest")
{
    const problem of = some_problem();
    const outcome out = send(gc::cast<gc::half>{}, of);
    leaves_the_rest(of, out);
    const float tiny = largest_of(of.p) * 0x1p-38f + 0x1p-100f;
    for (std::size_t i = 0; i < of.p.size(); ++i) RC_ASSERT(std::abs(out.c[i] - of.p[i]) <= std::abs(of.p[i]) * 0x1p-11f + tiny);
}

GRADCOMP_PROPERTY("exponential dithering keeps signs, never goes beyond the norm, and each value is the norm times a level")
{
    const problem of = some_problem(64);
    const auto options = gc::natural_dithering<norm::infinity>(size_in(1, 20), 64);
    const outcome out = send(options, of);
    leaves_the_rest(of, out);
    const float unit = largest_of(of.p);
    for (std::size_t i = 0; i < of.p.size(); ++i) {
        RC_ASSERT(std::abs(out.c[i]) <= unit && (out.c[i] == 0 || std::signbit(out.c[i]) == std::signbit(of.p[i])));
        if (out.c[i] != 0) RC_ASSERT(std::ldexp(std::abs(out.c[i]), std::ilogb(unit) - std::ilogb(out.c[i])) == unit);
    }
}

GRADCOMP_PROPERTY("a chain sends nothing but what its sparsifier keeps, its size is exact, and decoding twice says the same")
{
    const problem of = some_problem();
    const gc::chain options{gc::top_k{.ratio = 1 + static_cast<double>(size_in(0, 60)) / 8}, gc::qsgd<>{.bits = 4, .bucket = 16}};
    coding<float, std::remove_const_t<decltype(options)>> run(options, one_tensor(of.p.size()));
    const auto sent = run.encode(of.gradient, of.owed, of.step);
    RC_ASSERT(sent.guards_intact && sent.message.size() == run.bytes());
    const std::size_t k = options.sparsifier.kept(of.p.size()), parameters = (k + 15) / 16 * 4;
    RC_ASSERT(run.bytes() == (parameters + 15) / 16 * 16 + ((k + 1) / 2 + 15) / 16 * 16 + (2 * k + 3) / 4 * 4);
    const auto once = run.decode(sent.message), twice = run.decode(sent.message);
    RC_ASSERT(once == twice);
    RC_ASSERT(static_cast<std::size_t>(std::count(once.touched.begin(), once.touched.end(), 1)) == k);
}

GRADCOMP_PROPERTY("one (seed, step, rank) gives one message, and bytes() is its size")
{
    const problem of = some_problem();
    const gc::tern_grad options{.bucket = 16};
    const setting with{.rank = static_cast<std::uint32_t>(size_in(0, 5)), .seed = any_seed()};
    const outcome once = send(options, of, with), again = send(options, of, with);
    RC_ASSERT(once.sent.message == again.sent.message && once.sent.guards_intact);
    leaves_the_rest(of, once);
}

GRADCOMP_PROPERTY("by_tensor's message is its cases' messages behind each other")
{
    const std::size_t rows = size_in(1, 20), columns = size_in(1, 20), rest = size_in(0, 30);
    const gc::by_tensor options{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.ratio = 3})};
    const gc::tensor_list list{{"b", {rest}}, {"w", {rows, columns}}};
    coding<float, std::remove_const_t<decltype(options)>> run(options, list);
    const auto gradient = input<float>(pattern::heavy, list.total(), any_seed());
    const auto sent = run.encode(gradient, std::vector<float>(list.total()), 1);
    const std::size_t k = gc::kept_count(rows * columns, 3);
    RC_ASSERT(run.bytes() == 4 * rest + 4 * k + (2 * k + 3) / 4 * 4);
    const auto c = run.decode(sent.message);
    for (std::size_t i = 0; i < rest; ++i) RC_ASSERT(c.touched[i] == 1 && c.value[i] == 0.5f * gradient[i]);
}

GRADCOMP_PROPERTY("a ring's sum of integers is the sum, for any number of ranks and elements, each element summed by one rank")
{
    const int ranks = static_cast<int>(size_in(1, 9));
    const std::size_t n = size_in(0, 80);
    std::vector<std::vector<float>> x;
    for (int r = 0; r < ranks; ++r) x.push_back(input<float>(pattern::integers, n, any_seed()));
    std::vector<float> sum(n, -1000);
    std::uint64_t sent = 0;
    std::size_t next = 0;
    for (int c = 0; c < ranks; ++c) {
        const auto chunk = gc::comm::chunk_of(n, ranks, c);
        RC_ASSERT(chunk.offset == next && gc::comm::chunk_owned_by(gc::comm::owner_of(c, ranks), ranks) == c);
        next += chunk.size;
        gc::comm::sum_in_ring_order([&](int r) { return x[static_cast<std::size_t>(r)].data() + chunk.offset; }, c, ranks, chunk.size, sum.data() + chunk.offset);
        sent += gc::comm::ring_elements_sent(n, ranks, c);
    }
    RC_ASSERT(next == n && sent == 2 * static_cast<std::uint64_t>(ranks - 1) * n);
    for (std::size_t i = 0; i < n; ++i) {
        float all = 0;
        for (const auto& one : x) all += one[i];
        RC_ASSERT(sum[i] == all);
    }
}

#endif
