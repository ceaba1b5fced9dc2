// exec::cuda against exec::cpu: message, memory and counts, bit for bit, for every engine, gradient type and awkward layout.
#include <gradcomp/cuda.cuh>

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace gc = gradcomp;
using gc::exec::non_finite;

namespace {

/// A stream that can be off the grid of packs, on the host and on the device.
template <class T> struct twin {
    std::vector<T> host;
    gc::exec::device_buffer<T> device;
    std::size_t skew;
    twin(std::vector<T> values, std::size_t shift) : host(std::move(values)), device(host.size() + 8), skew(shift)
    {
        if (!host.empty()) REQUIRE(cudaMemcpy(at(), host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
    }
    T* at() { return device.data() + skew; }
    std::vector<T> read()
    {
        std::vector<T> copy(host.size());
        if (!host.empty()) REQUIRE(cudaMemcpy(copy.data(), at(), copy.size() * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
        return copy;
    }
};

template <class T> bool same(const std::vector<T>& a, const std::vector<T>& b)
{
    for (std::size_t i = 0; i < a.size(); ++i)
        if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0 && !(a[i] != a[i] && b[i] != b[i])) return false;
    return a.size() == b.size();
}

template <class T> std::vector<T> noise(std::size_t n, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::vector<T> x(n);
    for (T& v : x) v = static_cast<T>(static_cast<float>(normal(random)));
    return x;
}

gc::tensor_list list_of(const std::vector<std::size_t>& sizes)
{
    std::vector<gc::tensor> all;
    for (std::size_t t = 0; t < sizes.size(); ++t) all.push_back({"t" + std::to_string(t), {sizes[t]}});
    return gc::tensor_list(all);
}

/// One step of DEF with momentum and weight decay, by one compressor, on both executors.
template <class T, class Gradient, class Compressor> void compare(const Compressor& compressor, const gc::tensor_list& list, std::size_t skew, non_finite policy)
{
    using direction = gc::momentum::direction<T, true>;
    using rule_type = gc::recurrence_rule<T, Gradient, direction, true, true, false>;
    const std::size_t n = list.total();
    std::vector<std::size_t> all(list.count());
    for (std::size_t t = 0; t < all.size(); ++t) all[t] = t;
    const gc::coder_start start{&list, &all, 5, 0};
    auto values = noise<Gradient>(n, 1);
    if (policy != non_finite::propagate)
        for (std::size_t i = 3; i < n; i += 97) values[i] = static_cast<Gradient>(i % 2 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN());
    twin<Gradient> g(values, skew);
    twin<T> m(noise<T>(n, 2), skew), z(noise<T>(n, 3), skew), e(noise<T>(n, 4), skew), x(noise<T>(n, 5), skew);

    const gc::step_state<T> now{T(0.1), 9, T(0.3)};
    const auto fill = [&](rule_type& rule, const Gradient* gradient, T* mp, T* zp, T* ep, T* xp) {
        rule.gradient = gradient;
        rule.in[0] = rule.out[0] = mp;
        rule.in[direction::point_in] = zp;
        rule.in[rule.error_in] = rule.out[rule.error_out] = ep;
        rule.in[rule.parameters_in] = xp;
        rule.out[rule.point_out] = zp;
    };
    const gc::rate_scales<T> scales{true};
    const gc::momentum options{.beta = 0.9, .weight_decay = 0.01};

    const gc::exec::cpu_team team;
    auto host_coder = compressor.template start<T>(team, start);
    rule_type rule(direction(options), scales);
    fill(rule, g.host.data(), m.host.data(), z.host.data(), e.host.data(), x.host.data());
    rule.at_step(now);
    const auto rules = [&](const gc::segment& s) {
        auto there = rule;
        there.advance(s.offset);
        return there;
    };
    std::vector<std::byte> message(host_coder.bytes() + 16);
    const auto tally = host_coder.encode(team, rules, now, message.data(), {.bad_elements = policy});

    const gc::exec::cuda_stream on;
    auto device_coder = compressor.template start<T>(on, start);
    gc::exec::device_buffer<gc::step_state<T>> state(1);
    state.fill_from(&now, 1);
    const gc::exec::device_step<T> at{state.data()};
    rule_type device_rule(direction(options), scales);
    fill(device_rule, g.at(), m.at(), z.at(), e.at(), x.at());
    const auto bound = gc::exec::bind_step(on, device_rule, at);
    gc::exec::device_buffer<std::byte> sent(device_coder.bytes() + 16);
    device_coder.encode(on, gc::exec::packed_rule<std::remove_const_t<decltype(bound)>>{bound}, at, sent.data(), {.bad_elements = policy});
    std::vector<T> zeros(n);
    gc::exec::device_buffer<T> decoded(n);
    device_coder.check(on, sent.data());
    device_coder.decode(on, sent.data(), gc::stack::accumulate_target<T>{decoded.data()});
    const auto counts = on.read_counts();

    CHECK(counts.bad == tally.bad);
    CHECK(counts.unreadable == 0);
    std::vector<std::byte> received(message.size());
    REQUIRE(cudaMemcpy(received.data(), sent.data(), received.size(), cudaMemcpyDeviceToHost) == cudaSuccess);
    CHECK(received == message);
    CHECK(same(m.read(), m.host));
    CHECK(same(e.read(), e.host));
    CHECK(same(z.read(), z.host));
    CHECK(same(x.read(), x.host));
    host_coder.decode(team, message.data(), gc::stack::accumulate_target<T>{zeros.data()});
    std::vector<T> back(n);
    if (n > 0) REQUIRE(cudaMemcpy(back.data(), decoded.data(), n * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    CHECK(same(back, zeros));
    std::fill(zeros.begin(), zeros.end(), T(7));
    decoded.fill_from(zeros.data(), n);
    host_coder.decode(team, message.data(), gc::exec::dense_target<T>{zeros.data()});
    device_coder.decode(on, sent.data(), gc::exec::dense_target<T>{decoded.data()});
    on.read_counts(); // waits
    if (n > 0) REQUIRE(cudaMemcpy(back.data(), decoded.data(), n * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    CHECK(same(back, zeros));
}

template <class T, class Gradient, class Compressor> void compare_all(const Compressor& compressor)
{
    for (const auto& sizes : std::vector<std::vector<std::size_t>>{{}, {0}, {1}, {3, 0, 5}, {4096}, {4095, 4097, 1}, {13, 8192, 2, 2, 5000, 0, 7}, {300001}})
        for (const std::size_t skew : {0u, 1u})
            for (const non_finite policy : {non_finite::zero_and_count, non_finite::propagate}) {
                CAPTURE(sizes.size());
                CAPTURE(skew);
                compare<T, Gradient>(compressor, list_of(sizes), skew, policy);
            }
}

} // namespace

TEST_CASE("dense messages on the GPU equal the CPU's")
{
    compare_all<float, float>(gc::identity{});
    compare_all<double, double>(gc::delta_scaling{.delta = 0.3});
    compare_all<float, float>(gc::nothing{});
}

TEST_CASE("random blocks on the GPU equal the CPU's")
{
    compare_all<float, float>(gc::random_block{.ratio = 4});
    compare_all<float, float>(gc::random_block{.ratio = 4, .block = 1});
    compare_all<float, float>(gc::random_block{.ratio = 4, .block = 1024});
    compare_all<float, float>(gc::random_block{.ratio = 3, .block = 1000, .scope = gc::scope::whole_model});
    compare_all<double, double>(gc::random_block{.ratio = 4, .block = 64});
}

TEST_CASE("the k largest on the GPU are the CPU's, in the same order, ties and misses of the sample included")
{
    compare_all<float, float>(gc::top_k{.ratio = 10});
    compare_all<float, float>(gc::top_k{.ratio = 1000});
    compare_all<float, float>(gc::top_k{.ratio = 1});
    compare_all<double, double>(gc::top_k{.ratio = 20});
    compare_all<float, float>(gc::top_k{.ratio = 50, .scope = gc::scope::whole_model});
}

TEST_CASE("random coordinates on the GPU are the CPU's, with and without indices")
{
    compare_all<float, float>(gc::rand_k<>{.ratio = 5});
    compare_all<float, float>(gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 5});
    compare_all<double, double>(gc::rand_k<gc::indices::shared_seed, gc::scaling::none>{.ratio = 3, .scope = gc::scope::whole_model});
}

TEST_CASE("gradients of 16 bits are widened as the CPU widens them")
{
    compare_all<float, __half>(gc::random_block{.ratio = 4, .block = 64});
    compare_all<float, __nv_bfloat16>(gc::identity{});
    compare_all<float, __half>(gc::top_k{.ratio = 10});
}

TEST_CASE("what is no device memory is refused, and an earlier error is not ours")
{
    std::vector<float> host(16);
    const gc::tensor_list list{{"a", {16}}};
    gc::policy_stack stack{.compressor = gc::identity{}, .reducer = gc::ring{gc::comm::alone{}}, .executor = gc::exec::cuda{}};
    try {
        stack.attach(list, gc::device_view<float>(host.data(), host.size()));
        FAIL("host memory was taken for device memory");
    } catch (const gc::error& e) {
        CHECK(e.code() == gc::error_code::wrong_memory_space);
    }
    void* nothing = nullptr;
    REQUIRE(cudaMalloc(&nothing, std::size_t{1} << 60) != cudaSuccess);
    try {
        gc::exec::cuda_stream on;
        FAIL("an earlier error went unnoticed");
    } catch (const gc::error& e) {
        CHECK(e.code() == gc::error_code::device);
        CHECK(e.field() == "earlier CUDA call");
    }
    cudaGetLastError();
}
