/// @file The coder of compressors whose message holds every element, or none: identity, delta_scaling and nothing.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/exec/engines.hpp>

#include <type_traits>

namespace gradcomp {
inline namespace compress {

/// Message: the shares of all elements in tensor order. Bytes: sizeof(T) an element, or none at all. One sweep.
template <class T, class Executor, class Share> class dense_coder {
    static constexpr bool sends = !std::is_same_v<Share, exec::empty_share>;

public:
    dense_coder(const Executor& executor, const coder_start& start, Share share)
        : layout_(make_layout(*start.list, *start.tensors, scope::per_tensor, [](std::size_t d) { return sends ? d : 0; })), engine_(executor, layout_), share_(share)
    {
    }
    std::size_t elements() const { return layout_.kept; }
    std::size_t bytes() const { return layout_.kept * sizeof(T); }
    std::size_t fallbacks() const { return 0; }

    template <class Rules>
    auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
    {
        return engine_.encode(executor, layout_, rules, now, share_, reinterpret_cast<T*>(message), options);
    }

    /// Nothing to check: any bit pattern is a message.
    void check(const Executor&, const std::byte*) const {}

    template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
    {
        if constexpr (sends) engine_.decode(executor, layout_, target, reinterpret_cast<const T*>(message));
        else if constexpr (exec::is_dense<Target>) clear_dense(executor, layout_, target.to);
    }
    template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
        requires(Executor::decodes_together)
    {
        if constexpr (sends) engine_.decode_all(executor, layout_, target, all);
    }

private:
    layout layout_;
    exec::dense_engine<Executor, T> engine_;
    Share share_;
};

} // namespace compress
} // namespace gradcomp
