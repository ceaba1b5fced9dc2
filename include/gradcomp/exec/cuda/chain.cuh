/// @file What a quantizer does with the message of a sparsifier, on CUDA.
#pragma once

#include <gradcomp/exec/cuda/codes.cuh>

namespace gradcomp::exec {

/// What the codes of an element miss returns to the memory.
template <class Rule, bool Whole> struct settle_target {
    Rule rule;
    __device__ bool begin() { return detail::begin(rule); }
    GRADCOMP_HD void operator()(std::size_t i, typename Rule::value_type missed) const { keep_missed<Whole>(rule, i, missed); }
};

/// Holds one message of the sparsifier.
template <class T, class Code> class chain_engine<cuda_stream, T, Code> {
public:
    chain_engine(const cuda_stream& on, const layout& where, const layout& values, const coded_form& form, std::size_t plain_bytes)
        : codes_(on, values, form), value_bytes_(where.kept * sizeof(T)), plain_(plain_bytes)
    {
    }
    std::byte* plain() { return plain_.data(); }
    void clear_values(const cuda_stream& on) const { clear(on, plain_.data(), value_bytes_); }
    const std::byte* plain() const { return plain_.data(); }
    std::size_t index_bytes() const { return plain_.size() - value_bytes_; }

    void encode(const cuda_stream& on, const layout& values, const device_step<T>& now, const choice_key& key, const Code& code, const coded_form& form, std::byte* message)
    {
        remainder_rule<T> rule;
        rule.gradient = rule.out[0] = kept();
        const auto bound = bind_step(on, rule, now);
        codes_.encode(on, values, packed_rule<std::remove_const_t<decltype(bound)>>{bound}, now, key, code, form, message, {.bad_elements = non_finite::propagate});
    }
    /// What the codes miss stays; Whole: the sparsifier took elements as they are and left 0 of them.
    template <bool Whole, class Rule, class Sparse> void settle(const cuda_stream& on, const packed_rule<Rule>& rules, const Sparse& sparse) const
    {
        sparse.decode(on, plain(), settle_target<Rule, Whole>{rules.rule});
    }

    void check(const cuda_stream& on, const Code& code, const coded_form& form, const std::byte* message) const { codes_.check(on, {}, code, form, message); }
    void decode(const cuda_stream& on, const layout& values, const Code& code, const coded_form& form, const std::byte* message) const
    {
        codes_.decode(on, values, dense_target<T>{kept()}, code, form, message);
    }
    void copy_indices(const cuda_stream& on, std::byte* to) const { copy(on, to, plain_.data() + value_bytes_); }
    void fetch_indices(const cuda_stream& on, const std::byte* from) const { copy(on, plain_.data() + value_bytes_, from); }

private:
    T* kept() const { return reinterpret_cast<T*>(plain_.data()); }
    void copy(const cuda_stream& on, std::byte* to, const std::byte* from) const
    {
        if (index_bytes() > 0) detail::check_cuda(cudaMemcpyAsync(to, from, index_bytes(), cudaMemcpyDeviceToDevice, on.stream()), "cudaMemcpyAsync");
    }

    code_engine<cuda_stream, T, Code> codes_;
    std::size_t value_bytes_;
    mutable device_buffer<std::byte> plain_; ///< decoding works in it, too
};

} // namespace gradcomp::exec
