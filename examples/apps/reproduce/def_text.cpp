/// @file A character model on tiny-shakespeare: dense SGD against DEF and Top-k with error feedback.
#include "reproduce/def_text.hpp"

#include "reproduce/text_training.hpp"
#include "table.hpp"

#include <algorithm>

namespace apps::reproduce {
namespace {

/// tiny-shakespeare, loaded once. @throws data_error: nothing stands in for it.
const data::character_text& shakespeare(const std::string& folder)
{
    static const data::character_text text = data::load_tiny_shakespeare(folder);
    return text;
}

} // namespace

void add_def_text(experiment& to, const choices& chosen)
{
    const std::size_t seeds = chosen.quick ? 1 : text_seeds, steps = chosen.quick ? quick_text_steps : text_steps;
    const std::string folder = chosen.data;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed)
        for (const text_row& row : text_rows) {
            text_settings settings{.method = row.method, .ratio = row.ratio, .learning_rate = row.learning_rate, .steps = steps, .points = text_points, .seed = seed};
            settings.label = "characters, " + std::string(row.name) + ", seed " + std::to_string(seed);
            std::string name = "text-" + settings.method + "-" + plain(row.ratio) + "-" + std::to_string(seed);
            std::ranges::replace(name, '_', '-');
            to.parts.push_back({name, "steps " + std::to_string(steps) + ", rate " + plain(row.learning_rate), text_points, [=](progress_bar& progress) {
                const data::character_text& text = shakespeare(folder);
                record base = start_record("reproduce");
                base.set("figure", "text").set("data", text.name).set("name", row.name).set("pair_loss", data::pair_loss(text.train, text.validation, text.symbols.size()));
                return train_on_text(models::character_mlp{.symbols = text.symbols.size()}, text, settings, base, progress);
            }});
        }
}

} // namespace apps::reproduce
