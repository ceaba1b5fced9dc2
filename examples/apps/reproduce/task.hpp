/// @file What several ranks train on: a model with its data, of which each rank takes gradients over rows that it picks.
#pragma once

#include "data/images.hpp"
#include "data/libsvm.hpp"
#include "models/logistic.hpp"
#include "reproduce/curve.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace apps::reproduce {

/// A model on images. What it points to must outlive it.
template <class Model> struct image_task {
    Model model;
    const data::dataset* set;

    std::string name() const { return set->name; }
    std::size_t rows() const { return set->train.count; }
    unsigned label(std::size_t row) const { return set->train.labels[row]; }
    std::size_t size() const { return model.size(); }
    gradcomp::tensor_list tensors() const { return model.tensors(); }
    void initialise(std::span<float> x, std::uint64_t seed) const { model.initialise(x, seed); }

    /// One rank's memory.
    class worker {
    public:
        worker(const image_task& of, std::size_t batch) : of_(of), work_(of.model, batch), pixels_(batch * of.set->train.pixels), labels_(batch) {}
        /// Writes the gradient of the mean loss over `rows`, at most `batch` of them, and returns the loss.
        double gradient(std::span<const float> at, std::span<const std::uint32_t> rows, std::span<float> out)
        {
            const std::span<float> pixels = std::span(pixels_).first(rows.size() * of_.set->train.pixels);
            const std::span<std::uint8_t> labels = std::span(labels_).first(rows.size());
            data::gather(*of_.set, of_.set->train, rows, pixels, labels);
            return of_.model.gradient(at, pixels, labels, out, work_);
        }
        /// Percent of the test images that are right: of all, or of a part that shows how it goes.
        double accuracy(std::span<const float> at, bool all)
        {
            const std::size_t count = of_.set->test.count;
            return percent_right(of_.model, *of_.set, of_.set->test, at, all ? count : std::min<std::size_t>(count, 2000), work_, labels_.size());
        }

    private:
        const image_task& of_;
        typename Model::workspace work_;
        std::vector<float> pixels_;
        std::vector<std::uint8_t> labels_;
    };
};

/// Logistic regression, started at 0.
struct logistic_task {
    models::logistic model;
    const data::sparse_set* train;
    const data::sparse_set* test;

    std::string name() const { return train->name; }
    std::size_t rows() const { return train->rows(); }
    unsigned label(std::size_t row) const { return train->label[row]; }
    std::size_t size() const { return model.size(); }
    gradcomp::tensor_list tensors() const { return model.tensors(); }
    void initialise(std::span<float> x, std::uint64_t) const { std::fill(x.begin(), x.end(), 0.0f); }

    class worker {
    public:
        worker(const logistic_task& of, std::size_t) : of_(of) {}
        double gradient(std::span<const float> at, std::span<const std::uint32_t> rows, std::span<float> out) { return of_.model.gradient(at, *of_.train, rows, out); }
        double accuracy(std::span<const float> at, bool) { return of_.model.percent_right(at, *of_.test); }

    private:
        const logistic_task& of_;
    };
};

/// a9a, loaded once. @throws data_error.
struct adult_sets {
    data::sparse_set train, test;
};
inline const adult_sets& adult(const std::string& folder)
{
    static const adult_sets sets = [&] {
        const auto found = data::find_libsvm_folder(folder, "a9a.gz");
        return adult_sets{data::read_libsvm(found / "a9a.gz"), data::read_libsvm(found / "a9a.t.gz", 123)};
    }();
    return sets;
}
inline logistic_task adult_task(const std::string& folder) { return {{.columns = 123, .decay = 0}, &adult(folder).train, &adult(folder).test}; }

} // namespace apps::reproduce
