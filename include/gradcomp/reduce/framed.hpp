/// @file A frame with checksums around each gathered message, for messages that leave the process.
#pragma once

#include <gradcomp/core/frame.hpp>
#include <gradcomp/core/kind.hpp>
#include <gradcomp/core/view.hpp>

#include <chrono>
#include <optional>

namespace gradcomp {
inline namespace reduce {

/// It gathers whole messages, in order of ranks; what is summed in flight has no frame.
template <class R> concept gathering_reducer = requires(const R r) { r.communicator; } && !R::needs_additive;

/// framed{all_gather{communicator}}: every message travels in a frame of core/frame.hpp: kind, version, element, tensor table, step, size and CRC32C,
/// which every receiver checks before it looks at the payload, so that ranks whose compressors differ in type or options refuse each other. On the host, a
/// step of its own: 48 bytes a message, one more reading of what is sent and of what is received; its state's frame_seconds() says what it took. The
/// parameters that a root sends back have the root's header alone.
template <gathering_reducer Reducer> struct framed {
    Reducer of;
    std::optional<std::uint32_t> kind = {}; ///< of the messages, instead of kind_of(compressor); ranks with another one are refused
    decltype(Reducer::communicator) communicator = of.communicator; ///< the reducer's; not to be set

    static constexpr bool needs_additive = false;
    static constexpr bool updates_at_root = Reducer::updates_at_root;
    static constexpr const char* name = "framed";
    int rank() const { return of.rank(); }
    int size() const { return of.size(); }

    /// The memory of a run.
    template <class T, class Executor> class state {
        static_assert(Executor::space == memory_space::host, "framed{...} checks messages on the host: gather them there, or leave the frame away over device memory.");

        using inner_state = typename Reducer::template state<T, Executor>;

    public:
        state(const framed& options, std::size_t elements, std::size_t bytes, std::size_t parameters)
            : inner_(options.of, elements, room + bytes, parameters), expected_{.element = sizeof(T), .bytes = bytes}, kind_(options.kind)
        {
            std::memset(inner_.message(), 0, room);
        }
        /// Of which tensors the messages are, and who writes them.
        template <class Compressor> void belongs_to(const tensor_list& list, const Compressor& compressor)
        {
            expected_.tensors = hash_of(list);
            expected_.kind = kind_.value_or(kind_of(compressor));
        }

        std::byte* message() { return inner_.message() + room; }
        std::size_t header_bytes() const { return inner_.header_bytes() + room; } ///< frame, header and padding
        double frame_seconds() const { return std::chrono::duration<double>(spent_).count(); } ///< so far, for writing and checking frames

        /// As the reducer's. @throws also error bad_message, field "frame of rank r: ...", where a frame does not fit or a checksum is wrong.
        bool exchange(bool bad, std::uint32_t step)
        {
            expected_.step = step;
            timed([&] {
                const frame_header mine = gradcomp::framed_header(expected_, {message(), expected_.bytes});
                std::memcpy(message() - sizeof mine, &mine, sizeof mine);
            });
            const bool rejected = inner_.exchange(bad, step);
            if (!rejected) timed([&] { check_frames(); });
            return rejected;
        }

        std::size_t received() const { return inner_.received(); }
        const std::byte* message(std::size_t r) const { return inner_.message(r) + room; }

        bool is_root() const requires updates_at_root { return inner_.is_root(); }
        T* parameters() requires updates_at_root { return inner_.parameters(); }
        auto publish(auto said, std::uint32_t step) requires updates_at_root { return inner_.publish(said, step); }

    private:
        /// Of the frame in front of a payload, padded so that the payload is aligned as without it.
        static constexpr std::size_t room = (sizeof(frame_header) + 15) / 16 * 16;

        void check_frames() const
        {
            for (std::size_t r = 0; r < received(); ++r) {
                try {
                    read_frame(expected_, {message(r) - sizeof(frame_header), sizeof(frame_header) + expected_.bytes});
                } catch (const error& e) {
                    throw error(e.code(), "frame of rank " + std::to_string(r) + ": " + e.field(), e.value(), "is none that this rank expects");
                }
            }
        }
        template <class F> void timed(const F& f)
        {
            const auto start = std::chrono::steady_clock::now();
            f();
            spent_ += std::chrono::steady_clock::now() - start;
        }

        inner_state inner_;
        frame_header expected_;
        std::optional<std::uint32_t> kind_;
        std::chrono::steady_clock::duration spent_{};
    };
};

} // namespace reduce
} // namespace gradcomp
