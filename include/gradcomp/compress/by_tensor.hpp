/// @file Different compressors for different tensors, in one message.
#pragma once

#include <gradcomp/compress/identity.hpp>
#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/operators.hpp>

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

namespace gradcomp {
inline namespace compress {

/// A compressor with the tensors it is meant for.
template <class Applies, class Compressor> struct tensor_case {
    Applies applies;
    Compressor use;
};

/// Tensors with a number of dimensions from `least` to `most`.
struct of_dimensions {
    std::size_t least, most;
    constexpr bool operator()(const tensor& t) const { return t.shape.size() >= least && t.shape.size() <= most; }
};
/// Tensors of at most `elements` elements.
struct of_elements {
    std::size_t most;
    bool operator()(const tensor& t) const { return t.size() <= most; }
};
/// Tensors whose name ends in `ending`.
struct of_name {
    std::string_view ending;
    constexpr bool operator()(const tensor& t) const { return std::string_view(t.name).ends_with(ending); }
};

/// Tensors of at most one dimension: biases, norms.
template <class C> constexpr auto vectors(C use) { return tensor_case{of_dimensions{0, 1}, use}; }
/// Tensors of two or more dimensions.
template <class C> constexpr auto matrices(C use) { return tensor_case{of_dimensions{2, std::size_t(-1)}, use}; }
/// Tensors of at most `elements` elements.
template <class C> constexpr auto up_to(std::size_t elements, C use) { return tensor_case{of_elements{elements}, use}; }
/// Tensors whose name ends in `ending`, such as ".bias". The text must live as long as the stack.
template <class C> constexpr auto named(std::string_view ending, C use) { return tensor_case{of_name{ending}, use}; }
/// All tensors that no earlier case took.
template <class C> constexpr auto otherwise(C use) { return tensor_case{of_dimensions{0, std::size_t(-1)}, use}; }

/// Each tensor goes to the first case that applies to it: by_tensor{vectors(identity{}), otherwise(random_block{.ratio = 64})}.
///
/// The facts are those that all cases share; the class is the worst of the cases'. The message is the cases' messages one behind the other.
template <class... Cases> struct by_tensor {
    std::tuple<Cases...> cases;
    constexpr by_tensor(Cases... all) : cases(all...) {}
    auto options() const { return std::tie(cases); } ///< for kind_of()

    template <class Case> using compressor_of = decltype(Case::use);
    static_assert(((compressor_of<Cases>::rounds == 1) && ...),
        "gradcomp: by_tensor puts the messages of one round side by side, and one of its compressors takes several rounds. Write it alone: gc::low_rank sends vectors, and "
        "matrices where it would not save, dense.");
    static constexpr bool unbiased = (compressor_of<Cases>::unbiased && ...), contractive = (compressor_of<Cases>::contractive && ...);
    static constexpr bool shared_support = (compressor_of<Cases>::shared_support && ...), additive = (compressor_of<Cases>::additive && ...);
    static constexpr int passes = std::max({compressor_of<Cases>::passes...}), rounds = 1;
    static constexpr bool scales_late = (gradcomp::scales_late<compressor_of<Cases>> || ...);
    static constexpr bool averages_contributors = (gradcomp::averages_contributors<compressor_of<Cases>> || ...);
    /// @throws error as the cases' compressors.
    void check() const
    {
        std::apply([](const auto&... one) { (one.use.check(), ...); }, cases);
    }

    using groups = std::array<std::vector<std::size_t>, sizeof...(Cases)>; ///< the tensors of each case, ascending

    /// Gives each of `tensors` to the first case that applies to it. @throws error invalid_option naming a tensor to which none does.
    groups assign(const tensor_list& list, const std::vector<std::size_t>& tensors) const
    {
        groups result;
        for (const std::size_t t : tensors) {
            std::size_t n = 0;
            bool taken = false;
            const auto offer = [&](const auto& one) {
                if (!taken && one.applies(list[t])) result[n].push_back(t), taken = true;
                ++n;
            };
            std::apply([&](const auto&... one) { (offer(one), ...); }, cases);
            if (!taken)
                throw error(error_code::invalid_option, "compressor", "by_tensor", "no case applies to this tensor; end the list with otherwise(...)",
                    {.tensor = list.name(t)});
        }
        return result;
    }

    /// The class over a whole list: each case's over its tensors, packed. @throws error as the cases' options do, and as assign().
    theory::membership classes_over(const tensor_list& list) const
    {
        std::vector<std::size_t> all(list.count());
        for (std::size_t t = 0; t < all.size(); ++t) all[t] = t;
        return classes_over(list, all);
    }
    theory::membership classes_over(const tensor_list& list, const std::vector<std::size_t>& tensors) const
    {
        const groups mine = assign(list, tensors);
        theory::membership all = theory::identity();
        std::size_t n = 0;
        std::apply([&](const auto&... one) { ((all = theory::packed(all, classes_of(one.use, list, mine[n++]))), ...); }, cases);
        return all;
    }

    template <class T, class Executor> class coder {
    public:
        coder(const by_tensor& options, const Executor& executor, const coder_start& start)
            : parts_(make(options, executor, start, options.assign(*start.list, *start.tensors), std::index_sequence_for<Cases...>{}))
        {
            std::size_t n = 0;
            const auto place = [&](const auto& part) {
                offset_[n++] = bytes_;
                elements_ += part.elements();
                bytes_ += padded(part.bytes());
            };
            std::apply([&](const auto&... part) { (place(part), ...); }, parts_);
        }
        std::size_t elements() const { return elements_; }
        std::size_t bytes() const { return bytes_; }
        std::size_t fallbacks() const
        {
            return std::apply([](const auto&... part) { return (part.fallbacks() + ...); }, parts_);
        }
        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
        {
            typename Executor::tally tally;
            std::size_t n = 0;
            const auto one = [&](auto& part) {
                std::byte* const at = message + offset_[n++];
                tally += part.encode(executor, rules, now, at, options);
                clear(executor, at + part.bytes(), padded(part.bytes()) - part.bytes());
            };
            std::apply([&](auto&... part) { (one(part), ...); }, parts_);
            return tally;
        }
        void check(const Executor& executor, const std::byte* message) const
        {
            std::size_t n = 0;
            const auto one = [&](const auto& part) {
                const std::size_t at = offset_[n++];
                part.check(executor, message + at);
                check_zeros(executor, message, at + part.bytes(), at + padded(part.bytes()));
            };
            std::apply([&](const auto&... part) { (one(part), ...); }, parts_);
        }
        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            std::size_t n = 0;
            std::apply([&](const auto&... part) { (part.decode(executor, message + offset_[n++], target), ...); }, parts_);
        }
        template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
        {
            std::size_t n = 0;
            std::apply([&](const auto&... part) { (decode_received(part, executor, all.behind(offset_[n++]), target), ...); }, parts_);
        }

    private:
        /// A part starts where its values are aligned, behind zeros; parts that add need no padding, their sizes are multiples of sizeof(T).
        static std::size_t padded(std::size_t bytes) { return (bytes + sizeof(T) - 1) / sizeof(T) * sizeof(T); }

        template <class C> using coder_of = decltype(std::declval<const C&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));
        using parts = std::tuple<coder_of<compressor_of<Cases>>...>;

        template <std::size_t... N>
        static parts make(const by_tensor& options, const Executor& executor, const coder_start& start, const groups& tensors, std::index_sequence<N...>)
        {
            const auto one = [&](const auto& which, const std::vector<std::size_t>& mine) {
                coder_start with = start;
                with.tensors = &mine;
                return which.use.template start<T>(executor, with);
            };
            return parts{one(std::get<N>(options.cases), tensors[N])...};
        }

        parts parts_;
        std::array<std::size_t, sizeof...(Cases)> offset_{};
        std::size_t elements_ = 0, bytes_ = 0;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }

private:
    template <class C> static theory::membership classes_of(const C& one, const tensor_list& list, const std::vector<std::size_t>& tensors)
    {
        if constexpr (requires { one.classes_over(list, tensors); }) {
            return one.classes_over(list, tensors);
        } else {
            theory::membership all = theory::identity();
            std::size_t total = 0;
            bool together = false;
            if constexpr (requires { one.scope; }) together = one.scope == scope::whole_model;
            for (const std::size_t t : tensors) total += list.size(t);
            if (together) return tensors.empty() ? all : one.classes(total);
            for (const std::size_t t : tensors) {
                try {
                    all = theory::packed(all, one.classes(list.size(t)));
                } catch (const error& e) {
                    throw e.at({.tensor = list.name(t)});
                }
            }
            return all;
        }
    }
};
static_assert(compressor<decltype(by_tensor{otherwise(identity{})})>);

} // namespace compress
} // namespace gradcomp
