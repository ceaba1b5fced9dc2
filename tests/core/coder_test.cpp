// The messages of all ranks reach a coder together where it can take them so, else one after the other.
#include <gradcomp/core/coder.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

namespace gc = gradcomp;

namespace {

struct executor {};
struct one_by_one {
    template <class Target> void decode(const executor&, const std::byte* message, const Target& target) const { target(0, std::to_integer<int>(*message)); }
};
struct together : one_by_one {
    template <class Target> void decode_all(const executor&, const gc::gathered_messages& all, const Target& target) const
    {
        for (std::size_t rank = 0; rank < all.count; ++rank) target(1, std::to_integer<int>(*all.at(rank)));
    }
};

template <class Coder> std::string decoded(const gc::gathered_messages& all)
{
    std::string seen;
    gc::decode_received(Coder{}, executor{}, all, [&](std::size_t i, int v) { seen += std::to_string(i) + ":" + std::to_string(v) + " "; });
    return seen;
}

} // namespace

TEST_CASE("all ranks' messages are decoded in their order, together where a coder offers it")
{
    const std::array<std::byte, 9> wire{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}, std::byte{6}, std::byte{7}, std::byte{8}, std::byte{9}};
    const gc::gathered_messages three{wire.data(), 3, 3};
    CHECK(decoded<one_by_one>(three) == "0:1 0:4 0:7 ");
    CHECK(decoded<together>(three) == "1:1 1:4 1:7 ");
    CHECK(decoded<together>(three.behind(2)) == "1:3 1:6 1:9 ");
    CHECK(decoded<one_by_one>({wire.data() + 4}) == "0:5 ");
    CHECK(decoded<one_by_one>({nullptr, 0, 0}).empty());
}
