/// @file All-gather: every rank gets every message and decodes them in rank order.
#pragma once

#include <gradcomp/core/view.hpp>
#include <gradcomp/reduce/gathered.hpp>

#include <vector>

namespace gradcomp {
inline namespace reduce {

/// For any message, sparse ones above all. Bytes sent per rank and step: (n - 1) (16 bytes of header + message, padded to 16).
/// The sum is formed in rank order, so it is the same on all ranks and in all runs. Over device memory exchange() waits for the headers.
template <class Communicator> struct all_gather {
    Communicator communicator;

    static constexpr bool needs_additive = false;
    static constexpr bool updates_at_root = false;
    static constexpr const char* name = "all_gather";
    int rank() const { return communicator.rank(); }
    int size() const { return communicator.size(); }

    /// The memory of a run.
    template <class T, class Executor> class state {
    public:
        state(const all_gather& options, std::size_t, std::size_t bytes, std::size_t)
            : communicator_(options.communicator), bytes_(bytes), mine_(gathered_stride(bytes)),
              all_(gathered_stride(bytes) * static_cast<std::size_t>(options.communicator.size())), headers_(static_cast<std::size_t>(options.communicator.size()))
        {
        }
        std::byte* message() { return mine_.data() + sizeof(gathered_header); }
        std::size_t header_bytes() const { return mine_.size() - bytes_; } ///< header and padding

        /// @param bad this rank's vote; @return whether any rank voted so. @throws error of the communicator, or bad_message.
        bool exchange(bool bad, std::uint32_t step)
        {
            const gathered_header header{step, bad ? verdict::rejected : verdict::accepted, bytes_};
            comm::write_small(communicator_, mine_.data(), header);
            communicator_.all_gather(view<const std::byte, Executor::space>(mine_.data(), mine_.size()), view<std::byte, Executor::space>(all_.data(), all_.size()));
            return any_rejects(communicator_, std::span(headers_), all_.data(), mine_.size(), step, bytes_);
        }

        std::size_t received() const { return static_cast<std::size_t>(communicator_.size()); }
        const std::byte* message(std::size_t r) const { return frame(r) + sizeof(gathered_header); }

    private:
        const std::byte* frame(std::size_t r) const { return all_.data() + r * mine_.size(); }

        Communicator communicator_;
        std::size_t bytes_;
        typename Executor::template buffer<std::byte> mine_, all_;
        std::vector<gathered_header> headers_;
    };
};

} // namespace reduce
} // namespace gradcomp
