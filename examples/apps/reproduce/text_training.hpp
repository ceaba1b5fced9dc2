/// @file Trains the character model on several ranks, and keeps its loss on held-out text along the way, against the bits that were sent.
#pragma once

#include "data/characters.hpp"
#include "models/character_mlp.hpp"
#include "progress.hpp"
#include "records.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace apps::reproduce {

/// What a training on text needs beside text and model.
struct text_settings {
    std::string method;          ///< sgd, def or top_k_ef, as methods.hpp has them
    double ratio = 1;            ///< of the compressor; sgd has none
    double learning_rate = 0.05; ///< as step_schedule lowers it: a tenth from the half, a hundredth from three quarters
    std::size_t workers = 8, batch = 32, steps = 1000;
    std::size_t points = 12;     ///< measurements, each the same factor of steps after the one before; as many units of progress
    std::size_t thinning = 8;    ///< every such character of the validation text is guessed in each measurement but the last, which takes all
    std::uint64_t seed = 1;
    std::string label = {};
};

/// Momentum 0.9, weight decay 1e-4 and, for def, lambda 0.3. Each worker draws its characters from all of the training text, with replacement.
///
/// One record per point with the fields of `base`, then method, compressor, memory, reducer, ratio, lambda, seed, workers, batch, learning_rate, steps,
/// step, characters (guessed in training by all workers), train_loss (mean over all workers' batches since the last point), validation_loss at the method's
/// evaluation point, bits_sent (by all workers, headers included) and last. The last one also has validation_loss_x, at the parameters themselves, message_bytes,
/// wire_bytes, total_bytes, seconds and diverged: set where a gradient was no longer finite, which ends the run there.
/// Losses are in nats a character. The same settings give the same numbers.
/// @throws std::invalid_argument for another method, and for a part of the text that is not longer than the model's context.
std::vector<record> train_on_text(const models::character_mlp& model, const data::character_text& text, const text_settings& settings, const record& base, progress_bar& progress);

} // namespace apps::reproduce
