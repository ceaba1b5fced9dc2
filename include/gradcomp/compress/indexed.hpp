/// @file The coder of sparsifiers that send some elements and where they stand.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/exec/engines.hpp>

namespace gradcomp {
inline namespace compress {

/// The largest selection that choices of the largest magnitudes count. @throws error size_overflow, with the tensor where a selection is one.
inline layout countable(layout all, const tensor_list& list)
{
    for (const selection& s : all.selections)
        if (s.size >= std::size_t{1} << 33)
            throw error(error_code::size_overflow, "size", std::to_string(s.size), "a choice of the largest is made among fewer than 2^33 elements",
                {.tensor = s.end == s.begin + 1 ? list.name(all.segments[s.begin].tensor) : std::string()});
    return all;
}

/// All values, then the indices of each selection in their shortest form (core/index_code.hpp), both in index order.
template <class T, class Executor, class Engine> class indexed_coder {
public:
    /// @param where as kept elements say; @param more of the engine
    template <class... More>
    indexed_coder(const Executor& executor, const coder_start& start, layout where, More... more)
        : layout_(countable(std::move(where), *start.list)), key_{start.seed, start.rank + 1}, engine_(executor, layout_, more...)
    {
    }
    std::size_t elements() const { return 0; }
    std::size_t bytes() const { return values_bytes() + engine_.index_bytes(); }
    std::size_t fallbacks() const { return engine_.fallbacks(); }
    const layout& where() const { return layout_; } ///< what is chosen among, and how much of it

    template <class Rules>
    auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
    {
        return engine_.encode(executor, layout_, rules, now, key_, reinterpret_cast<T*>(message), message + values_bytes(), options);
    }
    /// @throws error bad_message for indices that are out of range or not ascending.
    void check(const Executor& executor, const std::byte* message) const { engine_.check(executor, layout_, message + values_bytes()); }

    template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
    {
        engine_.scatter(executor, layout_, target, reinterpret_cast<const T*>(message), message + values_bytes());
    }
    template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
        requires requires(const Engine& engine) { engine.scatter_all(executor, layout{}, target, all, std::size_t{0}); }
    {
        engine_.scatter_all(executor, layout_, target, all, values_bytes());
    }

private:
    std::size_t values_bytes() const { return layout_.kept * sizeof(T); }

    layout layout_;
    exec::choice_key key_;
    Engine engine_;
};

} // namespace compress
} // namespace gradcomp
