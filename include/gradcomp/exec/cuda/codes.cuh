/// @file The engines of quantizers on CUDA: one launch for all tensors; the sign with one exact scale takes three.
#pragma once

#include <gradcomp/core/coded_form.hpp>
#include <gradcomp/core/sign_code.hpp>
#include <gradcomp/exec/cuda/codes.hpp>
#include <gradcomp/exec/cuda/scatter.cuh>
#include <gradcomp/exec/engines.hpp>

#include <vector>

namespace gradcomp::exec {

/// The warp of measure.hpp on the device.
struct device_warp {
    __device__ int lane() const { return static_cast<int>(threadIdx.x % warp_lanes); }
    __device__ void sync() const { __syncwarp(); }
    template <class X> __device__ X exchange(X x, int mask) const { return __shfl_xor_sync(~0u, x, mask); }
    __device__ bool any(bool flag) const { return __any_sync(~0u, flag); }
    __device__ std::uint32_t ballot(bool flag) const { return __ballot_sync(~0u, flag); }
};

/// A coded form in device memory: tensors, and blocks of threads of 4096 elements each, which count from where their tensor starts.
template <class T> class device_form {
public:
    device_form(const layout& where, const coded_form& form) : bucket_(form.bucket), parameters_(form.parameters), parameter_bytes_(form.parameter_bytes), bytes_(form.bytes)
    {
        std::vector<coded_piece> pieces;
        const std::vector<tile_place> tiles = cut_by_segments(where);
        for (std::size_t s = 0; s < where.segments.size(); ++s) {
            const gradcomp::segment& piece = where.segments[s];
            pieces.push_back({piece.offset, piece.size, form.places[s].parameter, form.places[s].codes, static_cast<std::uint32_t>(piece.tensor)});
        }
        pieces_ = device_buffer<coded_piece>(pieces.size());
        tiles_ = device_buffer<tile_place>(tiles.size());
        pieces_.fill_from(pieces.data(), pieces.size());
        tiles_.fill_from(tiles.data(), tiles.size());
    }
    const coded_piece* pieces() const { return pieces_.data(); }
    const tile_place* tiles() const { return tiles_.data(); }
    unsigned count() const { return static_cast<unsigned>(tiles_.size()); }         ///< blocks of threads
    unsigned piece_count() const { return static_cast<unsigned>(pieces_.size()); }
    std::size_t bucket() const { return bucket_; }
    std::size_t parameters() const { return parameters_; }
    /// Enqueues the check that a message is 0 where nothing stands.
    void check_gaps(const cuda_stream& on, int bits, const std::byte* message) const;
    /// The zeros between the parameters and the first codes.
    void clear_gap(const cuda_stream& on, std::byte* message) const
    {
        const std::size_t codes = (parameter_bytes_ + 15) / 16 * 16;
        clear(on, message + parameter_bytes_, (codes < bytes_ ? codes : bytes_) - parameter_bytes_);
    }

private:
    std::size_t bucket_, parameters_, parameter_bytes_, bytes_;
    device_buffer<coded_piece> pieces_;
    device_buffer<tile_place> tiles_;
};

namespace detail {

/// Where an encoding goes: a message, or for sign's first sweep its codes alone, with parameters that go nowhere yet.
template <class T> struct coded_target {
    T* wire;
    std::byte* codes;
    std::size_t bucket;
    bool own_parameters; ///< counted in buckets of `bucket` from the tensor's first block of threads on, not by the form
};

template <class T> inline constexpr int code_blocks = sizeof(T) == 4 ? 4 : 2; ///< blocks of threads a processor: 64 registers a thread, 128 for double

/// One pass over the streams: a warp a tile of 512 elements.
template <class Rule, class Code>
__global__ void __launch_bounds__(tile_threads, code_blocks<typename Rule::value_type>)
encode_kernel(packed_rule<Rule> over, const __grid_constant__ Code code, coded_target<typename Rule::value_type> to, const coded_piece* pieces, const tile_place* tiles,
    const step_state<typename Rule::value_type>* now, choice_key key, bool mends, device_counts* counts)
{
    __shared__ code_shared<Code> shared[tile_threads / warp_lanes];
    if (!begin(over.rule)) return;
    const tile_place place = tiles[blockIdx.x];
    const coded_piece at = pieces[place.piece];
    const std::size_t warp = threadIdx.x / warp_lanes, first = place.number * tile_elements + warp * code_tile;
    std::uint32_t bad = 0;
    if (first < at.size) {
        code_job<Code> job{first, at.size - first < code_tile ? at.size - first : code_tile, to.bucket, to.wire + at.parameter, reinterpret_cast<std::uint32_t*>(to.codes + at.codes),
            key.stream(Code::stochastic ? now->step : 0, at.tensor, purpose::quantize), mends};
        if (to.own_parameters) job.wire = to.wire + (blockIdx.x - place.number) * (tile_elements / code_tile);
        bad = encode_tile<device_access>(device_warp{}, at_piece(over, at), code, at.offset, job, shared[warp]);
    }
    if (mends) count_bad(bad, counts);
}

template <class Code, class Target>
__global__ void __launch_bounds__(apply_threads)
decode_kernel(Target to, const __grid_constant__ Code code, const coded_piece* pieces, const tile_place* tiles, std::size_t bucket, gathered_messages all)
{
    if (!begin(to)) return;
    const tile_place place = tiles[blockIdx.x];
    const coded_piece at = pieces[place.piece];
    const std::size_t first = place.number * tile_elements, end = first + tile_elements < at.size ? first + tile_elements : at.size;
    for (std::size_t i = first + threadIdx.x; i < end; i += apply_threads)
        for (std::size_t rank = 0; rank < all.count; ++rank) {
            const auto* const wire = reinterpret_cast<const typename Code::value_type*>(all.at(rank)) + at.parameter;
            to(at.offset + i, decode_at(code, wire, reinterpret_cast<const std::uint32_t*>(all.at(rank) + at.codes), i, bucket));
        }
}

/// Notes a message with parameters that no peer can have sent; nothing of it is applied then.
template <class Code> __global__ void __launch_bounds__(apply_threads) check_parameters_kernel(const __grid_constant__ Code code, std::size_t parameters, const std::byte* message, device_counts* counts)
{
    const std::size_t j = (std::size_t{blockIdx.x} * apply_threads + threadIdx.x) * std::size_t{Code::parameters};
    const bool wrong = j < parameters && !code.valid(reinterpret_cast<const typename Code::value_type*>(message) + j);
    if (__syncthreads_or(wrong) && threadIdx.x == 0) counts->unreadable = counts->verdict = 1;
}

/// Notes a message that is not 0 where nothing stands: between the parameters and the codes, and behind each tensor's last code. A warp a tensor.
template <class T>
__global__ void __launch_bounds__(warp_lanes) check_gaps_kernel(const coded_piece* pieces, int bits, std::size_t parameters, std::size_t bytes, const std::byte* message, device_counts* counts)
{
    const coded_piece at = pieces[blockIdx.x];
    const std::size_t end = at.codes + packed_bytes(at.size, bits), next = blockIdx.x + 1 < gridDim.x ? pieces[blockIdx.x + 1].codes : bytes;
    const auto read = [message](std::size_t i) { return static_cast<unsigned>(message[i]); };
    bool wrong = false;
    for (std::size_t i = end + threadIdx.x; i < next; i += warp_lanes) wrong |= read(i) != 0;
    if (blockIdx.x == 0)
        for (std::size_t i = parameters * sizeof(T) + threadIdx.x; i < at.codes; i += warp_lanes) wrong |= read(i) != 0;
    if (const unsigned spare = spare_bits(at.size, bits); threadIdx.x == 0 && spare > 0) wrong |= read(end - 1) >> (8 - spare) != 0;
    if (__any_sync(~0u, wrong) && threadIdx.x == 0) counts->unreadable = counts->verdict = 1;
}

} // namespace detail

template <class T> void device_form<T>::check_gaps(const cuda_stream& on, int bits, const std::byte* message) const
{
    if (piece_count() == 0) return;
    detail::check_gaps_kernel<T><<<piece_count(), warp_lanes, 0, on.stream()>>>(pieces(), bits, parameters_, bytes_, message, on.counts());
    detail::check_launch("check_gaps_kernel");
}

/// Buckets within a tensor: one launch, no memory beside the tables.
template <class T, class Code> class code_engine<cuda_stream, T, Code> {
public:
    code_engine(const cuda_stream&, const layout& where, const coded_form& form) : form_(where, form) {}

    /// Enqueues a memset and a launch.
    template <class Rule>
    enqueued encode(const cuda_stream& on, const layout&, const packed_rule<Rule>& rules, const device_step<T>& at, const choice_key& key, const Code& code, const coded_form&,
        std::byte* message, const sweep_options& options) const
    {
        if (form_.count() == 0) return {};
        form_.clear_gap(on, message);
        const detail::coded_target<T> to{reinterpret_cast<T*>(message), message, form_.bucket(), false};
        detail::encode_kernel<<<form_.count(), tile_threads, 0, on.stream()>>>(
            rules, code, to, form_.pieces(), form_.tiles(), at.now, key, options.bad_elements != non_finite::propagate, on.counts());
        detail::check_launch("encode_kernel");
        return {};
    }
    /// Enqueues the checks of a peer's parameters and of what must be 0. Codes need none: each of them decodes to a finite c.
    void check(const cuda_stream& on, const layout&, const Code& code, const coded_form&, const std::byte* message) const
    {
        form_.check_gaps(on, code.bits(), message);
        if constexpr (Code::parameters > 0) {
            if (form_.parameters() == 0) return;
            const unsigned blocks = detail::blocks_for(form_.parameters(), detail::apply_threads * std::size_t{Code::parameters});
            detail::check_parameters_kernel<<<blocks, detail::apply_threads, 0, on.stream()>>>(code, form_.parameters(), message, on.counts());
            detail::check_launch("check_parameters_kernel");
        }
    }
    template <class Target>
    void decode(const cuda_stream& on, const layout& where, const Target& target, const Code& code, const coded_form& form, const std::byte* message) const
    {
        decode_all(on, where, target, code, form, {.first = message});
    }
    template <class Target>
    void decode_all(const cuda_stream& on, const layout&, const Target& target, const Code& code, const coded_form&, const gathered_messages& all) const
    {
        if (form_.count() == 0) return;
        detail::decode_kernel<<<form_.count(), detail::apply_threads, 0, on.stream()>>>(target, code, form_.pieces(), form_.tiles(), form_.bucket(), all);
        detail::check_launch("decode_kernel");
    }

protected:
    device_form<T> form_;
};

} // namespace gradcomp::exec
