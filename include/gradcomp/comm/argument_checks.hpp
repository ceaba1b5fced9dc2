/// @file What a communicator asks of one rank's arguments before anything is sent.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/view.hpp>

#include <cstddef>
#include <functional>
#include <string>

namespace gradcomp::comm {

/// Checks of the arguments of `rank` among `size` ranks. Each @throws error invalid_argument or overlap; the group is then as before.
struct argument_checks {
    int rank = 0, size = 1;

    template <class Value> void require(bool holds, const char* field, Value value, const char* sentence) const
    {
        if (!holds) throw error(error_code::invalid_argument, field, std::to_string(value), sentence, {.rank = rank});
    }
    void require_root(const char* field, int root) const { require(root >= 0 && root < size, field, root, "must be a rank of the group"); }

    template <class T, memory_space Space> void require_memory(const char* field, view<T, Space> data) const
    {
        if (data.data() == nullptr && !data.empty())
            throw error(error_code::invalid_argument, field, "null", "must point to " + std::to_string(data.size()) + " elements", {.rank = rank});
    }

    template <class T, memory_space Space> void require_apart(const char* field, view<const T, Space> in, view<T, Space> out) const
    {
        const std::less<const T*> before;
        if (in.empty() || out.empty() || !before(in.data(), out.data() + out.size()) || !before(out.data(), in.data() + in.size())) return;
        throw error(error_code::overlap, field, std::to_string(out.data() - in.data()) + " elements from the input", "must not overlap it", {.rank = rank});
    }

    template <class T, memory_space Space> void require_reduction(view<const T, Space> in, view<T, Space> out) const
    {
        require(in.size() == out.size(), "all_reduce.out", out.size(), "must have as many elements as in");
        require_memory("all_reduce.in", in);
        require_memory("all_reduce.out", out);
        if (in.data() != out.data()) require_apart("all_reduce.out", in, out);
    }

    /// `all` holds one place per rank, and `mine` is outside of it or exactly its own place.
    template <memory_space Space> void require_places(const char* field, view<const std::byte, Space> mine, view<std::byte, Space> all) const
    {
        const auto n = static_cast<std::size_t>(size);
        require(all.size() / n == mine.size() && all.size() % n == 0, field, all.size(), "must be the bytes of one message times the number of ranks");
        require_memory(field, all);
        if (!mine.empty() && mine.data() != all.data() + static_cast<std::size_t>(rank) * mine.size()) require_apart(field, mine, all);
    }

    template <memory_space Space> void require_blocks(view<const std::byte, Space> in, view<std::byte, Space> out) const
    {
        require(in.size() == out.size(), "all_to_all.out", out.size(), "must have as many bytes as in");
        require(in.size() % static_cast<std::size_t>(size) == 0, "all_to_all.in", in.size(), "must be a multiple of the number of ranks");
        require_memory("all_to_all.in", in);
        require_memory("all_to_all.out", out);
        require_apart("all_to_all.out", in, out);
    }
};

} // namespace gradcomp::comm
