// Top-k on the GPU where its sample is wrong, where numbers are equal in masses, and where NaN have payloads: what exec::cpu sends, and how often it fell back.
#include "conformance/both_executors.cuh"
#include "cuda_lies.hpp"

#include <limits>
#include <random>

using namespace conformance;

namespace {

/// The same steps on both executors, p = e + g / 2; everything must agree after each.
template <class T> class twins {
public:
    twins(const gc::top_k& compressor, std::size_t n) : list_{{"only", {n}}}, host_(compressor, list_), device_(compressor, list_) {}

    /// The numbers that a step's sample sees.
    gc::random_stream sample(std::uint32_t step) const { return gc::exec::choice_key{.seed = 7, .owner = 3}.stream(step, host_.coder.where().selections[0].key, gc::purpose::sample); }

    void step(const std::vector<T>& g, std::uint32_t number)
    {
        std::copy(g.begin(), g.end(), host_.gradient.data());
        device_.gradient.fill_from(g.data(), g.size());
        const gc::step_state<T> now{T(0.5), number};
        state_.fill_from(&now, 1);
        auto rule = host_.rule();
        rule.at_step(now);
        const gc::exec::sweep_options options{.bad_elements = non_finite::propagate};
        host_.coder.encode(host_.on, [&](const gc::segment&) { return rule; }, now, host_.message.data(), options);
        const gc::exec::device_step<T> at{state_.data()};
        const auto bound = gc::exec::bind_step(device_.on, device_.rule(), at);
        device_.coder.encode(device_.on, gc::exec::packed_rule<std::remove_const_t<decltype(bound)>>{bound}, at, device_.message.data(), options);
        fallbacks = device_.on.read_counts().fallbacks;
        const std::size_t kept = host_.coder.where().kept, bytes = host_.coder.bytes();
        const auto sent = read(static_cast<const std::byte*>(device_.message.data()), bytes);
        const std::byte* const expected = host_.message.data();
        std::vector<T> values(kept), wanted(kept);
        std::memcpy(values.data(), sent.data(), kept * sizeof(T));
        std::memcpy(wanted.data(), expected, kept * sizeof(T));
        CHECK(same(values, wanted));
        CHECK(std::equal(sent.begin() + static_cast<std::ptrdiff_t>(kept * sizeof(T)), sent.end(), expected + kept * sizeof(T)));
        CHECK(same(read(static_cast<const T*>(device_.error.data()), g.size()), {host_.error.data(), host_.error.data() + g.size()}));
    }

    std::uint32_t fallbacks = 0; ///< so far

private:
    gc::tensor_list list_;
    side<T, gc::exec::cpu_team, gc::top_k> host_;
    side<T, gc::exec::cuda_stream, gc::top_k> device_;
    gc::exec::device_buffer<gc::step_state<T>> state_{1};
};

std::vector<float> rounded(std::size_t n, float step, std::uint32_t seed)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> x(n);
    for (float& v : x) v = std::rint(normal(random) / step) * step;
    return x;
}

} // namespace

TEST_CASE_TEMPLATE("where the sample is wrong, either way, the selection falls back and is exact all the same, and so are the steps behind it", T, float, double)
{
    const std::size_t n = 300001;
    for (const auto way : {cuda_lies::lie::too_large, cuda_lies::lie::too_small}) {
        const std::size_t kept = way == cuda_lies::lie::too_large ? 15000 : 1000;
        twins<T> both(gc::top_k{.k = kept}, n);
        both.step(cuda_lies::numbers<T>(n, kept, both.sample(1), way), 1);
        CHECK(both.fallbacks == 1);
        for (std::uint32_t step = 2; step < 5; ++step) both.step(std::vector<T>(n, T(0.001) * static_cast<T>(step)), step);
    }
}

TEST_CASE("masses of equal numbers are listed as far as they can win, and no selection falls back for them")
{
    for (const std::size_t kept : {std::size_t{300}, std::size_t{3000}, std::size_t{30000}})
        for (const float step : {0.5f, 1.0f, 4.0f}) {
            twins<float> both(gc::top_k{.k = kept}, 300001);
            for (std::uint32_t number = 0; number < 4; ++number) both.step(rounded(300001, step, number), number);
            CHECK(both.fallbacks == 0);
        }
}

TEST_CASE("NaN of any payload are equally large: more of them than are sent, and fewer")
{
    for (const std::size_t one_in : {3u, 97u}) {
        twins<float> both(gc::top_k{.k = 2000}, 60000);
        auto g = rounded(60000, 0.001f, 3);
        for (std::size_t i = 5; i < g.size(); i += one_in)
            g[i] = __builtin_bit_cast(float, static_cast<std::uint32_t>(0x7fc00000u | (i * 40503 % 1000) | (i % 2 ? 0x80000000u : 0u)));
        for (std::uint32_t number = 0; number < 3; ++number) both.step(g, number);
    }
}

TEST_CASE("several tensors in one selection fall back alike, piece by piece")
{
    const gc::tensor_list list{{"a", {70001}}, {"no", {0}}, {"b", {5}}, {"c", {230000}}};
    side<float, gc::exec::cpu_team, gc::top_k> host({.k = 15000, .scope = gc::scope::whole_model}, list);
    side<float, gc::exec::cuda_stream, gc::top_k> device({.k = 15000, .scope = gc::scope::whole_model}, list);
    const gc::random_stream stream = gc::exec::choice_key{.seed = 7, .owner = 3}.stream(4, host.coder.where().selections[0].key, gc::purpose::sample);
    const auto g = cuda_lies::numbers<float>(list.total(), 15000, stream, cuda_lies::lie::too_large);
    std::copy(g.begin(), g.end(), host.gradient.data());
    device.gradient.fill_from(g.data(), g.size());
    const gc::step_state<float> now{0.5f, 4};
    gc::exec::device_buffer<gc::step_state<float>> state(1);
    state.fill_from(&now, 1);
    auto rule = host.rule();
    rule.at_step(now);
    const auto rules = [&](const gc::segment& s) {
        auto there = rule;
        there.advance(s.offset);
        return there;
    };
    host.coder.encode(host.on, rules, now, host.message.data(), {});
    const gc::exec::device_step<float> at{state.data()};
    const auto bound = gc::exec::bind_step(device.on, device.rule(), at);
    device.coder.encode(device.on, gc::exec::packed_rule<std::remove_const_t<decltype(bound)>>{bound}, at, device.message.data(), {});
    CHECK(device.on.read_counts().fallbacks == 1);
    const std::size_t bytes = host.coder.bytes();
    CHECK(read(static_cast<const std::byte*>(device.message.data()), bytes) == std::vector<std::byte>(host.message.data(), host.message.data() + bytes));
    CHECK(same(read(static_cast<const float*>(device.error.data()), g.size()), {host.error.data(), host.error.data() + g.size()}));
}
