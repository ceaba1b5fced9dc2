/// @file The executor of exec::cuda: the user's stream, and the few words of device memory in which a run's counts and verdicts lie.
#pragma once

#include <gradcomp/core/rule.hpp>
#include <gradcomp/core/view.hpp>
#include <gradcomp/exec/cuda/buffer.cuh>
#include <gradcomp/exec/sweep_options.hpp>

#include <concepts>
#include <utility>

namespace gradcomp::exec {

/// What kernels report. Nobody waits for it in a step; wait() reads it.
struct device_counts {
    unsigned long long bad = 0;      ///< elements that were not finite, of all steps
    std::uint32_t bad_now = 0;       ///< of the sweeps since the last exchange
    std::uint32_t verdict = 0;       ///< of the last exchange: 0 accepted, 1 rejected on every rank, 2 rejected before anything left the memory
    std::uint32_t unreadable = 0;    ///< messages of peers that cannot be right; sticky
    std::uint32_t rejected = 0;      ///< exchanges that were rejected; sticky until read
    std::uint32_t fallbacks = 0;     ///< selections whose sampled bracket missed
    unsigned long long unsent = 0;   ///< elements that reached a threshold and found no room, of all steps
};

/// For which verdicts a kernel works: a bit for each.
inline constexpr std::uint32_t when_accepted = 1u << 0, when_undelivered = 1u << 1, when_rejected = 1u << 1 | 1u << 2;

/// How a kernel learns the present step: where its numbers lie, and for which verdicts it works at all.
template <class T> struct device_step {
    const step_state<T>* now = nullptr;
    const std::uint32_t* verdict = nullptr; ///< null: whatever it is
    std::uint32_t wanted = when_accepted;
};

/// What a sweep reports at once: nothing. Its counts stay on the device.
struct enqueued {
    enqueued& operator+=(const enqueued&) { return *this; }
};

/// Enqueues on one stream of the device that was current when it was made. Launching allocates nothing and waits for nothing.
class cuda_stream {
public:
    static constexpr memory_space space = memory_space::device;
    static constexpr bool decodes_together = true; ///< engines decode the messages of all ranks in one launch
    template <class T> using buffer = device_buffer<T>;
    template <class T> using step = device_step<T>;
    using tally = enqueued;

    /// @throws error device, also for an error that was there before; out_of_memory.
    explicit cuda_stream(cudaStream_t stream = nullptr) : stream_(stream)
    {
        detail::require_clean_device();
        detail::check_cuda(cudaGetDevice(&device_), "cudaGetDevice");
        detail::check_cuda(cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, device_), "cudaDeviceGetAttribute");
        counts_ = device_buffer<device_counts>(1);
    }

    cudaStream_t stream() const { return stream_; }
    int device() const { return device_; }
    int processors() const { return processors_; }
    /// In device memory.
    device_counts* counts() const { return const_cast<device_counts*>(counts_.data()); }

    /// Waits for the stream and gives the counts so far. @throws error device for what failed on the way.
    device_counts read_counts() const
    {
        device_counts found;
        detail::check_cuda(cudaMemcpyAsync(&found, counts_.data(), sizeof found, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
        detail::check_cuda(cudaStreamSynchronize(stream_), "work on the stream");
        return found;
    }

private:
    cudaStream_t stream_;
    int device_ = 0, processors_ = 0;
    device_buffer<device_counts> counts_;
};

/// The options of the CUDA executor.
struct cuda {
    cudaStream_t stream = nullptr; ///< the user's; all work of a run is ordered on it. Must outlive the run.

    using executor = cuda_stream;
    /// Takes the present device. @throws error device.
    cuda_stream start() const { return cuda_stream(stream); }
};

/// p after a sweep comes from the gradient once more: of a rule whose sweep wrote nothing, or that says so.
template <class Rule>
constexpr bool reads_gradient_again = std::same_as<decltype(std::declval<const Rule&>().again()), Rule> || requires { decltype(std::declval<const Rule&>().again())::from_gradient; };

/// A function object that reads its scalars of the step, and whether to work at all, when the kernel starts.
template <class F, class T> struct bound_step : F {
    device_step<T> at;
    __device__ bool begin()
    {
        if (at.verdict != nullptr && (at.wanted >> *at.verdict & 1u) == 0) return false;
        if constexpr (takes_step<F, T>) this->at_step(*at.now);
        return true;
    }
    /// As F says; one that reads the gradient once more takes this one's step along.
    GRADCOMP_HD auto again() const
        requires requires(const F& f) { f.again(); }
    {
        using given = decltype(std::declval<const F&>().again());
        if constexpr (reads_gradient_again<F>) return bound_step<given, T>{F::again(), at};
        else return F::again();
    }
};
/// A bound rule whose gradients come multiplied by a loss scale; the factor that takes it off lies on the device.
template <class Rule> struct unscaled_rule : Rule {
    const typename Rule::value_type* factor;
    typename Rule::value_type unscale = 1;
    GRADCOMP_HD unscaled_rule(const Rule& rule, const typename Rule::value_type* with) : Rule(rule), factor(with) {}
    __device__ bool begin()
    {
        unscale = *factor;
        return Rule::begin();
    }
    GRADCOMP_HD auto again() const
    {
        if constexpr (reads_gradient_again<Rule>) {
            unscaled_rule<decltype(std::declval<const Rule&>().again())> rule(Rule::again(), factor);
            rule.unscale = unscale;
            return rule;
        } else {
            return Rule::again();
        }
    }
};

template <class F, class T> bound_step<F, T> bind_step(const cuda_stream&, const F& f, const device_step<T>& at) { return {f, at}; }

namespace detail {

/// What every kernel calls first with its function objects and rules: false when there is nothing to do.
template <class F> __device__ bool begin(F& f)
{
    if constexpr (requires { f.begin(); }) return f.begin();
    else return true;
}

/// Blocks of threads that share n items, `each` a block.
inline unsigned blocks_for(std::size_t n, std::size_t each) { return static_cast<unsigned>((n + each - 1) / each); }

} // namespace detail
} // namespace gradcomp::exec
