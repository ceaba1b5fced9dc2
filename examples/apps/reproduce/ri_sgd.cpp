/// @file Puts the experiments on RI-SGD together.
#include "reproduce/ri_sgd.hpp"

namespace apps::reproduce {

experiment make_ri_sgd(const choices& chosen)
{
    experiment all{.name = "ri-sgd",
        .title = "RI-SGD: trading redundancy for communication",
        .source = "Haddadpour, Kamani, Mahdavi, Cadambe, ICML 2019 (slides). They give no numbers; data, models and learning rates here are our own and stand beside each figure. "
                  "Every method sees equally many samples a step: redundancy changes which samples a worker may draw, not how many.",
        .parts = {},
        .judge = {}};
    add_residual(all, chosen);
    add_batches(all, chosen);
    add_local_training(all, chosen);
    add_deaths(all, chosen);
    all.judge = [chosen](const std::vector<record>& records, findings& found) {
        judge_local_training(records, chosen, found);
        judge_deaths(records, chosen, found);
        judge_residual(records, chosen, found);
        judge_batches(records, chosen, found);
    };
    return all;
}

} // namespace apps::reproduce
