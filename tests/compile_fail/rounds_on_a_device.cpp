/// @file Several rounds of messages on a device, whose exchange has one.
// EXPECT: gradcomp: this compressor takes several rounds of messages, which exec::cuda does not have.
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

/// As much of a device as the legality of a stack asks for.
struct device_communicator {
    static constexpr gc::memory_space space = gc::memory_space::device;
    int rank() const { return 0; }
    int size() const { return 1; }
    template <gc::comm::summable T> void all_reduce(std::type_identity_t<gc::device_view<const T>>, gc::device_view<T>) const {}
    void all_gather(gc::device_view<const std::byte>, gc::device_view<std::byte>) const {}
    void gather(gc::device_view<const std::byte>, gc::device_view<std::byte>, int) const {}
    void broadcast(gc::device_view<std::byte>, int) const {}
    void all_to_all(gc::device_view<const std::byte>, gc::device_view<std::byte>) const {}
    void barrier() const {}
};
struct device {
    struct executor {
        static constexpr gc::memory_space space = gc::memory_space::device;
    };
    executor start() const { return {}; }
};

int main()
{
#ifdef GRADCOMP_FAIL
    const gc::low_rank compressor{.rank = 2};
#else
    const gc::random_block compressor{.ratio = 2};
#endif
    const gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::ring{device_communicator{}}, .executor = device{}};
    return static_cast<int>(stack.period) - 1;
}
