/// @file The checks of what a caller hands to a step, before anything changes.
#pragma once

#include <gradcomp/core/scalar.hpp>
#include <gradcomp/core/tensors.hpp>
#include <gradcomp/core/text.hpp>

#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace gradcomp::stack {

/// Where a value that is not finite was found.
struct bad_place {
    std::string field, value, tensor;
};

/// The gradient of the present step, tensor by tensor, after its sizes, pointers and overlaps were checked.
template <class T> class arguments {
public:
    /// @throws error size_changed or invalid_argument for parameters that do not fit the list.
    arguments(const tensor_list& tensors, std::span<const T> parameters) : tensors_(&tensors), parameters_(parameters), gradients_(tensors.count())
    {
        require_size("parameters", parameters.size());
        require_pointer("parameters", parameters.data(), parameters.size());
    }

    /// @param point, errors the run's own memory, which a step rewrites. @throws error size_changed, invalid_argument, overlap.
    void take(std::span<const T> gradient, std::span<const T> point, std::span<const T> errors)
    {
        require_size("gradient", gradient.size());
        require_pointer("gradient", gradient.data(), gradient.size());
        require_apart(gradient, point, errors, {});
        for (std::size_t t = 0; t < gradients_.size(); ++t) gradients_[t] = gradient.data() + tensors_->offset(t);
    }
    /// @throws error size_changed, invalid_argument, overlap, each naming the tensor.
    void take(std::span<const std::span<const T>> gradients, std::span<const T> point, std::span<const T> errors)
    {
        if (gradients.size() != gradients_.size())
            throw error(error_code::size_changed, "gradients", std::to_string(gradients.size()), "must be one span per tensor, " + std::to_string(gradients_.size()));
        for (std::size_t t = 0; t < gradients.size(); ++t) {
            const std::string& name = tensors_->name(t);
            if (gradients[t].size() != tensors_->size(t))
                throw error(error_code::size_changed, "gradient", std::to_string(gradients[t].size()),
                    "must have the " + std::to_string(tensors_->size(t)) + " elements that attach() saw", {.tensor = name});
            if (gradients[t].data() == nullptr && !gradients[t].empty()) throw error(error_code::invalid_argument, "gradient", "null", "must point to memory", {.tensor = name});
            require_apart(gradients[t], point, errors, name);
        }
        for (std::size_t t = 0; t < gradients.size(); ++t) gradients_[t] = gradients[t].data();
    }

    /// A place to write a model to: apart from the run's own memory; the parameters as a whole, or apart from them.
    void check_destination(std::span<const T> destination, std::span<const T> point, std::span<const T> errors) const
    {
        require_size("destination", destination.size());
        require_pointer("destination", destination.data(), destination.size());
        if (destination.data() == parameters_.data()) return;
        require_apart(destination, parameters_, "destination", "parameters", {});
        require_apart(destination, point, "destination", "gradient_point()", {});
        require_apart(destination, errors, "destination", "error()", {});
    }

    const T* gradient(std::size_t tensor) const { return gradients_[tensor]; }

    void require_size(const char* field, std::size_t size) const
    {
        if (size != tensors_->total())
            throw error(error_code::size_changed, field, std::to_string(size), "must have the " + std::to_string(tensors_->total()) + " elements of the tensor list");
    }
    static void require_pointer(const char* field, const T* data, std::size_t size)
    {
        if (data == nullptr && size > 0) throw error(error_code::invalid_argument, field, "null", "must point to memory");
    }
    /// The learning rate as the element type holds it. @throws error invalid_option.
    static T checked_rate(double learning_rate)
    {
        const T rate = static_cast<T>(learning_rate);
        if (!(is_finite(rate) && rate >= T(0)))
            throw error(error_code::invalid_option, "learning_rate", text_of(learning_rate),
                std::is_same_v<T, float> ? "must be finite as a float, and not negative" : "must be finite and not negative");
        return rate;
    }

    /// The first element of the present gradient that is not finite. On the way to an error, so it may be slow.
    bad_place find_bad() const
    {
        for (std::size_t t = 0; t < gradients_.size(); ++t)
            for (std::size_t i = 0; i < tensors_->size(t); ++i)
                if (!is_finite(gradients_[t][i]))
                    return {"gradient[" + std::to_string(i) + "]", text_of(static_cast<double>(gradients_[t][i])), tensors_->name(t)};
        return {"update", "overflow", {}};
    }

private:
    /// A gradient inside the model or the run's memory would change while it is read.
    void require_apart(std::span<const T> gradient, std::span<const T> point, std::span<const T> errors, const std::string& tensor) const
    {
        require_apart(gradient, parameters_, "gradient", "parameters", tensor);
        require_apart(gradient, point, "gradient", "gradient_point()", tensor);
        require_apart(gradient, errors, "gradient", "error()", tensor);
    }
    static void require_apart(std::span<const T> a, std::span<const T> b, const char* field, const char* other, const std::string& tensor)
    {
        const std::less<const T*> before;
        if (a.empty() || b.empty() || !before(a.data(), b.data() + b.size()) || !before(b.data(), a.data() + a.size())) return;
        throw error(error_code::overlap, field, other, std::string("must not overlap ") + other, {.tensor = tensor});
    }

    const tensor_list* tensors_;
    std::span<const T> parameters_;
    std::vector<const T*> gradients_;
};

} // namespace gradcomp::stack
