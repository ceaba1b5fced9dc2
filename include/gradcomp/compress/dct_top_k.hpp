/// @file Top-k of cosine coefficients: each chunk of a tensor is transformed, and its k largest coefficients are sent.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/dct.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/operators.hpp>

namespace gradcomp {
inline namespace compress {

/// What the coefficients of several ranks become.
enum class coefficient_mean {
    ranks,       ///< added up: the messages' sum is the sum of what each says
    contributors ///< the mean over the ranks that sent one: only signs of the result mean something
};

/// C(x) = D^T TopK(D x), D the orthonormal DCT-II of each chunk: of rows and of columns for a matrix, of neighbours for a vector.
///
/// A tensor of several dimensions is a matrix whose rows are its first one. A chunk has the largest sides up to `chunk` that divide those of the matrix (the largest
/// number up to `chunk` that divides a vector's), so a side that is prime is cut to 1. It sends its k largest coefficients; ties go to the lowest place. Bytes on the
/// wire: (sizeof(T) + 2) k a chunk. What several ranks sent is added up as coefficients and transformed back once. D changes no lengths, so the class is top-k's
/// for the coefficients of a chunk, up to the rounding of the transform: B1(k/n, 1), B2(k/n, 1), B3(n/k), n elements a chunk.
///
/// A sweep, one more read of p, and 2 (height + width) multiplications an element. The same bytes for any instruction set and any number of threads. A chunk whose
/// magnitudes are below 2^-100 (double: 2^-970) stays in the memory; coefficients are cut at 2^116 (2^1010). One that holds NaN or Inf, where these propagate, is NaN.
/// @cite Peng, Quesnelle, Kingma, "DeMo: Decoupled momentum optimization", arXiv 2411.19870.
template <coefficient_mean Mean = coefficient_mean::ranks> struct dct_top_k {
    std::size_t k = 32;     ///< coefficients sent of a chunk; a smaller one sends all
    std::size_t chunk = 64; ///< elements of a chunk's side at most, from 1 to 64

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr bool averages_contributors = Mean == coefficient_mean::contributors; ///< then what x gets is not what left the memories
    static constexpr int passes = 2, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        if (k < 1) throw error(error_code::invalid_option, "k", "0", "must be at least 1: coefficients sent of a chunk");
        if (chunk < 1 || chunk > 64) throw error(error_code::invalid_option, "chunk", std::to_string(chunk), "must be from 1 to 64: elements of a chunk's side");
    }
    theory::membership classes_over(const tensor_list& list) const { return classes_over(list, list.numbers()); }
    theory::membership classes_over(const tensor_list& list, const std::vector<std::size_t>& tensors) const
    {
        theory::membership all = theory::identity();
        for (const std::size_t t : tensors)
            if (const dct_form form = make_dct_form(list[t], chunk, k); form.rows > 0) all = theory::packed(all, theory::top_k(form.area(), form.kept));
        if (list.total() > 0) all.u.reset(); // where all are sent, a rounding is left that the mean over steps does not take away
        return all;
    }

    template <class T, class Executor> class coder {
    public:
        coder(const dct_top_k& options, const Executor& executor, const coder_start& start)
            : layout_(make_layout(*start.list, *start.tensors, scope::per_tensor, [](std::size_t) { return std::size_t{0}; })),
              engine_(executor, layout_, forms(options, start), averages_contributors)
        {
        }
        std::size_t elements() const { return 0; }
        std::size_t bytes() const { return engine_.bytes(); }
        std::size_t fallbacks() const { return 0; }

        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>&, std::byte* message, const exec::sweep_options& options)
        {
            return engine_.encode(executor, layout_, rules, message, options);
        }
        /// @throws error bad_message for places that are outside their chunk or not ascending.
        void check(const Executor& executor, const std::byte* message) const { engine_.check(executor, message); }
        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            engine_.decode_all(executor, layout_, target, {.first = message});
        }
        template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
        {
            engine_.decode_all(executor, layout_, target, all);
        }

    private:
        static std::vector<dct_form> forms(const dct_top_k& options, const coder_start& start)
        {
            std::vector<dct_form> all;
            for (const std::size_t t : *start.tensors) all.push_back(make_dct_form((*start.list)[t], options.chunk, options.k));
            return all;
        }

        layout layout_;
        exec::dct_engine<Executor, T> engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};
static_assert(compressor<dct_top_k<>>);

} // namespace compress
} // namespace gradcomp
