/// @file Block top-k: whole blocks, those of the largest norm.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/operators.hpp>

#include <algorithm>

namespace gradcomp {
inline namespace compress {

/// C(x) = x on the blocks of the largest ||x_block||, 0 elsewhere; ties go to the block of the lowest number.
///
/// A selection of d elements has n = ceil(d / block) blocks, the last of which may be partial, and sends
/// m = min(n, max(1, floor(n / ratio))). Bytes on the wire: m (block sizeof(T) + 4): the blocks' elements, then their numbers. One index a block instead
/// of one an element is the point. A sweep and one more read of p. In B1(m/n, 1), B2(m/n, 1), B3(n/m).
struct block_top_k {
    double ratio = 1;                                    ///< blocks of the original over blocks sent, at least 1
    std::uint32_t block = 64;                            ///< elements of a block, at least 1
    gradcomp::scope scope = gradcomp::scope::per_tensor; ///< over what one choice is made

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 2, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        check_ratio(ratio);
        if (block < 1) throw error(error_code::invalid_option, "block", "0", "must be at least 1");
    }
    std::size_t blocks(std::size_t d) const { return (d + block - 1) / block; }
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::block_top_k(blocks(d), kept_count(blocks(d), ratio)); }

    template <class T, class Executor> class coder {
    public:
        coder(const block_top_k& options, const Executor& executor, const coder_start& start)
            : layout_(checked(make_layout(*start.list, *start.tensors, options.scope,
                  [&](std::size_t d) { return d == 0 ? 0 : kept_count(options.blocks(d), options.ratio) * options.block; }))),
              block_(options.block), key_{start.seed, start.rank + 1}, engine_(executor, layout_, block_)
        {
        }
        std::size_t elements() const { return 0; }
        std::size_t bytes() const { return values_bytes() + layout_.kept / block_ * sizeof(std::uint32_t); }
        std::size_t fallbacks() const { return engine_.fallbacks(); }

        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
        {
            return engine_.encode(executor, layout_, rules, now, key_, reinterpret_cast<T*>(message), reinterpret_cast<std::uint32_t*>(message + values_bytes()), options);
        }
        /// @throws error bad_message for block numbers that are out of range or not ascending.
        void check(const Executor& executor, const std::byte* message) const { engine_.check(executor, layout_, numbers(message)); }

        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            engine_.scatter(executor, layout_, target, reinterpret_cast<const T*>(message), numbers(message));
        }

    private:
        std::size_t values_bytes() const { return layout_.kept * sizeof(T); }
        const std::uint32_t* numbers(const std::byte* message) const { return reinterpret_cast<const std::uint32_t*>(message + values_bytes()); }
        static layout checked(layout all)
        {
            if (all.size > 0xffffffffu)
                throw error(error_code::size_overflow, "size", std::to_string(all.size), "block_top_k numbers the blocks of its tensors with 32 bits");
            return all;
        }

        layout layout_;
        std::size_t block_;
        exec::choice_key key_;
        exec::block_norm_engine<Executor, T> engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};
static_assert(compressor<block_top_k>);

} // namespace compress
} // namespace gradcomp
