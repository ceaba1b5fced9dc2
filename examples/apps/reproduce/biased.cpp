/// @file Puts the experiments on biased compression together.
#include "reproduce/biased.hpp"

namespace apps::reproduce {

experiment make_biased(const choices& chosen)
{
    experiment all{.name = "biased",
        .title = "On biased compression",
        .source = "Beznosikov, Horvath, Richtarik, Safaryan, JMLR 24(276), 2023. The paper's settings (dimensions, steps, learning rates) are not in its poster; those here are our own and stand beside each figure.",
        .parts = {},
        .judge = {}};
    add_divergence(all, chosen);
    add_operators(all, chosen);
    add_descent(all, chosen);
    add_variance(all, chosen);
    add_training(all, chosen);
    all.judge = [chosen](const std::vector<record>& records, findings& found) {
        judge_divergence(records, chosen, found);
        judge_variance(records, chosen, found);
        judge_descent(records, chosen, found);
        judge_training(records, chosen, found);
        judge_operators(records, chosen, found);
    };
    return all;
}

} // namespace apps::reproduce
