/// @file Any compressor as a function x -> C(x), through nothing but the library's front door.
#pragma once

#include <gradcomp/gradcomp.hpp>
#include <gradcomp/theory/measured.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace apps::reproduce {

/// One rank that takes steps of rate 1 with a stack; x' = x - C(g), so from x = 0 it leaves -C(g) behind.
template <class C, class T> class lone_rank {
public:
    lone_rank(const C& compressor, std::size_t d, std::uint64_t seed)
        : x_(d), exchange_(gradcomp::policy_stack{.compressor = compressor, .memory = gradcomp::none_accepting_bias{},
              .reducer = gradcomp::all_gather{gradcomp::comm::in_process(group_, 0)}, .seed = seed}
                               .attach(gradcomp::tensor_list{{"x", {d}}}, x_))
    {
    }
    void apply(std::span<const T> g, std::span<T> out)
    {
        std::fill(x_.begin(), x_.end(), T(0));
        exchange_.step(g, 1);
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = -x_[i];
    }

private:
    gradcomp::comm::in_process_group group_{1};
    std::vector<T> x_;
    decltype(std::declval<gradcomp::policy_stack<C, gradcomp::all_gather<gradcomp::comm::in_process>, gradcomp::none_accepting_bias<>>>().attach(
        std::declval<const gradcomp::tensor_list&>(), std::declval<std::vector<T>&>())) exchange_;
};

/// C on vectors of one length; each call is a fresh draw.
template <class T> struct operation {
    std::function<void(std::span<const T>, std::span<T>)> apply;
};

/// Bytes of a message for d elements of type T, without a run.
template <class T, class C> std::size_t message_bytes(const C& compressor, std::size_t d)
{
    const gradcomp::exec::cpu_team team(1);
    const gradcomp::tensor_list list{{"x", {d}}};
    const std::vector<std::size_t> tensors{0};
    return compressor.template start<T>(team, gradcomp::coder_start{&list, &tensors, 1, 0}).bytes();
}

template <class T, class C> operation<T> operate(const C& compressor, std::size_t d, std::uint64_t seed = 1)
{
    auto rank = std::make_shared<lone_rank<C, T>>(compressor, d, seed);
    return {[rank](std::span<const T> x, std::span<T> out) { rank->apply(x, out); }};
}

} // namespace apps::reproduce
