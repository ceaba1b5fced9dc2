/// @file Ring all-reduce of messages that add in flight.
#pragma once

#include <gradcomp/comm/small_copies.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/view.hpp>

#include <cstddef>

namespace gradcomp {
inline namespace reduce {

/// One all-reduce: every rank gets the sum of the messages. Needs additive messages of the same coordinates on all ranks.
///
/// Bytes sent per rank and step: 2 (n - 1) / n of (message + one lane). The extra lane of one element counts the ranks that met NaN or Inf,
/// so all of them skip the same step. Deterministic as the communicator's all_reduce is. Over device memory exchange() waits for that count.
template <class Communicator> struct ring {
    Communicator communicator;

    static constexpr bool needs_additive = true; ///< messages are summed in flight
    static constexpr bool updates_at_root = false;
    static constexpr const char* name = "ring";
    int rank() const { return communicator.rank(); }
    int size() const { return communicator.size(); }

    /// The memory of a run.
    template <class T, class Executor> class state {
    public:
        state(const ring& options, std::size_t elements, std::size_t, std::size_t) : communicator_(options.communicator), mine_(elements + 1), sum_(elements + 1) {}

        /// Where this rank's message is to be written; it survives the exchange.
        std::byte* message() { return reinterpret_cast<std::byte*>(mine_.data()); }
        static constexpr std::size_t header_bytes() { return sizeof(T); }

        /// @param bad this rank's vote; @return whether any rank voted so. @throws error of the communicator, with the messages intact.
        bool exchange(bool bad, std::uint32_t)
        {
            comm::write_small(communicator_, mine_.data() + mine_.size() - 1, bad ? T(1) : T(0));
            communicator_.all_reduce(view<const T, Executor::space>(mine_.data(), mine_.size()), view<T, Executor::space>(sum_.data(), sum_.size()));
            return !(comm::read_one<T>(communicator_, sum_.data() + sum_.size() - 1) == T(0));
        }

        std::size_t received() const { return 1; } ///< messages to decode after an exchange; their sum is the sum over ranks
        const std::byte* message(std::size_t) const { return reinterpret_cast<const std::byte*>(sum_.data()); }

    private:
        Communicator communicator_;
        typename Executor::template buffer<T> mine_, sum_;
    };
};

} // namespace reduce
} // namespace gradcomp
