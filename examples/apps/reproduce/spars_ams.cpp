/// @file Puts the experiments on SPARS-AMS together.
#include "reproduce/spars_ams.hpp"

namespace apps::reproduce {

experiment make_spars_ams(const choices& chosen)
{
    experiment all{.name = "spars-ams",
        .title = "SPARS-AMS: sparsified distributed adaptive learning with error feedback",
        .source = "Anonymous draft, published as Li, Karimi, Li, On Distributed Adaptive Optimization with Gradient Compression, ICLR 2022. The draft gives 20 workers, "
                  "Top-k and its claims; batch 32 a worker is the paper's. Learning rates, epochs and models here are our own and stand beside each figure.",
        .parts = {},
        .judge = {}};
    add_adaptive_training(all, chosen);
    add_speed_up(all, chosen);
    all.judge = [chosen](const std::vector<record>& records, findings& found) {
        judge_adaptive_training(records, chosen, found);
        judge_speed_up(records, chosen, found);
    };
    return all;
}

} // namespace apps::reproduce
