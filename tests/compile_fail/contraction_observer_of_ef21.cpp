/// @file Contraction measured where the memory keeps no p - c.
// EXPECT: gradcomp: gc::contraction_observer reads p - c from error(), and gc::ef21 and gc::econtrol keep an estimate there. Observe a stack with .memory = gc::ef{}.
#include <gradcomp/gradcomp.hpp>
#include <gradcomp/observe/contraction.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters, std::span<const float> gradient)
{
#ifdef GRADCOMP_FAIL
    const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef21<>{}, .reducer = gc::all_gather{communicator}, .server = gc::estimate{}};
#else
    const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef<>{}, .reducer = gc::all_gather{communicator}};
#endif
    auto exchange = stack.attach({{"w", {8, 8}}}, parameters);
    gc::contraction_observer<float> observer(64, stack.compressor.classes(64));
    exchange.step(gradient, 0.1);
    observer.after_step(exchange);
}
