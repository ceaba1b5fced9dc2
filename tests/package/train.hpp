/// @file What both source files of the consumer do.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <gradcomp/gradcomp.hpp>

namespace consumer {

/// Ten steps of f(x) = |x|^2 / 2 on two ranks from x = 1; returns rank 0's parameters. Deterministic.
inline std::vector<float> train()
{
    namespace gc = gradcomp;
    std::vector<float> result;
    gc::comm::run_ranks(2, [&](gc::comm::in_process communicator) {
        gc::policy_stack stack{
            .compressor = gc::random_block{.ratio = 4},
            .memory = gc::def{.lambda = 0.3},
            .reducer = gc::ring{communicator},
        };
        std::vector<float> parameters(64, 1.0f);
        auto exchange = stack.attach(gc::tensor_list{{"weight", {8, 8}}}, std::span<float>(parameters));
        std::vector<float> gradient(parameters.size());
        for (int step = 0; step < 10; ++step) {
            const auto point = exchange.gradient_point();
            for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = point[i];
            exchange.step(std::span<const float>(gradient), 0.1);
        }
        if (communicator.rank() == 0) result = parameters;
    });
    return result;
}

/// The same from the other source file.
std::vector<float> train_elsewhere();

} // namespace consumer
