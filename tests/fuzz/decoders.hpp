/// @file Every decoder of the library behind one interface: hostile bytes go in, and what must hold of any outcome is checked.
#pragma once

#include "fuzz/compressors.hpp"

#include <gradcomp/core/frame.hpp>

#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

namespace fuzzing {

/// What decoding must never do; thrown past every handler of gradcomp::error.
struct broken_promise : std::logic_error {
    using std::logic_error::logic_error;
};
inline void promise(bool holds, const char* what)
{
    if (!holds) throw broken_promise(what);
}

/// What a message says, element by element: only the elements that it names are visited, so large tensors cost nothing.
struct decoded {
    explicit decoded(std::size_t n) : value(n), times(n) {}
    void clear()
    {
        for (const std::size_t i : named) value[i] = 0, times[i] = 0;
        named.clear();
    }
    bool untouched() const { return named.empty(); }

    std::vector<double> value;
    std::vector<unsigned char> times; ///< how often an element was named
    std::vector<std::size_t> named;
};
struct decoded_target {
    decoded* to;
    template <class T> void operator()(std::size_t i, T v) const
    {
        promise(i < to->value.size(), "an element outside of the model was written");
        promise(to->times[i]++ == 0, "an element was written twice");
        to->value[i] = static_cast<double>(v);
        to->named.push_back(i);
    }
};

/// The sweep that makes a shared random choice: all gradients are 0.
template <class T> struct zero_rule : gc::rule_streams<T, T, 0, 0> {
    GRADCOMP_INLINE T value(T, const T*) const { return T(0); }
    GRADCOMP_INLINE void leave(T, const T*, T, T, T*) const {}
    GRADCOMP_INLINE void settle(std::size_t, T, T) const {} // no memory
    zero_rule again() const { return *this; }
};

/// One compressor's receiving side for one element type.
struct decoder {
    std::uint32_t number = 0;
    const char* name = "";
    std::uint16_t element = 0; ///< sizeof(T)
    const gc::tensor_list* list = nullptr;
    std::size_t bytes = 0;
    bool finite = false; ///< decodes_finite
    std::function<void(const std::byte*)> check;
    std::function<void(const std::byte*, decoded_target)> decode;

    /// How its golden file is framed.
    gc::frame_header frame() const { return {.element = element, .kind = number, .tensors = gc::hash_of(*list), .step = golden_step, .bytes = bytes}; }
    static constexpr std::uint32_t golden_step = 3;
};

template <class T, class C> decoder make_decoder(std::uint32_t number, const char* name, const C& compressor, const gc::tensor_list& list)
{
    static const gc::exec::cpu_team team;
    const auto numbers = list.numbers();
    const gc::coder_start start{&list, &numbers, 1, 0};
    auto coder = std::make_shared<decltype(compressor.template start<T>(team, start))>(compressor.template start<T>(team, start));
    std::size_t bytes = coder->bytes();
    if constexpr (C::shared_support) { // its coordinates are those that it drew last, its factors those of an earlier round
        const std::vector<T> zeros(list.total());
        std::vector<std::byte> message(coder->bytes());
        const auto rules = [&](const gc::segment& piece) {
            zero_rule<T> rule;
            rule.gradient = zeros.data() + piece.offset;
            return rule;
        };
        const gc::step_state<T> now{T(1), decoder::golden_step};
        [[maybe_unused]] auto tally = coder->encode(team, rules, now, message.data(), {});
        if constexpr (C::rounds > 1)
            for (int round = 1; round < C::rounds; ++round) {
                std::vector<T> sum(coder->elements(round - 1));
                for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = gc::exec::drawn_factor<T>({start.seed, decoder::golden_step, 0, gc::purpose::low_rank, 9}, i);
                coder->encode_next(team, rules, now, round, sum.data(), message.data(), {}, tally);
                bytes = coder->bytes(round);
            }
    }
    return {number, name, sizeof(T), &list, bytes, decodes_finite<C>, [coder](const std::byte* message) { coder->check(team, message); },
        [coder](const std::byte* message, decoded_target to) { coder->decode(team, message, to); }};
}

/// All of them, float and double.
inline const std::vector<decoder>& decoders()
{
    static const std::vector<decoder> all = [] {
        std::vector<decoder> list;
        const auto add = [&](std::uint32_t number, const char* name, const auto& compressor, const gc::tensor_list& model) {
            list.push_back(make_decoder<float>(number, name, compressor, model));
            list.push_back(make_decoder<double>(number, name, compressor, model));
        };
        each_sparsifier(add);
        each_quantizer(add);
        each_sparsifier_of_tiles(add);
        each_in_rounds(add);
        return list;
    }();
    return all;
}

/// Receives a message as an exchange does: check, then decode. @return whether it was accepted.
/// @throws broken_promise where a refused message changed something, or an accepted one says what it must not.
inline bool receive(const decoder& from, std::span<const std::byte> message, decoded& to)
{
    promise(message.size() == from.bytes && to.untouched(), "the test is wrong");
    try {
        from.check(message.data());
    } catch (const gc::error& e) {
        promise(e.code() == gc::error_code::bad_message && !e.field().empty(), "a message was refused without saying what is wrong");
        promise(to.untouched(), "a refused message changed its target");
        return false;
    }
    from.decode(message.data(), {&to});
    if (from.finite)
        for (const std::size_t i : to.named) promise(gc::magnitude(to.value[i]) != gc::key_of<double>::infinity, "a code decoded to Inf");
    return true;
}

/// The first byte of an input that chooses a decoder; like its number it is for ever.
inline std::uint8_t corpus_byte(const decoder& of) { return static_cast<std::uint8_t>(2 * of.number + (of.element == sizeof(double))); }

/// Which of decoders() a byte chooses; one that belongs to none chooses any.
inline std::size_t chosen_decoder(std::uint8_t byte)
{
    static const std::vector<std::size_t> place = [] {
        std::vector<std::size_t> all(256);
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = i % decoders().size();
        for (std::size_t i = 0; i < decoders().size(); ++i) all[corpus_byte(decoders()[i])] = i;
        return all;
    }();
    return place[byte];
}

/// The fuzz target: the first byte chooses a decoder, the others are its message, zeros where they are too few.
inline void decode_anything(std::span<const std::uint8_t> data)
{
    if (data.empty()) return;
    const std::size_t number = chosen_decoder(data[0]);
    const decoder& chosen = decoders()[number];
    static std::vector<decoded> targets = [] {
        std::vector<decoded> all;
        for (const decoder& one : decoders()) all.emplace_back(one.list->total());
        return all;
    }();
    decoded& to = targets[number];
    std::vector<std::byte> message(chosen.bytes); // exactly as long, so that a sanitizer sees what is read behind it
    if (const std::size_t n = std::min(chosen.bytes, data.size() - 1); n > 0) std::memcpy(message.data(), data.data() + 1, n);
    const std::vector<std::byte> before = message;
    receive(chosen, message, to);
    promise(message == before, "decoding changed the message");
    to.clear();
}

} // namespace fuzzing
