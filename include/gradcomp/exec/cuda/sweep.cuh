/// @file The sweep of the CUDA executor: one launch for all tensors of a layout, any rule with any way of choosing.
#pragma once

#include <gradcomp/exec/cuda/access.cuh>
#include <gradcomp/exec/cuda/gather_blocks.hpp>
#include <gradcomp/exec/cuda/lane.hpp>
#include <gradcomp/exec/cuda/stream.cuh>

namespace gradcomp::exec {

/// What a sweep runs over: a rule over the packed streams, and where the gradient of each tensor lies when it is not packed too.
template <class Rule> struct packed_rule {
    Rule rule;                                                    ///< its streams start at packed element 0
    const typename Rule::gradient_type* const* gradients = nullptr; ///< in device memory, one a tensor; null: rule.gradient is packed
};

namespace detail {
/// The rule at one tensor: with that tensor's gradient, as if it were packed.
template <class Rule, class Piece> __device__ Rule at_piece(const packed_rule<Rule>& over, const Piece& piece)
{
    Rule rule = over.rule;
    if (over.gradients != nullptr) rule.gradient = over.gradients[piece.tensor] - piece.offset;
    return rule;
}

/// p of one element of the packed streams; bad ones as the sweep takes them.
template <class Rule> __device__ typename Rule::value_type form_at(const Rule& rule, std::size_t i, bool mends)
{
    inputs<Rule> in;
    in.gradient.at[0] = rule.gradient[i];
    for (int j = 0; j < Rule::inputs; ++j) in.x[j].at[0] = rule.in[j][i];
    auto g = widened(rule, in.gradient.at[0]);
    bool bad;
    return form(rule, g, neighbour<Rule>(in, 0), mends, bad);
}
/// p at a position of a selection.
template <class Rule> __device__ typename Rule::value_type form_in(const packed_rule<Rule>& over, const piece* pieces, std::uint32_t begin, std::uint32_t end, std::size_t position, bool mends)
{
    const piece& at = pieces[piece_of(pieces, begin, end, position)];
    return form_at(at_piece(over, at), at.offset + (position - at.first), mends);
}

/// A rule over what a sweep left behind, by itself: p again, and nothing written.
template <class Rule> struct left_rule : decltype(std::declval<const Rule&>().again()) {
    using again_type = decltype(std::declval<const Rule&>().again());
    Rule swept;
    explicit left_rule(const Rule& rule) : again_type(rule.again()), swept(rule) {}
    __device__ bool begin()
    {
        if (!detail::begin(swept)) return false;
        static_cast<again_type&>(*this) = swept.again();
        return true;
    }
    GRADCOMP_HD left_rule again() const { return *this; }
};
/// The same over packed streams. Where p comes from the gradient once more, it may lie tensor by tensor.
template <class Rule> packed_rule<left_rule<Rule>> left_behind(const packed_rule<Rule>& over)
{
    packed_rule<left_rule<Rule>> left{left_rule<Rule>(over.rule)};
    if constexpr (reads_gradient_again<Rule>) left.gradients = over.gradients;
    return left;
}
} // namespace detail

/// The tiles of a layout in device memory; taken in attach().
class device_tiles {
public:
    device_tiles() = default;
    explicit device_tiles(const layout& where)
    {
        const tile_table table = cut_into_tiles(where);
        pieces_ = device_buffer<piece>(table.pieces.size());
        tiles_ = device_buffer<tile_place>(table.tiles.size());
        pieces_.fill_from(table.pieces.data(), table.pieces.size());
        tiles_.fill_from(table.tiles.data(), table.tiles.size());
    }
    const piece* pieces() const { return pieces_.data(); }
    const tile_place* tiles() const { return tiles_.data(); }
    unsigned count() const { return static_cast<unsigned>(tiles_.size()); }

private:
    device_buffer<piece> pieces_;
    device_buffer<tile_place> tiles_;
};

namespace detail {

/// Adds the bad elements of a block of threads; nearly always there are none.
__device__ inline void count_bad(std::uint32_t bad, device_counts* counts)
{
    if (!__syncthreads_or(static_cast<int>(bad))) return;
    if (bad == 0) return;
    atomicAdd(&counts->bad, static_cast<unsigned long long>(bad));
    atomicAdd(&counts->bad_now, bad);
}

/// A whole tile is the common case and gets the registers; the ends of tensors and streams off the grid go element by element.
template <class Rule, class Choose> __device__ std::uint32_t sweep_tile(const Rule& rule, const tile_range& range, bool mends, const Choose& choose)
{
    const int thread = static_cast<int>(threadIdx.x);
    return is_whole(rule, range) ? sweep_lane<device_access, true>(rule, range, thread, mends, choose) : sweep_lane<device_access, false>(rule, range, thread, mends, choose);
}

/// Blocks of threads that share a processor: four with 64 registers a thread keep some 100 KB of requests under way, and of doubles three do with 80. A Make
/// that computes more by itself says how many it wants.
template <class T> inline constexpr int sweep_blocks = sizeof(T) == 4 ? 4 : 3;
template <class T, class Make> constexpr int blocks_of()
{
    if constexpr (requires { Make::blocks; }) return Make::blocks;
    else return sweep_blocks<T>;
}

/// One block of threads a tile. Make gives the chooser: prepare(range, memory) by all threads, then a barrier, then chooser(range, memory).
template <class Rule, class Make>
__global__ void __launch_bounds__(tile_threads, (blocks_of<typename Rule::value_type, Make>()))
sweep_kernel(packed_rule<Rule> over, const piece* pieces, const tile_place* tiles, Make make, bool mends, device_counts* counts)
{
    extern __shared__ __align__(16) unsigned char memory[];
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const piece at = pieces[place.piece];
    const tile_range range = range_of(at, place);
    if (over.gradients != nullptr) over.rule.gradient = over.gradients[range.tensor] - at.offset;
    if constexpr (Make::shares) {
        make.prepare(range, memory);
        __syncthreads();
    }
    const std::uint32_t bad = sweep_tile(over.rule, range, mends, make.chooser(range, memory));
    if (mends) count_bad(bad, counts);
}

/// One tensor that starts at packed element 0: no tables.
template <class Rule>
__global__ void __launch_bounds__(tile_threads, sweep_blocks<typename Rule::value_type>) plain_sweep_kernel(Rule rule, std::size_t n, bool mends, device_counts* counts)
{
    if (!begin(rule)) return;
    const tile_range range = range_of({.size = n}, {.number = blockIdx.x});
    const std::uint32_t bad = sweep_tile(rule, range, mends, lane_none{});
    if (mends) count_bad(bad, counts);
}

} // namespace detail

/// Enqueues one pass over all tensors of a layout. `shared_bytes` is what Make needs of shared memory.
template <class Rule, class Make>
enqueued sweep(const cuda_stream& on, const packed_rule<Rule>& over, const device_tiles& tiles, const Make& make, std::size_t shared_bytes, const sweep_options& options)
{
    if (tiles.count() == 0) return {};
    detail::sweep_kernel<<<tiles.count(), tile_threads, shared_bytes, on.stream()>>>(
        over, tiles.pieces(), tiles.tiles(), make, options.bad_elements != non_finite::propagate, on.counts());
    detail::check_launch("sweep_kernel");
    return {};
}

/// The sweep over elements [0, n) that sends nothing.
template <class Rule> enqueued sweep(const cuda_stream& on, const Rule& rule, std::size_t n, sweep_options options = {})
{
    if (n == 0) return {};
    detail::plain_sweep_kernel<<<detail::blocks_for(n, tile_elements), tile_threads, 0, on.stream()>>>(rule, n, options.bad_elements != non_finite::propagate, on.counts());
    detail::check_launch("plain_sweep_kernel");
    return {};
}

} // namespace gradcomp::exec
