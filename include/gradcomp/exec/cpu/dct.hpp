/// @file The largest cosine coefficients of each chunk on the CPU: chunk by chunk forwards, a choice, and back; the memory keeps what the chosen ones miss.
#pragma once

#include <gradcomp/core/dct.hpp>
#include <gradcomp/exec/cpu/chunks.hpp>

#include <map>

namespace gradcomp::exec {
namespace detail {

/// out[v] = sum over c of x[c] m[c][v] for `Width` neighbours v, c ascending; one fused multiply-add a term.
template <std::size_t Width, class T> GRADCOMP_INLINE void multiply_strip(const T* x, std::size_t inner, const T* m, std::size_t columns, T* out)
{
    T sum[Width];
    for (std::size_t v = 0; v < Width; ++v) sum[v] = T(0);
    for (std::size_t c = 0; c < inner; ++c) {
        const T factor = x[c]; // also where it is 0: a test would keep the sums out of the registers
        const T* const row = m + c * columns;
        for (std::size_t v = 0; v < Width; ++v) sum[v] = multiply_add(factor, row[v], sum[v]);
    }
    for (std::size_t v = 0; v < Width; ++v) out[v] = sum[v];
}
/// out = x m, x of rows x inner and m of inner x columns. `out` is neither x nor m.
template <class T> GRADCOMP_INLINE void multiply(const T* x, std::size_t rows, std::size_t inner, const T* m, std::size_t columns, T* out)
{
    for (std::size_t r = 0; r < rows; ++r) {
        std::size_t v = 0;
        for (; v + 64 <= columns; v += 64) multiply_strip<64>(x + r * inner, inner, m + v, columns, out + r * columns + v);
        for (; v + 16 <= columns; v += 16) multiply_strip<16>(x + r * inner, inner, m + v, columns, out + r * columns + v);
        for (; v < columns; ++v) multiply_strip<1>(x + r * inner, inner, m + v, columns, out + r * columns + v);
    }
}

/// The transform of n numbers, and back.
template <class T> struct dct_pair {
    std::vector<T> forward, back; ///< back is forward transposed
    explicit dct_pair(std::size_t n) : forward(dct_matrix<T>(n)), back(n * n)
    {
        for (std::size_t u = 0; u < n; ++u)
            for (std::size_t j = 0; j < n; ++j) back[j * n + u] = forward[u * n + j];
    }
};

/// One member's chunk.
template <class T> struct dct_space : chunk_space<T> {
    host_buffer<T> p, half, chosen, back;
    host_buffer<T> weights{64 * 64};  ///< of a matrix of sides
    host_buffer<std::uint32_t> count; ///< ranks that sent a coefficient
    explicit dct_space(std::size_t area) : chunk_space<T>(area), p(area), half(area), chosen(area), back(area), count(area) {}
};

/// A tensor's form, with the transforms of its chunks' sides.
template <class T> struct dct_plan {
    dct_form form;
    const dct_pair<T> *down, *across;

    /// `value` of the space = coefficients of `p`, cut; `key` their ranks. Where p holds NaN or Inf all of them are NaN.
    GRADCOMP_INLINE void transform(dct_space<T>& space) const
    {
        const std::size_t n = form.area();
        T *const p = space.p.data(), *const value = space.value.data(), *const half = space.half.data();
        const T largest = largest_of(p, n);
        if (is_finite(largest)) {
            const auto scale = dct_scale<T>::of(largest);
            for (std::size_t i = 0; i < n; ++i) value[i] = p[i] * scale.down;
            multiply(value, form.height, form.width, across->back.data(), form.width, half);
            multiply(down->forward.data(), form.height, form.height, half, form.width, value);
            for (std::size_t i = 0; i < n; ++i) value[i] = scale.coefficient(value[i]);
        } else {
            std::fill_n(value, n, not_a_number<T>());
        }
        space.rank_all(n);
    }
    /// `back` of the space = what the coefficients `chosen` say. Rows of zeros, which most are, take no part.
    GRADCOMP_INLINE void transform_back(dct_space<T>& space) const
    {
        const T* const chosen = space.chosen.data();
        std::size_t used = 0, row[64];
        for (std::size_t u = 0; u < form.height; ++u)
            if (std::any_of(chosen + u * form.width, chosen + (u + 1) * form.width, [](T z) { return !(z == T(0)); })) row[used++] = u;
        T* const weights = space.weights.data(); // of height x used
        for (std::size_t j = 0; j < used; ++j) {
            multiply(chosen + row[j] * form.width, 1, form.width, across->forward.data(), form.width, space.half.data() + j * form.width);
            for (std::size_t r = 0; r < form.height; ++r) weights[r * used + j] = down->back[r * form.height + row[j]];
        }
        multiply(weights, form.height, used, space.half.data(), form.width, space.back.data());
    }
};

/// The chunks [from, to) of a tensor that has been swept, from the memory to the message.
template <class T, class Rule> struct dct_body {
    Rule rule;
    const dct_plan<T>* plan;
    std::size_t from, to;
    non_finite policy;
    dct_space<T>* space;
    T* message;
    std::uint16_t* place;

    template <isa> GRADCOMP_INLINE void run() const
    {
        const dct_form& form = plan->form;
        const std::size_t n = form.area();
        const auto again = rule.again();
        T *const p = space->p.data(), *const chosen = space->chosen.data();
        for (std::size_t c = from; c < to; ++c) {
            const std::size_t first = form.first(c), at = c * form.kept;
            for (std::size_t r = 0; r < form.height; ++r) read_left(again, first + r * form.columns, form.width, p + r * form.width, policy);
            plan->transform(*space);
            std::fill_n(chosen, n, T(0));
            largest_of_chunk<T>{*space, n, form.kept}.write(message + at, place + at, [chosen](std::size_t i, T z) __attribute__((always_inline)) { chosen[i] = z; });
            if constexpr (settles<Rule>) {
                plan->transform_back(*space);
                for (std::size_t r = 0; r < form.height; ++r)
                    for (std::size_t v = 0; v < form.width; ++v) rule.settle(first + r * form.columns + v, p[r * form.width + v], space->back.data()[r * form.width + v]);
            }
        }
    }
};

/// The chunks [from, to) of a tensor, from the ranks' messages to a target.
template <class T, class Target> struct dct_back_body {
    Target target;
    const dct_plan<T>* plan;
    std::size_t from, to, offset; ///< of the tensor's first element
    dct_space<T>* space;
    gathered_messages all;
    std::size_t value_at, place_at; ///< where the tensor's values and places begin, in bytes
    bool by_contributors;

    template <isa> GRADCOMP_INLINE void run() const
    {
        const dct_form& form = plan->form;
        const std::size_t n = form.area();
        T* const chosen = space->chosen.data();
        std::uint32_t* const count = space->count.data();
        for (std::size_t c = from; c < to; ++c) {
            std::fill_n(chosen, n, T(0));
            std::fill_n(count, n, 0u);
            for (std::size_t rank = 0; rank < all.count; ++rank) {
                const T* const value = reinterpret_cast<const T*>(all.at(rank) + value_at) + c * form.kept;
                const auto* const place = reinterpret_cast<const std::uint16_t*>(all.at(rank) + place_at) + c * form.kept;
                for (std::size_t j = 0; j < form.kept; ++j) chosen[place[j]] += value[j], ++count[place[j]];
            }
            if (by_contributors)
                for (std::size_t i = 0; i < n; ++i)
                    if (count[i] > 1) chosen[i] /= static_cast<T>(count[i]);
            plan->transform_back(*space);
            for (std::size_t r = 0; r < form.height; ++r)
                for (std::size_t v = 0; v < form.width; ++v) target(offset + form.first(c) + r * form.columns + v, space->back.data()[r * form.width + v]);
        }
    }
};

} // namespace detail

/// Memory: the matrices of the sides that occur, and nine chunks a thread and one of 64 x 64. Members take whole rows of chunks.
template <class T> class dct_engine<cpu_team, T> {
public:
    dct_engine(const cpu_team& team, const layout&, const std::vector<dct_form>& forms, bool by_contributors) : by_contributors_(by_contributors)
    {
        std::size_t largest = 0, values = 0, places = 0;
        const auto pair_of = [this](std::size_t n) { return &pairs_.try_emplace(n, n).first->second; };
        for (const dct_form& form : forms) {
            tensors_.push_back({{form, pair_of(form.height), pair_of(form.width)}, values * sizeof(T), places});
            values += form.chunks().total();
            places += form.chunks().index_bytes();
            largest = std::max(largest, form.area());
        }
        for (part& tensor : tensors_) tensor.place_at += values * sizeof(T);
        bytes_ = values * sizeof(T) + places;
        for (std::size_t t = 0; t < team.threads(); ++t) spaces_.emplace_back(largest);
    }
    std::size_t bytes() const { return bytes_; }

    template <class Rules> sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, std::byte* message, const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t n = 0; n < tensors_.size(); ++n) {
            const part& tensor = tensors_[n];
            const auto rule = rules(where.segments[n]);
            using rule_type = std::remove_const_t<decltype(rule)>;
            tally += sweep(team, rule, where.segments[n].size, send_none{}, {options.bad_elements});
            auto* const place = reinterpret_cast<std::uint16_t*>(message + tensor.place_at);
            each_member(team, tensor.plan.form, [&](std::size_t t, std::size_t from, std::size_t to) {
                at_level(team.level(), detail::dct_body<T, rule_type>{rule, &tensor.plan, from, to, options.bad_elements, &spaces_[t], reinterpret_cast<T*>(message + tensor.value_at), place});
            });
            if (const std::size_t total = tensor.plan.form.chunks().total(); total % 2 == 1) place[total] = 0;
        }
        return tally;
    }
    /// @throws error bad_message for places that are outside their chunk or not ascending.
    void check(const cpu_team&, const std::byte* message) const
    {
        for (const part& tensor : tensors_) check_places(tensor.plan.form.chunks(), reinterpret_cast<const std::uint16_t*>(message + tensor.place_at), tensor.value_at / sizeof(T));
    }
    /// The sum of all messages, or the mean over those that hold a coefficient, transformed back.
    template <class Target> void decode_all(const cpu_team& team, const layout& where, const Target& target, const gathered_messages& all) const
    {
        for (std::size_t n = 0; n < tensors_.size() && all.count > 0; ++n) {
            const part& tensor = tensors_[n];
            each_member(team, tensor.plan.form, [&](std::size_t t, std::size_t from, std::size_t to) {
                at_level(team.level(), detail::dct_back_body<T, Target>{target, &tensor.plan, from, to, where.segments[n].offset, &spaces_[t], all, tensor.value_at, tensor.place_at, by_contributors_});
            });
        }
    }

private:
    struct part {
        detail::dct_plan<T> plan;
        std::size_t value_at, place_at; ///< in bytes of the message
    };
    /// f(member, first chunk, behind its last one) for all chunks of a tensor.
    template <class F> static void each_member(const cpu_team& team, const dct_form& form, const F& f)
    {
        const std::size_t chunks = form.chunks().chunks(), members = std::max<std::size_t>(1, std::min(team.members_for(form.rows * form.columns), chunks));
        team.run(members, [&](std::size_t t) { f(t, chunks * t / members, chunks * (t + 1) / members); });
    }

    std::map<std::size_t, detail::dct_pair<T>> pairs_;
    std::vector<part> tensors_;
    mutable std::vector<detail::dct_space<T>> spaces_;
    std::size_t bytes_ = 0;
    bool by_contributors_;
};

} // namespace gradcomp::exec
