/// @file The threads of exec::cpu: a team that sleeps between sweeps.
#pragma once

#include <gradcomp/core/rule.hpp>
#include <gradcomp/core/view.hpp>
#include <gradcomp/exec/cpu/buffer.hpp>
#include <gradcomp/exec/cpu/isa.hpp>
#include <gradcomp/exec/sweep_options.hpp>

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace gradcomp::exec {

/// A team of threads; the calling thread is member 0. Running a job allocates nothing; waiting blocks and never spins.
class cpu_team {
public:
    static constexpr std::size_t max_threads = 256;
    static constexpr memory_space space = memory_space::host;
    template <class T> using buffer = host_buffer<T>; ///< memory that this executor's sweeps may touch
    template <class T> using step = step_state<T>;    ///< how a sweep learns the present step
    using tally = sweep_tally;                        ///< what a sweep reports

    /// @throws error invalid_option unless 1 <= threads <= 256, or when GRADCOMP_ISA is wrong.
    explicit cpu_team(std::size_t threads = 1) : level_(choose_isa()), shared_(std::make_unique<shared_state>())
    {
        if (threads < 1 || threads > max_threads)
            throw error(error_code::invalid_option, "threads", std::to_string(threads), "must be from 1 to 256");
        for (std::size_t t = 1; t < threads; ++t) helpers_.emplace_back([state = shared_.get(), t] { serve(*state, t); });
    }
    cpu_team(cpu_team&&) = default;
    cpu_team& operator=(cpu_team&&) = delete;
    ~cpu_team()
    {
        if (!shared_) return;
        {
            const std::lock_guard lock(shared_->mutex);
            shared_->stop = true;
        }
        shared_->wake.notify_all();
        for (std::thread& helper : helpers_) helper.join();
    }

    isa level() const { return level_; }
    std::size_t threads() const { return helpers_.size() + 1; }

    /// Calls job(t) for t in [0, members), each on its own thread, and waits for all. job must not throw.
    /// @pre members <= threads()
    template <class Job> void run(std::size_t members, const Job& job) const
    {
        if (members <= 1) return job(std::size_t{0});
        shared_state& s = *shared_;
        {
            const std::lock_guard lock(s.mutex);
            s.call = [](const void* what, std::size_t t) { (*static_cast<const Job*>(what))(t); };
            s.what = &job;
            s.members = members;
            s.pending = members - 1;
            ++s.generation;
        }
        s.wake.notify_all();
        job(std::size_t{0});
        std::unique_lock lock(s.mutex);
        s.done.wait(lock, [&] { return s.pending == 0; });
    }

    /// How many members share n elements: small sweeps stay on the calling thread, where waking others would cost more.
    std::size_t members_for(std::size_t n) const
    {
        constexpr std::size_t worth_waking = std::size_t{1} << 15;
        const std::size_t useful = n / worth_waking;
        return useful < 1 ? 1 : useful < threads() ? useful : threads();
    }

private:
    struct shared_state {
        std::mutex mutex;
        std::condition_variable wake, done;
        void (*call)(const void*, std::size_t) = nullptr;
        const void* what = nullptr;
        std::size_t members = 0, pending = 0;
        std::uint64_t generation = 0;
        bool stop = false;
    };

    static void serve(shared_state& s, std::size_t self)
    {
        std::uint64_t seen = 0;
        std::unique_lock lock(s.mutex);
        while (true) {
            s.wake.wait(lock, [&] { return s.stop || s.generation != seen; });
            if (s.stop) return;
            seen = s.generation;
            if (self >= s.members) continue;
            const auto call = s.call;
            const void* what = s.what;
            lock.unlock();
            call(what, self);
            lock.lock();
            if (--s.pending == 0) s.done.notify_one();
        }
    }

    isa level_;
    std::unique_ptr<shared_state> shared_;
    std::vector<std::thread> helpers_;
};

/// A rule or function object with its scalars of the present step.
template <class F, class T> F bind_step(const cpu_team&, F f, const step_state<T>& now)
{
    if constexpr (takes_step<F, T>) f.at_step(now);
    return f;
}

/// The options of the CPU executor.
struct cpu {
    std::size_t threads = 1; ///< threads of one rank's sweeps, the calling one included

    using executor = cpu_team;
    /// Starts the team. @throws error invalid_option.
    cpu_team start() const { return cpu_team(threads); }
};

} // namespace gradcomp::exec
