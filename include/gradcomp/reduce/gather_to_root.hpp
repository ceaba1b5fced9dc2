/// @file Gather to a root: one rank decodes, averages and updates, then sends the new parameters to all.
#pragma once

#include <gradcomp/core/view.hpp>
#include <gradcomp/reduce/gathered.hpp>

#include <vector>

namespace gradcomp {
inline namespace reduce {

/// For any message; the server rule's state lives on the root only. Bytes per step: each other rank sends message + 16, and the root sends
/// the parameters + 16 to each of them. The sum is formed in rank order. Over device memory exchange() and publish() wait for the headers.
template <class Communicator> struct gather_to_root {
    Communicator communicator;
    int root = 0;

    static constexpr bool needs_additive = false;
    static constexpr bool updates_at_root = true;
    static constexpr const char* name = "gather_to_root";
    int rank() const { return communicator.rank(); }
    int size() const { return communicator.size(); }
    /// @throws error invalid_option for a root outside [0, size).
    int checked_root() const
    {
        if (root < 0 || root >= size()) throw error(error_code::invalid_option, "root", std::to_string(root), "must be a rank, below " + std::to_string(size()));
        return root;
    }

    /// The memory of a run.
    template <class T, class Executor> class state {
    public:
        /// @throws error invalid_option for a root outside [0, size).
        state(const gather_to_root& options, std::size_t, std::size_t bytes, std::size_t parameters)
            : communicator_(options.communicator), root_(options.checked_root()), bytes_(bytes), mine_(gathered_stride(bytes)),
              all_(is_root() ? gathered_stride(bytes) * static_cast<std::size_t>(options.communicator.size()) : 0),
              news_(sizeof(gathered_header) + parameters * sizeof(T)), headers_(is_root() ? static_cast<std::size_t>(options.communicator.size()) : 0)
        {
        }
        std::byte* message() { return mine_.data() + sizeof(gathered_header); }
        std::size_t header_bytes() const { return mine_.size() - bytes_; } ///< header and padding
        bool is_root() const { return communicator_.rank() == root_; }

        /// @param bad this rank's vote; @return on the root, whether any rank voted so; elsewhere false: publish() brings the verdict.
        bool exchange(bool bad, std::uint32_t step)
        {
            const gathered_header header{step, bad ? verdict::rejected : verdict::accepted, bytes_};
            comm::write_small(communicator_, mine_.data(), header);
            communicator_.gather(view<const std::byte, Executor::space>(mine_.data(), mine_.size()), view<std::byte, Executor::space>(all_.data(), all_.size()), root_);
            return is_root() && any_rejects(communicator_, std::span(headers_), all_.data(), mine_.size(), step, bytes_);
        }

        std::size_t received() const { return is_root() ? static_cast<std::size_t>(communicator_.size()) : 0; }
        const std::byte* message(std::size_t r) const { return frame(r) + sizeof(gathered_header); }

        /// The parameters on their way: the root writes them, publish() brings them to all.
        T* parameters() { return reinterpret_cast<T*>(news_.data() + sizeof(gathered_header)); }

        /// Sends verdict and parameters from the root to all. @return what the root said. @throws error of the communicator, or bad_message.
        verdict publish(verdict said, std::uint32_t step)
        {
            const std::size_t payload = news_.size() - sizeof(gathered_header);
            if (is_root()) {
                comm::write_small(communicator_, news_.data(), gathered_header{step, said, payload});
            }
            communicator_.broadcast(view<std::byte, Executor::space>(news_.data(), news_.size()), root_);
            const auto header = comm::read_one<gathered_header>(communicator_, news_.data());
            check_header(header, step, payload, root_);
            return header.said;
        }

    private:
        const std::byte* frame(std::size_t r) const { return all_.data() + r * mine_.size(); }

        Communicator communicator_;
        int root_;
        std::size_t bytes_;
        typename Executor::template buffer<std::byte> mine_, all_, news_;
        std::vector<gathered_header> headers_;
    };
};

} // namespace reduce
} // namespace gradcomp
