/// @file What a rank asks of a collective call, and the sentence that says in what the ranks disagree.
#pragma once

#include <gradcomp/comm/communicator.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gradcomp::comm {

/// One rank's side of a collective call. The first four fields must be equal on all ranks.
struct call_request {
    operation what = operation::barrier;
    std::string_view element = "byte";
    std::size_t count = 0; ///< elements
    int root = -1;         ///< -1: the operation has none
    const void* in = nullptr;
    std::size_t shared_bytes = 0; ///< memory of the group that the call works in
};

/// The first field that differs and all values of it that matter, for example {"all_reduce.size", "100 on rank 0, 99 on rank 2"}.
struct disagreement {
    std::string field, value;
};

/// The disagreement among requests wanted(0) ... wanted(ranks - 1), if any. Allocates only when there is one; time ranks.
template <class Wanted> std::optional<disagreement> find_disagreement(int ranks, const Wanted& wanted)
{
    const call_request& first = wanted(0);
    const auto compare = [&](const char* field, const auto& key, const auto& text) -> std::optional<disagreement> {
        std::string others;
        for (int rank = 1; rank < ranks; ++rank)
            if (key(wanted(rank)) != key(first)) others += ", " + text(wanted(rank)) + " on rank " + std::to_string(rank);
        if (others.empty()) return std::nullopt;
        return disagreement{std::string(name_of(first.what)) + "." + field, text(first) + " on rank 0" + others};
    };
    using request = const call_request&;
    if (auto found = compare("operation", [](request r) { return r.what; }, [](request r) { return std::string(name_of(r.what)); })) return found;
    if (auto found = compare("element", [](request r) { return r.element; }, [](request r) { return std::string(r.element); })) return found;
    if (auto found = compare("size", [](request r) { return r.count; }, [](request r) { return std::to_string(r.count); })) return found;
    return compare("root", [](request r) { return r.root; }, [](request r) { return std::to_string(r.root); });
}

} // namespace gradcomp::comm
