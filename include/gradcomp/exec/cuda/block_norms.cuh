/// @file The engine of the blocks of largest norm on CUDA: a sweep leaves everything behind, norms are read off, whole blocks are taken back.
#pragma once

#include <gradcomp/exec/cuda/take_back.cuh>

namespace gradcomp::exec {
namespace detail {

/// A selection: its pieces, and where its blocks' norms begin.
struct device_blocks {
    device_selection at;
    std::size_t first_norm = 0, blocks = 0;
};

/// Eight lanes a block of elements; a block of threads takes 32 of one selection.
template <class Rule, class T>
__global__ void __launch_bounds__(apply_threads) block_norm_kernel(packed_rule<Rule> over, const piece* pieces, const tile_place* tiles, const device_blocks* selections, std::size_t block,
    double* norms, T* largest, bool mends)
{
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const device_blocks s = selections[place.piece];
    const std::size_t number = place.number * std::size_t{apply_threads / 8} + threadIdx.x / 8, first = number * block;
    const std::size_t count = number < s.blocks ? (s.at.size - first < block ? s.at.size - first : block) : 0;
    const auto found = measure_by_eight<T>(device_warp{}, count, [&](std::size_t i) { return form_in(over, pieces, s.at.begin, s.at.end, first + i, mends); });
    if (count == 0 || threadIdx.x % 8 != 0) return;
    norms[s.first_norm + number] = found.squares;
    if constexpr (sizeof(T) > sizeof(float)) largest[s.first_norm + number] = __builtin_bit_cast(T, found.largest);
}

/// The squares of a selection's blocks over one power of two; a block of threads a selection.
template <class Rule>
__global__ void __launch_bounds__(select_threads) common_norm_kernel(packed_rule<Rule> over, const device_blocks* selections, const double* largest, double* norms)
{
    if (!begin(over.rule)) return;
    __shared__ int common;
    if (threadIdx.x == 0) common = -1000;
    __syncthreads();
    const device_blocks s = selections[blockIdx.x];
    const auto exponent_of = [&](std::size_t b) { return square_exponent<double>(bits_of(largest[s.first_norm + b])); };
    int mine = -1000;
    for (std::size_t b = threadIdx.x; b < s.blocks; b += blockDim.x) mine = larger(mine, exponent_of(b));
    atomicMax(&common, mine);
    __syncthreads();
    for (std::size_t b = threadIdx.x; b < s.blocks; b += blockDim.x) norms[s.first_norm + b] = squares_in(norms[s.first_norm + b], exponent_of(b), common);
}

/// The elements of the chosen blocks; zeros behind a partial last one. `selections` of the elements, `number` counts within each.
template <class Rule, class T>
__global__ void __launch_bounds__(apply_threads) take_back_blocks_kernel(packed_rule<Rule> over, const piece* pieces, const tile_place* tiles, const device_selection* selections,
    std::size_t block, T* message, const std::uint32_t* number, bool mends)
{
    if (!begin(over.rule)) return;
    each_place(tiles, selections, [&](const device_selection& s, std::uint32_t, std::size_t j) {
        const std::size_t position = std::size_t{number[(s.payload + j) / block]} * block + j % block;
        message[s.payload + j] = position < s.size ? take_back(over, pieces, s, position, mends) : T(0);
    });
}

template <class T, class Target>
__global__ void __launch_bounds__(apply_threads) scatter_chosen_blocks_kernel(Target to, const piece* pieces, const tile_place* tiles, const device_selection* selections, std::size_t block,
    const T* message, wire_indices numbers)
{
    if (!begin(to)) return;
    each_place(tiles, selections, [&](const device_selection& s, std::uint32_t number, std::size_t j) {
        const std::size_t position = numbers(s, number, j / block) * block + j % block;
        if (position < s.size) to(packed_place(pieces, s.begin, s.end, position), message[s.payload + j]);
    });
}

} // namespace detail

/// Device memory: a norm (double: and a largest magnitude) a block, a number and a norm a kept one, and top-k's over the blocks.
template <class T> class block_norm_engine<cuda_stream, T> {
public:
    block_norm_engine(const cuda_stream& on, const layout& where, std::size_t block)
        : block_(block), lists_(lists_of(where, [block](const selection& s) {
              return selection{.size = (s.size + block - 1) / block, .kept = s.kept / block, .payload = s.payload / block};
          })),
          select_(on, lists_), tiles_(where), messages_(where), selections_(selections_on_device(where)), norms_(lists_.size), chosen_(lists_.kept), largest_(scaled ? lists_.size : 0)
    {
        std::vector<detail::device_blocks> all;
        std::vector<tile_place> measured;
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            const std::size_t blocks = lists_.selections[n].size;
            all.push_back({{s.size, s.kept, s.payload, static_cast<std::uint32_t>(s.begin), static_cast<std::uint32_t>(s.end)}, lists_.segments[n].offset, blocks});
            for (std::size_t t = 0; t * (detail::apply_threads / 8) < blocks; ++t) measured.push_back({static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(t)});
        }
        blocks_ = device_buffer<detail::device_blocks>(all.size());
        blocks_.fill_from(all.data(), all.size());
        measured_ = device_buffer<tile_place>(measured.size());
        measured_.fill_from(measured.data(), measured.size());
    }

    /// Enqueues the sweep, a read of p (double: two, and a launch), top-k over the norms, and two launches.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>& at, const choice_key& key, T* message, std::byte* number,
        const sweep_options& options)
    {
        if (tiles_.count() == 0) return {};
        const bool mends = options.bad_elements != non_finite::propagate;
        sweep(on, rules, tiles_, detail::make_lane_none{}, 0, options);
        detail::block_norm_kernel<<<static_cast<unsigned>(measured_.size()), detail::apply_threads, 0, on.stream()>>>(
            detail::left_behind(rules), tiles_.pieces(), measured_.data(), blocks_.data(), block_, norms_.data(), largest_.data(), mends);
        if constexpr (scaled)
            detail::common_norm_kernel<<<static_cast<unsigned>(blocks_.size()), detail::select_threads, 0, on.stream()>>>(
                detail::left_behind(rules), blocks_.data(), largest_.data(), norms_.data());
        bound_step<listed_rule<double>, T> norms{{}, {nullptr, at.verdict, at.wanted}};
        norms.gradient = norms_.data();
        select_.choose(on, packed_rule<decltype(norms)>{norms}, at, key, chosen_.data(), {.bad_elements = non_finite::propagate});
        detail::take_back_blocks_kernel<<<messages_.count(), detail::apply_threads, 0, on.stream()>>>(
            rules, tiles_.pieces(), messages_.tiles(), selections_.data(), block_, message, select_.chosen(), mends);
        detail::check_launch("block_top_k");
        select_.write(on, select_.chosen(), number);
        return {};
    }
    std::size_t index_bytes() const { return select_.index_bytes(); }
    void check(const cuda_stream& on, const layout&, const std::byte* number) const { select_.check(on, lists_, number); }
    template <class Target> void scatter(const cuda_stream& on, const layout& where, const Target& target, const T* message, const std::byte* number) const
    {
        if constexpr (is_dense<Target>) clear_dense(on, where, target.to);
        if (messages_.count() == 0) return;
        detail::scatter_chosen_blocks_kernel<<<messages_.count(), detail::apply_threads, 0, on.stream()>>>(
            target, tiles_.pieces(), messages_.tiles(), selections_.data(), block_, message, select_.read(on, number));
        detail::check_launch("scatter_chosen_blocks_kernel");
    }

private:
    static constexpr bool scaled = sizeof(T) > sizeof(float);

    std::size_t block_;
    layout lists_;
    top_k_engine<cuda_stream, double> select_;
    device_tiles tiles_;
    message_tiles messages_;
    device_buffer<device_selection> selections_;
    device_buffer<double> norms_, chosen_;
    device_buffer<T> largest_; ///< of each block, for double
    device_buffer<detail::device_blocks> blocks_;
    device_buffer<tile_place> measured_;
};

} // namespace gradcomp::exec
