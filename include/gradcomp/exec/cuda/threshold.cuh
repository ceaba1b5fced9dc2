/// @file The threshold engine of exec::cuda: measure, list what reaches the limit, and where the room is short choose among it; the device decides.
#pragma once

#include <gradcomp/exec/cuda/take_back.cuh>

namespace gradcomp::exec {
namespace detail {

/// Elements over which one sum of squares is formed, as exec::cpu's tiles.
inline constexpr std::size_t measured_tile = 256;

/// A selection: the measures of its tiles, and the room in its message.
struct device_limit {
    std::size_t size = 0, first_tile = 0, tiles = 0;
    std::uint32_t room = 0;
};
/// A segment, and where its measures begin.
struct measured_piece {
    std::size_t offset = 0, size = 0, first_tile = 0;
    std::uint32_t tensor = 0;
};

/// The largest magnitude and the sum of squares of each tile; a warp takes four tiles of 256 at once.
template <class Rule, class T>
__global__ void __launch_bounds__(tile_elements / 1024 * warp_lanes)
measure_kernel(packed_rule<Rule> over, const measured_piece* pieces, const tile_place* tiles, T* largest, double* squares, bool mends)
{
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const measured_piece at = pieces[place.piece];
    const Rule rule = at_piece(over, at);
    const std::size_t tile = place.number * (tile_elements / measured_tile) + threadIdx.x / 8, first = tile * measured_tile;
    const std::size_t count = first < at.size ? (at.size - first < measured_tile ? at.size - first : measured_tile) : 0;
    const auto found = measure_by_eight<T>(device_warp{}, count, [&](std::size_t i) { return form_at(rule, at.offset + first + i, mends); });
    if (count == 0 || threadIdx.x % 8 != 0) return;
    largest[at.first_tile + tile] = __builtin_bit_cast(T, found.largest);
    squares[at.first_tile + tile] = found.squares;
}

/// Everything that reaches the limit is a candidate; a block of threads a selection.
template <class T>
__global__ void __launch_bounds__(select_threads) limit_kernel(select_memory<T> memory, const device_limit* limits, magnitude_limit limit, const T* largest, const double* squares)
{
    device_top_k<T>& s = memory.selections[blockIdx.x];
    reset_selection(memory, s);
    if (threadIdx.x >= warp_lanes) return;
    const device_limit at = limits[blockIdx.x];
    const T least = least_magnitude<T>(limit.of(magnitudes_of_tiles(device_warp{}, largest + at.first_tile, squares + at.first_tile, at.tiles), at.size));
    if (threadIdx.x == 0) s.limits.low = rank_key(least);
}

/// How many were listed, and how many of them there is room for.
template <class T> __global__ void admit_kernel(select_memory<T> memory, const device_limit* limits, std::uint32_t* count, device_counts* counts)
{
    const unsigned number = blockIdx.x * blockDim.x + threadIdx.x;
    if (number >= memory.selection_count) return;
    device_top_k<T>& s = memory.selections[number];
    const std::uint32_t room = limits[number].room;
    s.kept = s.listed < room ? s.listed : room;
    s.found[0] = {0, s.kept};
    count[number] = s.kept;
    if (s.listed > room) atomicAdd(&counts->unsent, static_cast<unsigned long long>(s.listed - room));
}

} // namespace detail

/// Device memory: top-k's, and 12 bytes (double: 16) for 256 elements.
template <class T> class threshold_engine<cuda_stream, T> : device_indexed_messages<T> {
public:
    using device_indexed_messages<T>::index_bytes;

    threshold_engine(const cuda_stream& on, const layout& where) : device_indexed_messages<T>(where), select_(on, where, true)
    {
        std::vector<detail::device_limit> limits;
        std::vector<detail::measured_piece> pieces;
        std::size_t tiles = 0;
        for (const selection& s : where.selections) {
            limits.push_back({s.size, tiles, 0, static_cast<std::uint32_t>(s.kept)});
            for (std::size_t at = s.begin; at < s.end; ++at) {
                const gradcomp::segment& piece = where.segments[at];
                pieces.push_back({piece.offset, piece.size, tiles, static_cast<std::uint32_t>(piece.tensor)});
                tiles += (piece.size + detail::measured_tile - 1) / detail::measured_tile;
            }
            limits.back().tiles = tiles - limits.back().first_tile;
        }
        const std::vector<tile_place> measured = cut_by_segments(where);
        limits_ = device_buffer<detail::device_limit>(limits.size());
        limits_.fill_from(limits.data(), limits.size());
        pieces_ = device_buffer<detail::measured_piece>(pieces.size());
        pieces_.fill_from(pieces.data(), pieces.size());
        measured_ = device_buffer<tile_place>(measured.size());
        measured_.fill_from(measured.data(), measured.size());
        largest_ = device_buffer<T>(tiles);
        squares_ = device_buffer<double>(tiles);
    }

    /// Enqueues the sweep, a read of p, top-k without its sample, and four launches.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>&, const choice_key&, const magnitude_limit& limit, T* message,
        std::byte* index, std::uint32_t* count, const sweep_options& options)
    {
        const auto selections = static_cast<unsigned>(limits_.size());
        if (this->tiles_.count() == 0) {
            clear(on, reinterpret_cast<std::byte*>(count), selections * sizeof(std::uint32_t));
            return {};
        }
        const bool mends = options.bad_elements != non_finite::propagate;
        const auto left = detail::left_behind(rules);
        sweep(on, rules, this->tiles_, detail::make_lane_none{}, 0, options);
        detail::measure_kernel<<<static_cast<unsigned>(measured_.size()), tile_elements / 1024 * warp_lanes, 0, on.stream()>>>(left, pieces_.data(), measured_.data(), largest_.data(), squares_.data(), mends);
        const auto bracket = [&](const detail::select_memory<T>& memory) {
            detail::reset_tiles_kernel<T><<<detail::blocks_for(memory.tile_count, 256), 256, 0, on.stream()>>>(memory.tiles, memory.tile_count);
            detail::limit_kernel<<<selections, detail::select_threads, 0, on.stream()>>>(memory, limits_.data(), limit, largest_.data(), squares_.data());
        };
        const auto admit = [&](const detail::select_memory<T>& memory) {
            detail::admit_kernel<<<detail::blocks_for(selections, 256), 256, 0, on.stream()>>>(memory, limits_.data(), count, on.counts());
        };
        select_.select(on, left, message, mends, bracket, admit);
        detail::take_back_kernel<<<this->messages_.count(), detail::apply_threads, 0, on.stream()>>>(
            rules, this->tiles_.pieces(), this->messages_.tiles(), this->selections_.data(), count, message, select_.chosen(), mends);
        detail::check_launch("threshold");
        this->write(on, select_.chosen(), index, count);
        return {};
    }

    void check(const cuda_stream& on, const layout&, const T* message, const std::byte* index, const std::uint32_t* count) const { this->check_counted(on, message, index, count); }
    template <class Target> void scatter(const cuda_stream& on, const layout& where, const Target& target, const T* message, const std::byte* index, const std::uint32_t* count) const
    {
        this->scatter_from(on, where, target, message, this->read(on, index, count));
    }
    /// Of all ranks; `index` and `counts` are where these stand in a message.
    template <class Target> void scatter_all(const cuda_stream& on, const layout&, const Target& target, const gathered_messages& all, std::size_t index, std::size_t counts) const
    {
        this->scatter_counted(on, target, all, index, counts);
    }

private:
    top_k_engine<cuda_stream, T> select_;
    device_buffer<detail::device_limit> limits_;
    device_buffer<detail::measured_piece> pieces_;
    device_buffer<tile_place> measured_;
    device_buffer<T> largest_;
    device_buffer<double> squares_;
};

} // namespace gradcomp::exec
