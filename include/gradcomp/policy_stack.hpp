/// @file The front door: policies welded into one exchange, and the sentences that say which of them fit.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/exec/cpu/engines.hpp>
#include <gradcomp/memory/ef.hpp>
#include <gradcomp/memory/none.hpp>
#include <gradcomp/optim/descent.hpp>
#include <gradcomp/optim/plain_gradient.hpp>
#include <gradcomp/stack/exchange.hpp>
#include <gradcomp/stack/legality.hpp>
#include <gradcomp/theory/step_size.hpp>

#include <cstdio>

namespace gradcomp {

namespace stack {
template <class Stack, class T> class device_exchange; // gradcomp/cuda.cuh
}

/// What is known of a run before it starts; attach() warns when the learning rate exceeds what the theorems allow.
struct expectation {
    double learning_rate = 0; ///< the largest one that is planned; 0: not known
    double smoothness = 0;    ///< L of each rank's loss; 0: not known, and then nothing is checked
};

/// Takes the sentences of warnings. The default writes them to stderr.
using warning_sink = void (*)(const char* sentence);
inline void warn_on_stderr(const char* sentence) { std::fprintf(stderr, "gradcomp: %s\n", sentence); }

/// One round of compressed training, put together from policies when it is compiled.
///
///     local rule   D = eta * direction
///     memory       p = e + D
///     compressor   c = C(p), e' = p - c, in the same sweep
///     reducer      mean over ranks of c
///     server rule  x <- x - mean(c)
///     next point   x - lambda * e'
///
/// Combinations without a convergence guarantee, or that cannot be reduced, do not compile. Write it with designated initialisers.
template <class Compressor, class Reducer, class Memory = none<>, class Local = plain_gradient, class Server = descent, class Executor = exec::cpu>
struct policy_stack {
    Compressor compressor;                                       ///< what is sent
    Memory memory = {};                                          ///< what becomes of the rest
    Reducer reducer;                                             ///< how messages meet; holds the communicator
    Local local = {};                                            ///< before compression
    Server server = {};                                          ///< after reduction
    std::uint32_t period = 1;                                    ///< steps from one exchange to the next, at least 1
    std::uint64_t seed = 1;                                      ///< of all random choices; the same on all ranks
    exec::non_finite non_finite = exec::non_finite::reject;      ///< what to do about NaN and Inf
    Executor executor = {};                                      ///< where the loops run
    warning_sink warn = warn_on_stderr;                          ///< where warnings go; null: nowhere

    using compressor_type = Compressor;
    using memory_type = Memory;
    using reducer_type = Reducer;
    using local_type = Local;
    using server_type = Server;
    using executor_type = Executor;

    static_assert(gradcomp::compressor<Compressor>, "gradcomp: .compressor is no compressor: it must state its facts (core/concepts.hpp names them), as gc::top_k does.");
    static_assert(error_memory<Memory>, "gradcomp: .memory is no error memory (core/concepts.hpp names what it must state), as gc::ef<> does.");
    static_assert(local_rule<Local>, "gradcomp: .local is no local rule (core/concepts.hpp names what it must offer), as gc::momentum does.");
    static_assert(server_rule<Server>, "gradcomp: .server is no server rule (core/concepts.hpp names what it must offer), as gc::descent does.");
    static_assert(stack::reducer<Reducer>, "gradcomp: .reducer is no reducer (stack/legality.hpp names what it must state), as gc::ring{communicator} does.");
    static_assert(stack::executor<Executor>, "gradcomp: .executor is no executor (stack/legality.hpp names what it must offer), as gc::exec::cpu does.");
    static_assert(stack::can_communicate<Reducer>(), "gradcomp: what the reducer holds is no communicator (comm/communicator.hpp names what it must offer), as gc::comm::in_process does.");
    static_assert(stack::bias_is_repaired<Compressor, Memory>(),
        "gradcomp: memory `none` forgets what this biased compressor drops, and such a run can diverge exponentially. Write .memory = gc::ef{} or gc::def{.lambda = 0.3}, "
        "or an unbiased compressor such as gc::rand_k<>, or gc::none_accepting_bias{} to say that it is meant.");
    static_assert(stack::feedback_contracts<Compressor, Memory>(),
        "gradcomp: error feedback needs a contraction, and this compressor is none: what it leaves behind can grow without bound. Write its contractive form "
        "(gc::rand_k<gc::indices::shared_seed, gc::scaling::none> instead of the unbiased one), or .memory = gc::none{} for an unbiased compressor.");
    static_assert(stack::messages_add<Compressor, Reducer>(),
        "gradcomp: a ring adds messages in flight, and the sum of this compressor's messages is no message, because each rank sends coordinates of its own. "
        "Write .reducer = gc::all_gather{communicator} or gc::gather_to_root{communicator}, or a compressor whose ranks share their coordinates (gc::random_block).");
    static_assert(stack::all_ranks_see_sums<Compressor, Reducer>(),
        "gradcomp: this compressor takes several rounds, each of which starts from the sum of the messages before it, and with a root no other rank sees that sum. "
        "Write .reducer = gc::ring{communicator} or gc::all_gather{communicator}, or a compressor of one round such as gc::top_k.");
    static_assert(stack::estimates_meet<Memory, Server>(),
        "gradcomp: gc::ef21 and gc::econtrol send what an estimate lacks, and only gc::estimate adds such messages up: write both, such a memory and .server = gc::estimate{}, or neither.");
    static_assert(stack::sums_mean_something<Compressor, Server>(),
        "gradcomp: the mean over the ranks that sent a coefficient is more than these ranks' memories gave up, so only its signs may move x: write .server = gc::majority_vote{}, or "
        "gc::dct_top_k<>, whose messages add up to what was sent.");
    static_assert(stack::reset_contracts<Memory>(),
        "gradcomp: gc::cser resets its error through a compressor of its own, which must be a contraction: write .reset = gc::random_block{.ratio = 8}, gc::top_k{} or another one "
        "that error feedback may go around.");
    static_assert(stack::reset_fits<Memory, Reducer, Local, Server>(),
        "gradcomp: gc::cser needs a local rule that keeps state (gc::momentum; beta may be 0), .server = gc::descent{}, and .reducer = gc::all_gather{communicator}, or gc::ring{communicator} "
        "where the messages of .reset add as well; and .reset sends in one round (not gc::low_rank).");
    static_assert(stack::share_memory_space<Reducer, Executor>(),
        "gradcomp: the communicator and the executor work in different memory: write a communicator for the executor's memory space.");

    /// Takes all memory of a run. The parameters stay the caller's and are updated in place by every exchange.
    ///
    /// @param tensors names and shapes, packed in this order; @param parameters their elements, float or double, the same on all ranks.
    /// @throws error invalid_option, invalid_argument, size_changed, not_contractive, out_of_memory, naming field and value.
    template <class T>
    stack::exchange<policy_stack, T> attach(const tensor_list& tensors, std::span<T> parameters, const expectation& expected = {}) const
    {
        static_assert(std::same_as<T, float> || std::same_as<T, double>, "gradcomp: parameters must be float or double, and not const.");
        static_assert(Executor::executor::space == memory_space::host, "gradcomp: exec::cuda updates parameters in device memory: hand attach() a device_view.");
        return attached<stack::exchange<policy_stack, T>>(tensors, parameters, expected);
    }
    /// The same for parameters in device memory, on exec::cuda: gradcomp/cuda.cuh gives the exchange. They are updated in place, on the stream.
    template <class T>
        requires(Executor::executor::space == memory_space::device)
    stack::device_exchange<policy_stack, T> attach(const tensor_list& tensors, device_view<T> parameters, const expectation& expected = {}) const
    {
        static_assert(std::same_as<T, float> || std::same_as<T, double>, "gradcomp: parameters must be float or double, and not const.");
        return attached<stack::device_exchange<policy_stack, T>>(tensors, parameters, expected);
    }
    /// The same for any contiguous container of parameters.
    template <class Range>
        requires requires(Range& range) { std::span(range); }
    auto attach(const tensor_list& tensors, Range& parameters, const expectation& expected = {}) const
    {
        return attach(tensors, std::span<typename decltype(std::span(parameters))::element_type>(parameters), expected);
    }

private:
    template <class Exchange, class Parameters> Exchange attached(const tensor_list& tensors, Parameters parameters, const expectation& expected) const
    {
        try {
            check_options();
            const theory::membership classes = stack::classes_over(compressor, tensors);
            stack::require_contraction<Memory, Compressor>(classes);
            if constexpr (resets_error<Memory>) stack::require_contraction<gradcomp::ef<>, typename Memory::reset_compressor>(stack::classes_over(memory.reset, tensors));
            if (const auto warning = theory::check_learning_rate(classes, training_run_of(expected)); warning && warn != nullptr && reducer.rank() == 0)
                warn(warning->text().c_str());
            return Exchange(*this, tensors, parameters);
        } catch (const error& e) {
            throw e.at({.rank = reducer.rank()});
        }
    }
    void check_options() const
    {
        compressor.check();
        memory.check();
        local.check();
        server.check();
        if constexpr (exchanges_each_step<Memory>)
            if (period > 1) throw error(error_code::invalid_option, "period", std::to_string(period), std::string("must be 1 with ") + Memory::each_step);
        if (period < 1) throw error(error_code::invalid_option, "period", "0", "must be at least 1: steps from one exchange to the next");
    }
    theory::training_run training_run_of(const expectation& expected) const
    {
        return {.learning_rate = expected.learning_rate, .smoothness = expected.smoothness, .momentum = 1 - 1 / local.amplification(),
            .error_feedback = Memory::feeds_back, .workers = reducer.size()};
    }
};

} // namespace gradcomp
