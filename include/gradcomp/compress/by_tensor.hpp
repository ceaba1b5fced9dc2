/// @file Different compressors for different tensors, in one message.
#pragma once

#include <gradcomp/compress/identity.hpp>
#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>
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

/// Tensors of at most one dimension: biases, norms.
template <class C> constexpr auto vectors(C use)
{
    return tensor_case{[](const tensor& t) { return t.shape.size() <= 1; }, use};
}
/// Tensors of two or more dimensions.
template <class C> constexpr auto matrices(C use)
{
    return tensor_case{[](const tensor& t) { return t.shape.size() >= 2; }, use};
}
/// Tensors of at most `elements` elements.
template <class C> constexpr auto up_to(std::size_t elements, C use)
{
    return tensor_case{[elements](const tensor& t) { return t.size() <= elements; }, use};
}
/// Tensors whose name ends in `ending`, such as ".bias". The text must live as long as the stack.
template <class C> constexpr auto named(std::string_view ending, C use)
{
    return tensor_case{[ending](const tensor& t) { return std::string_view(t.name).ends_with(ending); }, use};
}
/// All tensors that no earlier case took.
template <class C> constexpr auto otherwise(C use)
{
    return tensor_case{[](const tensor&) { return true; }, use};
}

/// Each tensor goes to the first case that applies to it: by_tensor{vectors(identity{}), otherwise(random_block{.ratio = 64})}.
///
/// The facts are those that all cases share; the class is the worst of the cases'. The message is the cases' messages one behind the other.
template <class... Cases> struct by_tensor {
    std::tuple<Cases...> cases;
    constexpr by_tensor(Cases... all) : cases(all...) {}

    template <class Case> using compressor_of = decltype(Case::use);
    static constexpr bool unbiased = (compressor_of<Cases>::unbiased && ...), contractive = (compressor_of<Cases>::contractive && ...);
    static constexpr bool shared_support = (compressor_of<Cases>::shared_support && ...), additive = (compressor_of<Cases>::additive && ...);
    static constexpr int passes = std::max({compressor_of<Cases>::passes...}), rounds = std::max({compressor_of<Cases>::rounds...});
    /// @throws error as the cases' compressors.
    void check() const
    {
        std::apply([](const auto&... one) { (one.use.check(), ...); }, cases);
    }

    /// The class over a whole list: of each tensor its case's, packed.
    theory::membership classes_over(const tensor_list& list) const
    {
        theory::membership all = theory::identity();
        for (std::size_t t = 0; t < list.count(); ++t) {
            bool taken = false;
            std::apply([&](const auto&... one) { ((!taken && one.applies(list[t]) ? (all = theory::packed(all, one.use.classes(list.size(t))), taken = true) : false), ...); }, cases);
        }
        return all;
    }

    template <class T, class Executor> class coder {
    public:
        coder(const by_tensor& options, const Executor& team, const coder_start& start)
            : groups_(assign(options, start)), parts_(make(options, team, start, std::index_sequence_for<Cases...>{}))
        {
            std::size_t n = 0, elements = 0, bytes = 0;
            std::apply([&](const auto&... part) { ((offset_[n++] = bytes, elements += part.elements(), bytes += padded(part.bytes())), ...); }, parts_);
            elements_ = elements;
            bytes_ = bytes;
        }
        std::size_t elements() const { return elements_; }
        std::size_t bytes() const { return bytes_; }
        std::size_t fallbacks() const
        {
            return std::apply([](const auto&... part) { return (part.fallbacks() + ...); }, parts_);
        }
        template <class RuleOf>
        exec::sweep_tally encode(const Executor& team, RuleOf rule_of, const step_state<T>& state, std::byte* message, const exec::sweep_options& options)
        {
            exec::sweep_tally tally;
            std::size_t n = 0;
            std::apply([&](auto&... part) { ((tally += part.encode(team, rule_of, state, message + offset_[n++], options)), ...); }, parts_);
            return tally;
        }
        void check(const std::byte* message) const
        {
            std::size_t n = 0;
            std::apply([&](const auto&... part) { (part.check(message + offset_[n++]), ...); }, parts_);
        }
        template <class Target> void decode(const Executor& team, const std::byte* message, const Target& target) const
        {
            std::size_t n = 0;
            std::apply([&](const auto&... part) { (part.decode(team, message + offset_[n++], target), ...); }, parts_);
        }

    private:
        using groups = std::array<std::vector<std::size_t>, sizeof...(Cases)>;

        /// A part starts where its values are aligned; parts that add need no padding, their sizes are multiples of sizeof(T).
        static std::size_t padded(std::size_t bytes) { return (bytes + sizeof(T) - 1) / sizeof(T) * sizeof(T); }

        static groups assign(const by_tensor& options, const coder_start& start)
        {
            groups result;
            for (const std::size_t t : *start.tensors) {
                std::size_t n = 0;
                bool taken = false;
                std::apply([&](const auto&... one) { ((!taken && one.applies((*start.list)[t]) ? (result[n].push_back(t), taken = true) : false, ++n), ...); }, options.cases);
                if (!taken)
                    throw error(error_code::invalid_option, "compressor", "by_tensor", "no case applies to this tensor; end the list with otherwise(...)",
                        {.tensor = start.list->name(t)});
            }
            return result;
        }
        template <class C> using coder_of = decltype(std::declval<const C&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));
        using parts = std::tuple<coder_of<compressor_of<Cases>>...>;

        template <std::size_t... N> parts make(const by_tensor& options, const Executor& team, const coder_start& start, std::index_sequence<N...>) const
        {
            const auto one = [&](const auto& which, const std::vector<std::size_t>& tensors) {
                coder_start with = start;
                with.tensors = &tensors;
                return which.use.template start<T>(team, with);
            };
            return parts{one(std::get<N>(options.cases), groups_[N])...};
        }

        groups groups_;
        parts parts_;
        std::array<std::size_t, sizeof...(Cases)> offset_{};
        std::size_t elements_ = 0, bytes_ = 0;
    };
    template <class T, class Executor> auto start(const Executor& team, const coder_start& with) const { return coder<T, Executor>(*this, team, with); }
};
static_assert(compressor<decltype(by_tensor{otherwise(identity{})})>);

} // namespace compress
} // namespace gradcomp
