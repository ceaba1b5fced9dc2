/// @file The table of methods.
#include "methods.hpp"

#include <algorithm>
#include <limits>

namespace apps {

const std::vector<method>& all_methods()
{
    using enum recipe;
    constexpr double no_lambda = std::numeric_limits<double>::quiet_NaN();
    static const std::vector<method> methods = {
        {"sgd", sgd, evaluation_point::own, "identity", "none", "ring", false, no_lambda, false},
        {"none", none, evaluation_point::own, "random_block", "none_accepting_bias", "ring", true, no_lambda, false},
        {"ef", ef, evaluation_point::own, "random_block", "ef", "ring", true, 0.0, false},
        {"saef", saef, evaluation_point::own, "random_block", "saef", "ring", true, 1.0, false},
        {"psync", saef, evaluation_point::local, "random_block", "psync", "ring", true, 1.0, false},
        {"def", def, evaluation_point::own, "random_block", "def", "ring", true, no_lambda, true},
        {"def_a", def, evaluation_point::parameters, "random_block", "def_a", "ring", true, no_lambda, true},
        {"top_k_ef", top_k_ef, evaluation_point::own, "top_k", "ef", "all_gather", true, 0.0, false},
    };
    return methods;
}

const method* find_method(const std::string& name)
{
    const auto& methods = all_methods();
    const auto at = std::find_if(methods.begin(), methods.end(), [&](const method& one) { return one.name == name; });
    return at == methods.end() ? nullptr : &*at;
}

std::vector<training_job> plan_jobs(const std::vector<std::string>& methods, const std::vector<double>& ratios, const std::vector<std::uint64_t>& seeds)
{
    std::vector<training_job> jobs;
    const auto wanted = [&](const method& one) { return std::find(methods.begin(), methods.end(), one.name) != methods.end(); };
    const auto add = [&](const method& one, double ratio, std::uint64_t seed) {
        const auto same = [&](const training_job& job) { return job.trains_as == one.trains_as && job.ratio == ratio && job.seed == seed; };
        auto at = std::find_if(jobs.begin(), jobs.end(), same);
        if (at == jobs.end()) at = jobs.insert(jobs.end(), training_job{one.trains_as, ratio, seed, {}});
        if (std::find(at->methods.begin(), at->methods.end(), &one) == at->methods.end()) at->methods.push_back(&one);
    };
    for (const method& one : all_methods()) {
        if (!wanted(one)) continue;
        for (const double ratio : one.has_ratio ? ratios : std::vector<double>{1.0})
            for (const std::uint64_t seed : seeds) add(one, ratio, seed);
    }
    return jobs;
}

} // namespace apps
