/// Local SGD: eight steps on each rank, then the average of what they did; the same stack with another period and no compression.
#include <gradcomp/gradcomp.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

namespace gc = gradcomp;

int main()
{
    double distance = 0;
    gc::comm::run_ranks(3, [&](gc::comm::in_process communicator) {
        gc::policy_stack stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .period = 8};
        std::vector<double> x(100, 5.0), gradient(x.size());
        auto exchange = stack.attach(gc::tensor_list{{"weights", {100}}}, x);
        for (int step = 0; step < 800; ++step) {
            const auto model = exchange.gradient_point(); // this rank's own model between exchanges
            for (std::size_t i = 0; i < x.size(); ++i) gradient[i] = model[i] - communicator.rank();
            exchange.step(gradient, 0.05);
        }
        if (communicator.rank() == 0) distance = std::abs(x[0] - 1.0);
    });
    std::printf("distance to the ranks' mean: %.2e after 100 exchanges\n", distance);
    return distance < 1e-12 ? 0 : 1;
}
