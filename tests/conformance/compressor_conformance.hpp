/// @file What every compressor promises, as one suite: conformance::compressor(policy) runs all of it for float and double.
#pragma once

#include "coding.hpp"
#include "inputs.hpp"

#include <gradcomp/theory/measured.hpp>

#include <doctest/doctest.h>

namespace conformance {

/// Whether c_i is p_i or 0, so that c + e' == p exactly.
template <class C> inline constexpr bool sends_whole_elements = !gc::quantizer<C>;
template <> inline constexpr bool sends_whole_elements<gc::delta_scaling> = false;
template <> inline constexpr bool sends_whole_elements<gc::sign<>> = false;
template <gc::coefficient_mean M> inline constexpr bool sends_whole_elements<gc::dct_top_k<M>> = false;
template <> inline constexpr bool sends_whole_elements<gc::low_rank> = false;
template <class S, class Q> inline constexpr bool sends_whole_elements<gc::chain<S, Q>> = false;
template <gc::indices I> inline constexpr bool sends_whole_elements<gc::rand_k<I, gc::scaling::unbiased>> = false;

/// Whether e' = p - c in one rounding. Where a sparsifier multiplies before the quantizer, e' = (p - y) + (y - c).
template <class C> inline constexpr bool leaves_in_one_rounding = true;
template <class S, class Q> inline constexpr bool leaves_in_one_rounding<gc::chain<S, Q>> = !S::unbiased;

/// Whether the operator's class is attained at x = (1, ..., 1).
template <class C> inline constexpr bool tight_at_ones = !gc::quantizer<C>;
template <class... Cases> inline constexpr bool tight_at_ones<gc::by_tensor<Cases...>> = false;
template <> inline constexpr bool tight_at_ones<gc::threshold<gc::limit_unit::norm>> = false; // with room: all of them reach their mean
template <> inline constexpr bool tight_at_ones<gc::threshold<gc::limit_unit::maximum>> = false;
template <> inline constexpr bool tight_at_ones<gc::sign<>> = false;
template <gc::coefficient_mean M> inline constexpr bool tight_at_ones<gc::dct_top_k<M>> = false; // one coefficient says it all
template <class S, class Q> inline constexpr bool tight_at_ones<gc::chain<S, Q>> = false;

/// Whether a rank rounds at random by itself, also where the coordinates are the same on all of them.
template <class C> inline constexpr bool rounds_by_itself = false;
template <class S, class Q> inline constexpr bool rounds_by_itself<gc::chain<S, Q>> = decltype(std::declval<const Q&>().template code<float>())::stochastic;

/// Whether some outcomes are so rare that repeated draws of an input with magnitudes over many decades never see them: an element far below
/// its bucket's scale is rounded up once in a million draws.
template <class C> inline constexpr bool has_rare_outcomes = gc::quantizer<C> && C::unbiased;
template <class S, class Q> inline constexpr bool has_rare_outcomes<gc::chain<S, Q>> = gc::chain<S, Q>::unbiased;

/// Whether what stays is p - c, bit for bit or, where two roundings lead to it, nearly.
template <class C, class T> bool is_left(const std::vector<T>& left, const std::vector<T>& p, const std::vector<T>& c)
{
    std::vector<T> expected(p.size());
    bool near = true;
    for (std::size_t i = 0; i < p.size(); ++i) {
        expected[i] = p[i] - c[i];
        const T close = 8 * std::numeric_limits<T>::epsilon() * (16 * std::abs(p[i]) + std::abs(c[i]));
        near &= !gc::is_finite(expected[i]) || std::abs(left[i] - expected[i]) <= close;
    }
    return leaves_in_one_rounding<C> ? first_difference(left, expected) == nowhere : near;
}

/// Lists with the shapes that go wrong first: empty tensors at either end, single elements, sizes beside tiles and words.
inline std::vector<gc::tensor_list> awkward_lists()
{
    return {gc::tensor_list{}, gc::tensor_list{{"empty", {0, 7}}}, gc::tensor_list{{"scalar", {}}},
        gc::tensor_list{{"no", {0}}, {"w", {13, 19}}, {"b", {13}}, {"none", {5, 0}}, {"s", {}}, {"v", {3, 257}}, {"end", {0}}},
        gc::tensor_list{{"a", {63}}, {"b", {1}}, {"c", {1, 1}}, {"d", {255, 2}}, {"e", {2}}, {"f", {16, 16}}}};
}

/// One encoding against everything that holds for all compressors: nothing around the message is written, all of it is, each element is
/// named at most once, a dense vector says the same, e' = p - c in one rounding, c = p where it is sent whole, and the same step gives the same bits.
template <class T, class C> void encoding_is_sound(const C& compressor, const gc::tensor_list& list, pattern of, std::uint32_t step)
{
    CAPTURE(list.total());
    CAPTURE(static_cast<int>(of));
    const auto gradient = input<T>(of, list.total(), 3), owed = input<T>(of, list.total(), 4);
    coding<T, C> one(compressor, list), other(compressor, list);
    const auto first = one.encode(gradient, owed, step, 0x00);
    const auto again = other.encode(gradient, owed, step, 0xff);
    REQUIRE(first.guards_intact);
    REQUIRE(again.guards_intact);
    REQUIRE(first.message == again.message); // also: no byte of the message kept what the buffer held
    REQUIRE(first_difference(first.left, again.left) == nowhere);
    CHECK(first.tally.bad == 0);
    one.check(first.message);
    if (C::additive) CHECK(one.bytes() == one.elements() * sizeof(T));

    const auto p = expected_p<T>(gradient, owed);
    const auto c = one.decode(first.message);
    std::vector<T> whole = p;
    bool once = true;
    for (std::size_t i = 0; i < p.size(); ++i) {
        once &= c.touched[i] <= 1;
        if (c.touched[i]) whole[i] = c.value[i];
    }
    REQUIRE(once);
    REQUIRE(first_difference(one.decode_dense(first.message), c.value) == nowhere);
    REQUIRE(is_left<C>(first.left, p, c.value));
    if (!sends_whole_elements<C>) return;
    REQUIRE(first_difference(whole, p) == nowhere);
    std::size_t lost = 0;
    for (std::size_t i = 0; i < p.size(); ++i) lost += !(c.value[i] + first.left[i] == p[i]);
    REQUIRE(lost == 0);
}

template <class T, class C> void encodings_are_sound(const C& compressor)
{
    for (std::size_t n = 0; n <= 1025; ++n) encoding_is_sound<T>(compressor, one_tensor(n), all_patterns[n % std::size(all_patterns)], static_cast<std::uint32_t>(n));
    for (const pattern of : extreme_patterns) {
        for (const std::size_t n : {1u, 64u, 257u, 1024u, 4097u}) encoding_is_sound<T>(compressor, one_tensor(n), of, 2);
        for (const auto& list : awkward_lists()) encoding_is_sound<T>(compressor, list, of, 1);
    }
    for (const pattern of : all_patterns) {
        for (const std::size_t n : {1u, 2u, 7u, 63u, 64u, 65u, 255u, 256u, 257u, 511u, 513u, 1023u, 1024u, 4095u, 4096u, 4097u, 8191u})
            encoding_is_sound<T>(compressor, one_tensor(n), of, 2);
        for (const auto& list : awkward_lists())
            for (const std::uint32_t step : {0u, 1u, 77u}) encoding_is_sound<T>(compressor, list, of, step);
    }
}

/// NaN and Inf: counted and treated as a gradient of 0 unless they propagate; then the message and the memory carry them.
template <class T, class C> void bad_elements_are_handled(const C& compressor)
{
    using gc::exec::non_finite;
    for (const std::size_t n : {1u, 3u, 255u, 256u, 1000u, 5000u})
        for (const std::size_t stride : {1u, 5u, 97u})
            for (const non_finite policy : {non_finite::reject, non_finite::zero_and_count, non_finite::propagate}) {
                CAPTURE(n);
                CAPTURE(stride);
                CAPTURE(static_cast<int>(policy));
                const gc::tensor_list list{{"m", {n, 1}}, {"v", {n}}};
                auto gradient = input<T>(pattern::uniform, list.total(), 8);
                const auto owed = input<T>(pattern::heavy, list.total(), 9);
                const std::size_t bad = spoil(gradient, stride);
                coding<T, C> run(compressor, list);
                const auto out = run.encode(gradient, owed, 5, 0x00, policy);
                REQUIRE(out.guards_intact);
                CHECK(out.tally.bad == (policy == non_finite::propagate ? 0 : bad));
                run.check(out.message);
                const auto p = expected_p<T>(gradient, owed, policy);
                const auto c = run.decode(out.message);
                bool finite = true;
                for (std::size_t i = 0; i < p.size(); ++i) {
                    finite &= gc::is_finite(out.left[i]) && gc::is_finite(c.value[i]);
                    if (sends_whole_elements<C> && c.touched[i]) REQUIRE(same_bits(c.value[i], p[i]));
                }
                REQUIRE(is_left<C>(out.left, p, c.value));
                if (policy != non_finite::propagate) CHECK(finite);
            }
}

/// The list on which ranks and threads are compared: large enough that seven threads share it, cut at places that no tile likes.
inline gc::tensor_list shared_list() { return gc::tensor_list{{"w", {501, 499}}, {"b", {499}}, {"no", {0}}, {"v", {70001}}, {"m", {3, 11000}}}; }

/// The same message and memory for any number of threads and every instruction set.
template <class T, class C> void bits_do_not_depend_on_the_machine(const C& compressor)
{
    const auto list = shared_list();
    for (const pattern of : {pattern::heavy, pattern::ties, pattern::sparse}) {
        const auto owed = input<T>(of, list.total(), 21);
        auto gradient = input<T>(of, list.total(), 22);
        if (of == pattern::heavy) spoil(gradient, 9973);
        coding<T, C> alone(compressor, list);
        const auto expected = alone.encode(gradient, owed, 9);
        const auto seen = alone.decode(expected.message);
        for (const auto level : supported_isas())
            for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
                const forced_isa forced(level);
                coding<T, C> run(compressor, list, {.threads = threads});
                const auto out = run.encode(gradient, owed, 9);
                CAPTURE(gc::exec::name_of(level));
                CAPTURE(threads);
                CHECK(out.guards_intact);
                REQUIRE(out.message == expected.message);
                REQUIRE(first_difference(out.left, expected.left) == nowhere);
                const auto c = run.decode(out.message);
                CHECK(c.touched == seen.touched);
                CHECK(first_difference(c.value, seen.value) == nowhere);
                CHECK(first_difference(run.decode_dense(out.message), seen.value) == nowhere);
            }
    }
}

/// Ranks: shared choices come from the seed and the step alone, and messages that add do.
template <class T, class C> void ranks_agree_where_promised(const C& compressor)
{
    const auto list = awkward_lists()[3];
    std::vector<std::vector<T>> gradients;
    std::vector<encoded<T>> sent;
    std::vector<decoded<T>> seen;
    const std::vector<T> owed(list.total());
    for (std::uint32_t rank = 0; rank < 3; ++rank) {
        gradients.push_back(input<T>(pattern::integers, list.total(), 40 + rank));
        coding<T, C> run(compressor, list, {.rank = rank});
        sent.push_back(run.encode(gradients[rank], owed, 6));
        seen.push_back(run.decode(sent[rank].message));
    }
    if (C::shared_support)
        for (std::uint32_t rank = 1; rank < 3; ++rank) {
            CHECK(seen[rank].touched == seen[0].touched);
            if (!rounds_by_itself<C>) CHECK((coding<T, C>(compressor, list, {.rank = rank}).encode(gradients[0], owed, 6).message == sent[0].message));
        }
    if constexpr (C::additive && C::rounds == 1) { // later rounds belong to the sum of the earlier ones, which a rank alone has not
        std::vector<std::byte> sum = sent[0].message;
        std::vector<T> a(sum.size() / sizeof(T)), b(a.size());
        if (!sum.empty()) std::memcpy(a.data(), sum.data(), sum.size());
        for (std::uint32_t rank = 1; rank < 3; ++rank) {
            if (!sum.empty()) std::memcpy(b.data(), sent[rank].message.data(), sum.size());
            for (std::size_t j = 0; j < a.size(); ++j) a[j] += b[j];
        }
        if (!sum.empty()) std::memcpy(sum.data(), a.data(), sum.size());
        std::vector<T> all(list.total()), total(list.total());
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i] = seen[0].value[i] + seen[1].value[i] + seen[2].value[i];
            total[i] = gradients[0][i] + gradients[1][i] + gradients[2][i];
        }
        coding<T, C> run(compressor, list);
        const auto of_total = run.encode(total, owed, 6);
        const auto together = run.decode(sum).value, once = run.decode(of_total.message).value;
        std::size_t apart = 0, nonlinear = 0;
        for (std::size_t i = 0; i < all.size(); ++i) {
            apart += !(together[i] == all[i]);
            nonlinear += sends_whole_elements<C> && !(together[i] == once[i]);
        }
        CHECK(apart == 0);
        CHECK(nonlinear == 0);
    }
}

/// The operator classes that the policy states, against repeated draws.
template <class T, class C> void classes_hold(const C& compressor)
{
    for (const std::size_t n : {5u, 37u, 96u}) {
        const gc::tensor_list list{{"m", {n, 1}}, {"v", {3}}};
        const gc::theory::membership stated = gc::stack::classes_over(compressor, list);
        if (C::unbiased) CHECK(stated.u.has_value());
        if (C::contractive) CHECK(stated.b3.has_value());
        coding<T, C> run(compressor, list);
        const std::vector<T> owed(list.total());
        const auto operate = [&](std::span<const T> x, std::span<T> out, std::uint64_t draw) {
            const auto c = run.decode(run.encode(x, owed, static_cast<std::uint32_t>(draw)).message);
            // A level such as low + q step differs from x by the rounding of T, relative to the bucket: no bias of the operator.
            T noise = 0;
            for (std::size_t i = 0; i < out.size() && gc::quantizer<C>; ++i) noise = std::max(noise, 8 * std::numeric_limits<T>::epsilon() * std::abs(x[i]));
            for (std::size_t i = 0; i < out.size(); ++i) {
                out[i] = c.value[i] / static_cast<T>(sweep_scale);
                if (std::abs(out[i] - x[i]) <= noise) out[i] = x[i];
            }
        };
        std::vector<std::vector<T>> inputs{std::vector<T>(list.total(), T(1)), input<T>(pattern::one_hot, list.total(), 5), input<T>(pattern::uniform, list.total(), 7)};
        if (!has_rare_outcomes<C>) inputs.push_back(input<T>(pattern::heavy, list.total(), 6));
        for (const auto& x : inputs) {
            CAPTURE(n);
            const auto seen = gc::theory::measure<T>(operate, x, 3000);
            CHECK(gc::theory::compatible(stated, seen, 1e-5));
            if (tight_at_ones<C> && stated.b3 && &x == &inputs[0] && n > 90) {
                CAPTURE(seen.error.mean);
                CHECK(seen.error.upper() >= 0.75 * gc::theory::contraction(*stated.b3) - 1e-5);
            }
        }
    }
}

/// A sparsifier's class holds for all magnitudes: what it does to x it does to x times a power of two.
template <class T, class C> void classes_hold_at_extremes(const C& compressor)
{
    if (!sends_whole_elements<C>) return;
    const gc::tensor_list list{{"m", {96, 1}}, {"v", {3}}};
    const gc::theory::membership stated = gc::stack::classes_over(compressor, list);
    coding<T, C> run(compressor, list);
    const std::vector<T> owed(list.total());
    for (const T factor : {extreme_factor<T>, T(1) / extreme_factor<T>}) {
        CAPTURE(factor);
        const auto operate = [&](std::span<const T> x, std::span<T> out, std::uint64_t draw) {
            std::vector<T> there(x.begin(), x.end());
            for (T& v : there) v *= factor;
            const auto c = run.decode(run.encode(there, owed, static_cast<std::uint32_t>(draw)).message);
            for (std::size_t i = 0; i < out.size(); ++i) out[i] = c.value[i] / (static_cast<T>(sweep_scale) * factor);
        };
        for (const pattern of : {pattern::one_hot, pattern::uniform, pattern::heavy}) CHECK(gc::theory::compatible(stated, gc::theory::measure<T>(operate, input<T>(of, list.total(), 6), 500), 1e-5));
    }
}

/// All of it, for one element type.
template <class T, class C> void compressor_of(const C& compressor)
{
    compressor.check();
    encodings_are_sound<T>(compressor);
    bad_elements_are_handled<T>(compressor);
    bits_do_not_depend_on_the_machine<T>(compressor);
    ranks_agree_where_promised<T>(compressor);
    classes_hold<T>(compressor);
    classes_hold_at_extremes<T>(compressor);
}

/// The suite for one policy.
template <gc::compressor C> void compressor(const C& policy)
{
    SUBCASE("float") { compressor_of<float>(policy); }
    SUBCASE("double") { compressor_of<double>(policy); }
}

} // namespace conformance
