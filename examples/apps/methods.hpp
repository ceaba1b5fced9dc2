/// @file The methods by name, and which of them one training serves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apps {

/// What trains: methods that train alike and differ only in the point at which they are evaluated share one.
/// `ia`, iterate averaging, is DEF-A with delta_scaling, delta = 1 / ratio; it belongs to an experiment and has no method of its own here.
enum class recipe { sgd, none, ef, saef, def, top_k_ef, ia };

/// Where a model is evaluated, beside x, the parameters that every rank shares.
enum class evaluation_point {
    own,        ///< the memory's own choice
    parameters, ///< x
    local,      ///< x - e of each rank; the accuracy is the mean over ranks
    mean        ///< x - mean over ranks of e
};

/// A method as the field names it.
struct method {
    std::string name;
    recipe trains_as;
    evaluation_point point;
    std::string compressor; ///< for the records
    std::string memory;     ///< for the records
    std::string reducer;    ///< for the records
    bool has_ratio;         ///< false: it sends everything, so only ratio 1 means something
    double fixed_lambda;    ///< the family's lambda where the method fixes it, NaN where it has none; see takes_lambda
    bool takes_lambda;      ///< the user's lambda is used
};

/// Every method, in the order in which tables list them.
const std::vector<method>& all_methods();

/// The method of that name, or nullptr.
const method* find_method(const std::string& name);

/// One training and the methods that read their results from it.
struct training_job {
    recipe trains_as = recipe::sgd;
    double ratio = 1.0;
    std::uint64_t seed = 1;
    std::vector<const method*> methods;
};

/// The fewest trainings that serve every wanted method at every ratio and seed, in the order of the tables.
std::vector<training_job> plan_jobs(const std::vector<std::string>& methods, const std::vector<double>& ratios, const std::vector<std::uint64_t>& seeds);

} // namespace apps
