/// @file Puts the experiments on detached error feedback together.
#include "reproduce/def.hpp"

namespace apps::reproduce {

experiment make_def(const choices& chosen)
{
    experiment all{.name = "def",
        .title = "Detached error feedback",
        .source = "Xu, Huang, ICML 2022. The paper trains ResNet-50 on ImageNet and VGG-16 on CIFAR-10 with 8 workers; here, with 8 workers, an MLP 784-256-10 (in the full run a convolutional network as well) on Fashion-MNIST, and a character model on tiny-shakespeare.",
        .parts = {},
        .judge = {}};
    add_def_table(all, chosen);
    add_def_curves(all, chosen);
    add_def_excess(all, chosen);
    add_def_logistic(all, chosen);
    add_def_text(all, chosen);
    all.judge = [chosen](const std::vector<record>& records, findings& found) {
        judge_def_table(records, chosen, found);
        judge_def_curves(records, chosen, found);
        judge_def_excess(records, chosen, found);
        judge_def_logistic(records, chosen, found);
        judge_def_text(records, chosen, found);
    };
    return all;
}

} // namespace apps::reproduce
