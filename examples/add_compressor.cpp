/// A compressor of one's own in a stack: ternary.hpp, which the library does not know, with error feedback around it.
#include "ternary.hpp"

#include <cmath>
#include <cstdio>
#include <vector>

namespace gc = gradcomp;

int main()
{
    double distance = 0;
    gc::comm::run_ranks(4, [&](gc::comm::in_process communicator) {
        gc::policy_stack stack{.compressor = own::ternary{.bucket = 16}, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}};
        std::vector<float> x(1000, 5.0f), gradient(x.size());
        auto exchange = stack.attach(gc::tensor_list{{"weights", {1000}}}, x);
        for (int step = 0; step < 400; ++step) {
            for (std::size_t i = 0; i < x.size(); ++i) gradient[i] = x[i] - static_cast<float>(communicator.rank()); // of 1/2 |x - rank|^2
            exchange.step(gradient, 0.05);
        }
        if (communicator.rank() != 0) return;
        for (const float v : x) distance = std::max(distance, std::abs(v - 1.5));
        std::printf("farthest from 1.5: %.2e; %zu bytes a step instead of %zu\n", distance, exchange.message_bytes(), 4 * x.size());
    });
    return distance < 0.01 ? 0 : 1;
}
