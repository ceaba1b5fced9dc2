/// @file What ranks tell each other over NCCL before it moves their data: NCCL itself takes mismatched calls for granted.
#pragma once

#include <gradcomp/comm/agreement.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gradcomp::comm {

/// What must be equal on all ranks for a group to work; exchanged once, when it starts.
struct nccl_terms {
    static constexpr std::uint64_t magic = 0x3130'6c63'636e'6367; ///< "gcnccl01" in little-endian: what it is, its version and the byte order
    std::uint64_t format = magic;
    std::uint32_t size = 0, checked_calls = 0;
    std::uint32_t registers_buffers = 0, reserved = 0;
    std::uint64_t zero = 0;
};

/// One rank's side of a call, as it travels.
struct nccl_call {
    std::uint64_t number = 0; ///< of the call, counted from 0
    std::uint64_t count = 0;
    std::uint32_t what = 0, element = 0;
    std::int32_t root = -1;
    std::uint32_t zero = 0;
};
static_assert(sizeof(nccl_terms) == 32 && sizeof(nccl_call) == 32);

inline constexpr std::array<std::string_view, 5> nccl_elements{"byte", "float", "double", "uint32", "uint64"};

inline nccl_call to_wire(const call_request& wanted, std::uint64_t number)
{
    nccl_call out{.number = number, .count = wanted.count, .what = static_cast<std::uint32_t>(wanted.what), .root = wanted.root};
    while (nccl_elements[out.element] != wanted.element) ++out.element;
    return out;
}

/// Whether `field` differs among the ranks' records; then `values` says what it is on rank 0 and where it is something else.
template <class Record, class Field> bool differs(std::span<const Record> ranks, const Field& field, std::string& values)
{
    bool any = false;
    values.clear();
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
        if (rank > 0 && field(ranks[rank]) == field(ranks[0])) continue;
        values += (values.empty() ? "" : ", ") + std::to_string(field(ranks[rank])) + " on rank " + std::to_string(rank);
        any |= rank > 0;
    }
    return any;
}

/// In what the ranks' terms disagree, if in anything.
inline std::optional<disagreement> find_disagreement(std::span<const nccl_terms> ranks)
{
    std::string values;
    if (differs(ranks, [](const nccl_terms& t) { return t.format; }, values)) return disagreement{"wire format", values};
    if (differs(ranks, [](const nccl_terms& t) { return t.size; }, values)) return disagreement{"ranks", values};
    if (differs(ranks, [](const nccl_terms& t) { return t.checked_calls; }, values)) return disagreement{"checked_calls", values};
    if (differs(ranks, [](const nccl_terms& t) { return t.registers_buffers; }, values)) return disagreement{"registers_buffers", values};
    return std::nullopt;
}

/// In what the ranks' calls disagree, if in anything. The records are peers' and are taken for hostile.
inline std::optional<disagreement> find_disagreement(std::span<const nccl_call> ranks)
{
    std::string values;
    if (differs(ranks, [](const nccl_call& c) { return c.number; }, values)) return disagreement{"calls", values};
    for (std::size_t rank = 0; rank < ranks.size(); ++rank)
        if (ranks[rank].what > static_cast<std::uint32_t>(operation::barrier) || ranks[rank].element >= nccl_elements.size())
            return disagreement{"operation", "unreadable on rank " + std::to_string(rank)};
    std::vector<call_request> requests;
    for (const nccl_call& call : ranks)
        requests.push_back({.what = static_cast<operation>(call.what), .element = nccl_elements[call.element], .count = call.count, .root = call.root});
    return find_disagreement(static_cast<int>(ranks.size()), [&](int rank) -> const call_request& { return requests[static_cast<std::size_t>(rank)]; });
}

} // namespace gradcomp::comm
