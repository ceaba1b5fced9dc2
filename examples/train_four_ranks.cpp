/// Four ranks agree on a model while each sends a 64th of its update: the README's example.
#include <gradcomp/gradcomp.hpp>

#include <cstdio>
#include <vector>

namespace gc = gradcomp;

int main()
{
    gc::comm::run_ranks(4, [](gc::comm::in_process communicator) {
        gc::policy_stack stack{
            .compressor = gc::random_block{.ratio = 64},
            .memory = gc::def{.lambda = 0.3},
            .reducer = gc::ring{communicator},
            .local = gc::momentum{.beta = 0.9}};
        std::vector<float> x(4096, 10.0f), gradient(x.size());
        auto exchange = stack.attach(gc::tensor_list{{"weights", {64, 64}}}, x);
        for (int step = 0; step < 3000; ++step) {
            const auto point = exchange.gradient_point(); // of 1/2 |x - rank|^2
            for (std::size_t i = 0; i < x.size(); ++i) gradient[i] = point[i] - static_cast<float>(communicator.rank());
            exchange.step(gradient, 0.002);
        }
        exchange.evaluate_at(gradient);
        if (communicator.rank() == 0)
            std::printf("x[0] = %.2f, wanted 1.50; %zu bytes a step instead of %zu\n", gradient[0], exchange.message_bytes(), 4 * x.size());
    });
}
