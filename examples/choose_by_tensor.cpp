/// Different compressors for different tensors: biases dense, small matrices at ratio 4, the rest at ratio 64, all in one message.
#include <gradcomp/gradcomp.hpp>

#include <cstdio>
#include <vector>

namespace gc = gradcomp;

int main()
{
    const gc::tensor_list tensors{{"fc1.weight", {256, 784}}, {"fc1.bias", {256}}, {"fc2.weight", {10, 256}}, {"fc2.bias", {10}}};
    std::size_t bytes = 0;
    gc::comm::run_ranks(2, [&](gc::comm::in_process communicator) {
        gc::policy_stack stack{
            .compressor = gc::by_tensor{gc::vectors(gc::identity{}), gc::up_to(4096, gc::random_block{.ratio = 4}), gc::otherwise(gc::random_block{.ratio = 64})},
            .memory = gc::def{.lambda = 0.3},
            .reducer = gc::ring{communicator}};
        std::vector<float> x(tensors.total()), gradient(tensors.total(), 1.0f);
        auto exchange = stack.attach(tensors, x);
        exchange.step(gradient, 0.1);
        if (communicator.rank() == 0) bytes = exchange.message_bytes();
    });
    const std::size_t expected = 4 * (200704 / 64 + 256 + 2560 / 4 + 10);
    std::printf("%zu bytes a step, expected %zu, dense %zu\n", bytes, expected, 4 * tensors.total());
    return bytes == expected ? 0 : 1;
}
