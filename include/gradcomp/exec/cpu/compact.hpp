/// @file Candidates of a selection: a chooser that lists, in index order, every element that may still win.
#pragma once

#include <gradcomp/exec/cpu/lanes.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace gradcomp::exec {

/// One piece of a selection, usually a tensor: `size` elements whose element i travels as index first + i.
struct segment {
    std::size_t size = 0;
    std::uint32_t first = 0;
};

namespace detail {

struct free_memory {
    void operator()(void* p) const { std::free(p); }
};
/// Memory for n trivial elements and a vector behind them, on a cache line; never touched here, so unused pages cost nothing.
template <class T> class raw_array {
public:
    explicit raw_array(std::size_t n = 0) : at_(static_cast<T*>(std::aligned_alloc(64, (n * sizeof(T) + 127) / 64 * 64)))
    {
        if (!at_) throw error(error_code::out_of_memory, "bytes", std::to_string(n * sizeof(T)), "the workspace of a selection does not fit");
    }
    T* data() const { return at_.get(); }

private:
    std::unique_ptr<T, free_memory> at_;
};

/// Appends to memory in whole cache lines. Kernels write vectors of entries at end() and then say how many of them count.
template <class T> class line_writer {
public:
    static constexpr std::size_t room = tile_size + 16; ///< entries that may be written at end()

    /// @param past_caches whether the memory is too large to be read again from a cache
    void start(T* to, bool past_caches)
    {
        to_ = to;
        fill_ = skip_ = reinterpret_cast<std::uintptr_t>(to) % 64 / sizeof(T);
        past_caches_ = past_caches;
    }
    GRADCOMP_INLINE T* end() { return stage_ + fill_; }
    GRADCOMP_INLINE void add(std::size_t entries)
    {
        fill_ += entries;
        if (fill_ >= tile_size) flush();
    }
    /// Writes what is left.
    void finish()
    {
        std::memcpy(to_, stage_ + skip_, (fill_ - skip_) * sizeof(T));
        to_ += fill_ - skip_;
        fill_ = skip_ = 0;
#if GRADCOMP_X86
        if (past_caches_) _mm_sfence();
#endif
    }

private:
    void flush()
    {
        if (past_caches_ && skip_ == 0) stream_tile(to_, stage_, tile_size);
        else std::memcpy(to_, stage_ + skip_, (tile_size - skip_) * sizeof(T));
        to_ += tile_size - skip_;
        std::memcpy(stage_, stage_ + tile_size, (fill_ - tile_size) * sizeof(T));
        fill_ -= tile_size;
        skip_ = 0;
    }

    alignas(64) T stage_[2 * tile_size + 16];
    T* to_ = nullptr;
    std::size_t fill_ = 0, skip_ = 0;
    bool past_caches_ = false;
};

} // namespace detail

/// What one member of the team lists: entries of 16-bit places, which count from the start of their run.
template <class T> class candidate_list {
public:
    struct run {
        std::uint32_t segment, element;
        std::size_t start; ///< its first entry
    };
    static constexpr std::size_t run_length = 65536;

    /// @param n elements and segments of the largest selection; @param capacity entries
    candidate_list(std::size_t n, std::size_t segments, std::size_t capacity)
        : capacity_(capacity), value_(capacity + 2 * tile_size), place_(capacity + 2 * tile_size), keys_(capacity + 2 * tile_size),
          runs_(n / run_length + 2 * segments + 2)
    {
    }

    /// Empties the list for a selection of k; `dense`: more than a few candidates in 100; `leaves`: the rule has a memory.
    void start(const bracket<T>& limits, std::size_t k, bool dense, bool leaves)
    {
        limits_ = limits;
        if (!leaves) limits_.high = bracket<T>::never;
        k_ = k;
        dense_ = dense;
        count_ = run_count_ = key_count_ = above_ = 0;
        low_ = limits.low;
        overflow_ = false;
        const bool past_caches = dense && k > (std::size_t{1} << 18);
        value_writer_.start(value_.data(), past_caches);
        place_writer_.start(place_.data(), past_caches);
    }
    /// The tiles that follow belong to this segment.
    void enter(std::size_t segment)
    {
        segment_ = static_cast<std::uint32_t>(segment);
        new_run_ = true;
    }
    void finish()
    {
        value_writer_.finish();
        place_writer_.finish();
        runs_.data()[run_count_] = {0, 0, count_};
    }

    /// Whether a tile whose largest magnitude this is has no candidate.
    GRADCOMP_INLINE bool skips(key_t<T> largest) const { return largest < low_; }

    /// Chooser: see sweep.hpp.
    template <isa Level> GRADCOMP_INLINE taken choose(std::size_t base, std::size_t count, const T* p, T* c)
    {
        if (new_run_ || base + count - run_base_ > run_length) {
            runs_.data()[run_count_++] = {segment_, static_cast<std::uint32_t>(base), count_};
            run_base_ = base;
            new_run_ = false;
        }
        if (count_ + count > capacity_) [[unlikely]] {
            overflow_ = true;
            return taken::none;
        }
        const auto first = static_cast<std::uint16_t>(base - run_base_);
        const detail::compacted found = limits_.high == bracket<T>::never ? compact<Level, false>(p, count, first, c) : compact<Level, true>(p, count, first, c);
        if (found.kept != 0) append<Level>(found.kept);
        return found.mixed ? taken::mixed : taken::none;
    }

    std::size_t size() const { return count_; }
    bool overflowed() const { return overflow_; }
    const T* values() const { return value_.data(); }
    const std::uint16_t* places() const { return place_.data(); }
    std::span<const run> runs() const { return {runs_.data(), run_count_}; }
    std::size_t run_end(std::size_t r) const { return runs_.data()[r + 1].start; }
    /// Magnitudes in [low, sure), in no useful order; empty and not counted where low + 1 == sure, for all of them are low.
    std::span<const key_t<T>> keys() const { return {keys_.data(), key_count_}; }
    std::size_t above() const { return above_; }                  ///< entries at or above sure
    std::size_t between() const { return count_ - above_; }       ///< entries in [low, sure)
    const bracket<T>& limits() const { return limits_; }

    /// Looks for the threshold among other entries: those in [low, sure) from now on.
    void narrow([[maybe_unused]] isa level, key_t<T> low, key_t<T> sure)
    {
        limits_.low = low;
        limits_.sure = sure;
        above_ = 0;
#if GRADCOMP_X86
        if (level == isa::avx512) key_count_ = detail::boundary_avx512<T>(value_.data(), count_, low, sure, keys_.data(), above_);
        else
#endif
            key_count_ = detail::boundary_portable<T>(value_.data(), count_, low, sure, keys_.data(), above_);
    }

private:
    template <isa Level, bool Leaves> GRADCOMP_INLINE detail::compacted compact(const T* p, std::size_t count, std::uint16_t first, T* c)
    {
        const key_t<T> high = limits_.high > low_ ? limits_.high : low_; // only what is listed may leave
        T* value = value_writer_.end();
        std::uint16_t* place = place_writer_.end();
#if GRADCOMP_X86
        if constexpr (Level == isa::avx512)
            return dense_ ? detail::compact_avx512<true, Leaves>(p, count, first, low_, high, value, place, c)
                          : detail::compact_avx512<false, Leaves>(p, count, first, low_, high, value, place, c);
        else if constexpr (Level == isa::avx2 && std::same_as<T, float>)
            return dense_ ? detail::compact_avx2<true, Leaves>(p, count, first, low_, high, value, place, c)
                          : detail::compact_avx2<false, Leaves>(p, count, first, low_, high, value, place, c);
        else
#endif
            return detail::compact_portable(p, count, first, low_, high, value, place, c);
    }

    template <isa Level> GRADCOMP_INLINE void append(std::uint32_t kept)
    {
        count_ += kept;
        if (count_ >= k_) [[unlikely]] low_ = limits_.low + 1; // k entries of lower index reach low: an equal one cannot win any more
        if (limits_.sure - limits_.low != 1) collect<Level>(kept);
        else above_ += above_sure(kept);
        value_writer_.add(kept);
        place_writer_.add(kept);
    }
    template <isa Level> GRADCOMP_INLINE void collect(std::uint32_t kept)
    {
        key_t<T>* to = keys_.data() + key_count_;
#if GRADCOMP_X86
        if constexpr (Level == isa::avx512)
            key_count_ += detail::boundary_avx512<T>(value_writer_.end(), kept, limits_.low, limits_.sure, to, above_);
        else
#endif
            key_count_ += detail::boundary_portable<T>(value_writer_.end(), kept, limits_.low, limits_.sure, to, above_);
    }
    GRADCOMP_INLINE std::size_t above_sure(std::uint32_t kept)
    {
        std::size_t n = 0;
        for (std::uint32_t i = 0; i < kept; ++i) n += magnitude(value_writer_.end()[i]) >= limits_.sure;
        return n;
    }

    std::size_t capacity_, k_ = 0, count_ = 0, run_count_ = 0, run_base_ = 0, key_count_ = 0, above_ = 0;
    detail::raw_array<T> value_;
    detail::raw_array<std::uint16_t> place_;
    detail::raw_array<key_t<T>> keys_;
    detail::raw_array<run> runs_;
    detail::line_writer<T> value_writer_;
    detail::line_writer<std::uint16_t> place_writer_;
    bracket<T> limits_;
    key_t<T> low_ = 0;
    std::uint32_t segment_ = 0;
    bool dense_ = false, overflow_ = false, new_run_ = false;
};

} // namespace gradcomp::exec
