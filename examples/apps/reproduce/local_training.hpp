/// @file One training with local steps on redundantly placed data, in which workers may die.
#pragma once

#include "reproduce/rank_loop.hpp"
#include "reproduce/ri_sgd.hpp"
#include "reproduce/task.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace apps::reproduce {

enum class local_method {
    local_sgd,      ///< dense mean of what the workers did
    drawn_workers,  ///< the same over those that are drawn for the round; without weight decay, which would move those that rest
    outer_nesterov, ///< the same mean through Nesterov momentum of 0.5
    top_k_ef        ///< Top-k 1 percent with error feedback of what the workers did
};

struct local_settings {
    loop_settings loop;
    double redundancy = 0;
    std::size_t dead = 0;   ///< workers 0, 1, ... of them, the worst choice, for their shards lie beside each other
    double death = 1;       ///< the share of the steps after which they are gone; at 1 nobody dies and nothing starts again
    std::size_t drawn = 0;  ///< workers that are drawn for each round; 0: all take part. @pre nobody dies
    local_method method = local_method::local_sgd;
};

/// Trains the perceptron on Fashion-MNIST, sharded by label. When workers die the others go on from the last mean with fresh momentum; a run with
/// death < 1 and nobody dead starts again just so, and is what the others are compared with.
std::vector<record> train_locally(const std::string& folder, const local_settings& settings, const record& facts, progress_bar& progress);

} // namespace apps::reproduce
