/// @file What a quantizer does with the message of a sparsifier, on CUDA: codes of the kept values, and indices in their shortest form.
#pragma once

#include <gradcomp/core/index_code.hpp>
#include <gradcomp/exec/cuda/codes.cuh>
#include <gradcomp/exec/cuda/index_forms.hpp>
#include <gradcomp/exec/cuda/look_back.cuh>

namespace gradcomp::exec {

/// What the codes of an element miss returns to the memory.
template <class Rule> struct settle_target {
    Rule rule;
    __device__ bool begin() { return detail::begin(rule); }
    GRADCOMP_HD void operator()(std::size_t i, typename Rule::value_type missed) const { rule.settle(i, missed, typename Rule::value_type(0)); }
};

namespace detail {

/// A tile of a message's indices to the wire; the region was zeroed before.
inline constexpr int index_threads = 256;
template <int Threads> __global__ void __launch_bounds__(Threads) encode_indices_kernel(const tile_place* tiles, const index_form* forms, const std::uint32_t* index, std::byte* wire)
{
    const tile_place place = tiles[blockIdx.x];
    const index_form s = forms[place.piece];
    const std::size_t first = place.number * tile_elements, end = first + tile_elements < s.kept ? first + tile_elements : s.kept;
    for (std::size_t j = first + threadIdx.x; j < end; j += Threads)
        write_index(s, index + s.payload, j, wire + s.wire, [](std::uint32_t& counter, std::uint32_t x) { atomicAdd(&counter, x); });
}

/// Where the tiles of each selection begin among its indices, one block of threads a selection; notes counts that do not add up.
template <int Threads>
__global__ void __launch_bounds__(Threads) place_indices_kernel(const index_form* forms, const std::byte* wire, std::uint32_t* starts, device_counts* counts)
{
    __shared__ typename device_block<Threads>::scan::TempStorage shared;
    const index_form s = forms[blockIdx.x];
    if (s.tiles == 0) return;
    const device_block<Threads> block{shared};
    const bool right = sum_counts(block, reinterpret_cast<const std::uint32_t*>(wire + s.wire), s.tiles, s.kept, starts + s.first_tile);
    if (!right && threadIdx.x == 0) counts->unreadable = counts->verdict = 1;
}

template <int Threads>
__global__ void __launch_bounds__(Threads) decode_indices_kernel(const tile_place* tiles, const index_form* forms, const std::uint32_t* starts, const std::byte* wire, std::uint32_t* index)
{
    const tile_place place = tiles[blockIdx.x];
    const index_form s = forms[place.piece];
    const std::size_t first = place.number * tile_elements, end = first + tile_elements < s.kept ? first + tile_elements : s.kept;
    for (std::size_t j = first + threadIdx.x; j < end; j += Threads) index[s.payload + j] = read_index(s, starts + s.first_tile, wire + s.wire, j);
}

} // namespace detail

/// Holds one message of the sparsifier; device memory beside it: 4 bytes for 65536 elements.
template <class T, class Code> class chain_engine<cuda_stream, T, Code> {
public:
    chain_engine(const cuda_stream& on, const layout& where, const layout& values, const coded_form& form, std::size_t plain_bytes)
        : codes_(on, values, form), kept_(where.kept), plain_(plain_bytes), messages_(where)
    {
        std::vector<index_form> forms = index_forms_of(where);
        std::size_t tiles = 0;
        for (const index_form& s : forms) tiles += s.tiles;
        for (const selection& s : where.selections) index_bytes_ += gradcomp::index_bytes(s);
        forms_ = device_buffer<index_form>(forms.size());
        forms_.fill_from(forms.data(), forms.size());
        starts_ = device_buffer<std::uint32_t>(tiles);
    }
    std::byte* plain() { return plain_.data(); }
    const std::byte* plain() const { return plain_.data(); }
    std::size_t index_bytes() const { return index_bytes_; }

    void encode(const cuda_stream& on, const layout& values, const device_step<T>& now, const choice_key& key, const Code& code, const coded_form& form, std::byte* message)
    {
        remainder_rule<T> rule;
        rule.gradient = rule.out[0] = kept();
        const auto bound = bind_step(on, rule, now);
        codes_.encode(on, values, packed_rule<std::remove_const_t<decltype(bound)>>{bound}, now, key, code, form, message, {.bad_elements = non_finite::propagate});
    }
    /// A sparsifier that sends whole elements left 0 of them: what their codes miss is what stays.
    template <class Rule, class Sparse> void settle(const cuda_stream& on, const packed_rule<Rule>& rules, const Sparse& sparse) const
    {
        sparse.decode(on, plain(), settle_target<Rule>{rules.rule});
    }

    void check(const cuda_stream& on, const Code& code, const coded_form& form, const std::byte* message) const { codes_.check(on, {}, code, form, message); }
    void decode(const cuda_stream& on, const layout& values, const Code& code, const coded_form& form, const std::byte* message) const
    {
        codes_.decode(on, values, dense_target<T>{kept()}, code, form, message);
    }
    void encode_indices(const cuda_stream& on, const layout&, std::byte* at) const
    {
        clear(on, at, index_bytes_);
        if (messages_.count() == 0) return;
        detail::encode_indices_kernel<detail::index_threads><<<messages_.count(), detail::index_threads, 0, on.stream()>>>(messages_.tiles(), forms_.data(), indices(), at);
        detail::check_launch("encode_indices_kernel");
    }
    void decode_indices(const cuda_stream& on, const layout&, const std::byte* at) const
    {
        if (messages_.count() == 0) return;
        detail::place_indices_kernel<detail::index_threads><<<static_cast<unsigned>(forms_.size()), detail::index_threads, 0, on.stream()>>>(forms_.data(), at, starts_.data(), on.counts());
        detail::decode_indices_kernel<detail::index_threads><<<messages_.count(), detail::index_threads, 0, on.stream()>>>(messages_.tiles(), forms_.data(), starts_.data(), at, indices());
        detail::check_launch("decode_indices_kernel");
    }

private:
    T* kept() const { return reinterpret_cast<T*>(plain_.data()); }
    std::uint32_t* indices() const { return reinterpret_cast<std::uint32_t*>(plain_.data() + kept_ * sizeof(T)); }

    code_engine<cuda_stream, T, Code> codes_;
    std::size_t kept_, index_bytes_ = 0;
    mutable device_buffer<std::byte> plain_; ///< decoding works in it, too
    message_tiles messages_;
    device_buffer<index_form> forms_;
    mutable device_buffer<std::uint32_t> starts_;
};

} // namespace gradcomp::exec
