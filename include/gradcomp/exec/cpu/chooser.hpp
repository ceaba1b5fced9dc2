/// @file What a sweep asks of whoever decides what the message takes, and the choosers that need no look: nothing, all, a share of all.
#pragma once

#include <gradcomp/exec/cpu/tile.hpp>

#include <concepts>

namespace gradcomp::exec {

/// Decides what the message takes. A chooser is copied into every member of the team by part(); the member's copy is asked tile by tile,
/// in index order, and given back by finish(). It reads p[0 .. count), which is element base and those behind it, and must fill c only
/// when it answers taken::some. It may have share(), a function object c = f(p), and fills no c then; and skips(m): whether a tile whose
/// largest magnitude is m is taken::none without a look. Two more ways keep p in registers:
/// - foresee(n, n): what it knows of a tile before p is there;
/// - with AVX-512, open(n, n), then list_avx512(n, p) for each chunk, in order, then close(): open() says whether it wants the tile so.
template <class C, class T>
concept chooser = requires(C choose, C part, std::size_t n, const T* p, T* c) {
    { choose.part(n, n, n) } -> std::same_as<C>;
    { part.template choose<isa::scalar>(n, n, p, c) } -> std::same_as<taken>;
    choose.finish(n, part);
};

/// Base of choosers that need nothing per member.
template <class Derived> struct stateless_chooser {
    void finish(std::size_t, const Derived&) const {}
};

/// What a chooser knows of a tile before it sees p. Everything of it, that is element i, goes to payload[i].
struct foresight {
    enum { unknown, nothing, everything } how = unknown;
    void* payload = nullptr;
};

/// Sends nothing: everything stays behind.
struct send_none : stateless_chooser<send_none> {
    send_none part(std::size_t, std::size_t, std::size_t) const { return *this; }
    GRADCOMP_INLINE foresight foresee(std::size_t, std::size_t) const { return {.how = foresight::nothing}; }
    template <isa, class T> GRADCOMP_INLINE taken choose(std::size_t, std::size_t, const T*, T*) const { return taken::none; }
};

/// Sends every element; `payload[i]` is element i.
template <class T> struct send_all : stateless_chooser<send_all<T>> {
    T* payload = nullptr;
    send_all part(std::size_t, std::size_t, std::size_t) const { return *this; }
    GRADCOMP_INLINE foresight foresee(std::size_t base, std::size_t) const { return {.how = foresight::everything, .payload = payload + base}; }
    template <isa> GRADCOMP_INLINE taken choose(std::size_t base, std::size_t count, const T* p, T* c) const
    {
        for (std::size_t i = 0; i < count; ++i) payload[base + i] = c[i] = p[i];
        return taken::some;
    }
};

/// Sends factor * p of every element.
template <class T> struct send_scaled : stateless_chooser<send_scaled<T>> {
    T* payload = nullptr;
    T factor = 1;
    send_scaled part(std::size_t, std::size_t, std::size_t) const { return *this; }
    template <isa> GRADCOMP_INLINE taken choose(std::size_t base, std::size_t count, const T* p, T* c) const
    {
        for (std::size_t i = 0; i < count; ++i) payload[base + i] = c[i] = factor * p[i];
        return taken::some;
    }
};
static_assert(chooser<send_none, float> && chooser<send_all<double>, double> && chooser<send_scaled<float>, float>);

} // namespace gradcomp::exec
