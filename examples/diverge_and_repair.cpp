/// The exponential divergence of Top-1 without memory on three quadratics, and its cure by error feedback.
/// Beznosikov, Horvath, Richtarik, Safaryan, JMLR 24(276): x grows by exactly 1 + 11 eta / 6 a step.
#include <gradcomp/gradcomp.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

namespace gc = gradcomp;

/// f_i(x) = <a_i, x>^2 + |x|^2 / 4 with a_i = (2, 2, 2) but -3 at place i.
template <class Memory> double norm_after(int steps, double eta, const Memory& memory)
{
    double norm = 0;
    gc::comm::run_ranks(3, [&](gc::comm::in_process communicator) {
        gc::policy_stack stack{.compressor = gc::top_k{.k = 1}, .memory = memory, .reducer = gc::all_gather{communicator}};
        std::vector<double> x(3, 1.0), gradient(3);
        auto exchange = stack.attach(gc::tensor_list{{"x", {3}}}, x);
        const auto a = [&](std::size_t j) { return static_cast<int>(j) == communicator.rank() ? -3.0 : 2.0; };
        for (int step = 0; step < steps; ++step) {
            double product = 0;
            for (std::size_t j = 0; j < 3; ++j) product += a(j) * x[j];
            for (std::size_t j = 0; j < 3; ++j) gradient[j] = 2 * product * a(j) + x[j] / 2;
            exchange.step(gradient, eta);
        }
        if (communicator.rank() == 0) norm = std::sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    });
    return norm;
}

int main()
{
    const double eta = 0.05, expected = std::sqrt(3.0) * std::pow(1 + 11 * eta / 6, 100);
    const double forgotten = norm_after(100, eta, gc::none_accepting_bias{}), remembered = norm_after(3000, eta, gc::ef{});
    std::printf("no memory: |x| = %.6g after 100 steps, predicted %.6g; error feedback: |x| = %.1e after 3000\n", forgotten, expected, remembered);
    return std::abs(forgotten / expected - 1) < 1e-12 && remembered < 1e-9 ? 0 : 1;
}
