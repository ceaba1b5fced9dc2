/// @file Candidates of a selection: a chooser that lists, in index order, every element that may still win.
#pragma once

#include <gradcomp/exec/cpu/buffer.hpp>
#include <gradcomp/exec/cpu/lanes.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>

#include <cstring>
#include <memory>
#include <span>

namespace gradcomp::exec {

/// One piece of a selection, usually a tensor: `size` elements whose element i travels as index first + i.
struct segment {
    std::size_t size = 0;
    std::size_t first = 0;
};

namespace detail {

/// Memory for n trivial elements and a vector behind them, on a cache line; never touched here, so unused pages cost nothing.
template <class T> class raw_array {
public:
    explicit raw_array(std::size_t n = 0) : at_(static_cast<T*>(take_memory(n * sizeof(T) + 64)))
    {
        if (!at_) throw error(error_code::out_of_memory, "bytes", std::to_string(n * sizeof(T)), "the workspace of a selection does not fit");
    }
    T* data() const { return at_.get(); }

private:
    std::unique_ptr<T, free_memory> at_;
};

/// Appends to memory in whole cache lines, from any multiple of 4 bytes on. Kernels write vectors of entries at end() and then say how many of them count.
template <class T> class line_writer {
public:
    static constexpr std::size_t room = tile_size + 16; ///< entries that may be written at end()

    /// @param past_caches whether the memory is too large to be read again from a cache
    void start(isa level, std::byte* to, bool past_caches)
    {
        const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(to);
        level_ = level;
        to_ = to;
        fill_ = skip_ = address % 64 / sizeof(T);
        past_caches_ = past_caches && address % sizeof(T) == 0;
    }
    GRADCOMP_INLINE T* end() { return stage_ + fill_; }
    /// The last `entries` written at end() count from now on. @pre entries <= tile_size
    void add(std::size_t entries)
    {
        fill_ += entries;
        if (fill_ >= tile_size) flush();
    }
    /// Writes what is left.
    void finish()
    {
        std::memcpy(to_, stage_ + skip_, (fill_ - skip_) * sizeof(T));
        to_ += (fill_ - skip_) * sizeof(T);
        fill_ = skip_ = 0;
#if GRADCOMP_X86
        if (past_caches_) _mm_sfence();
#endif
    }

private:
    void flush()
    {
        if (past_caches_ && skip_ == 0) stream_copy(level_, to_, stage_, tile_size * sizeof(T));
        else std::memcpy(to_, stage_ + skip_, (tile_size - skip_) * sizeof(T));
        to_ += (tile_size - skip_) * sizeof(T);
        std::memcpy(stage_, stage_ + tile_size, (fill_ - tile_size) * sizeof(T));
        fill_ -= tile_size;
        skip_ = 0;
    }

    alignas(64) T stage_[2 * tile_size + 16];
    std::byte* to_ = nullptr;
    std::size_t fill_ = 0, skip_ = 0;
    isa level_ = isa::scalar;
    bool past_caches_ = false;
};

} // namespace detail

/// What one member of the team lists: entries of 16-bit places, which count from the start of their run.
template <class T> class candidate_list {
public:
    struct run {
        std::size_t segment, element;
        std::size_t start; ///< its first entry
    };
    static constexpr std::size_t run_length = 65536;

    /// @param n elements and segments of the largest selection; @param capacity entries
    candidate_list(std::size_t n, std::size_t segments, std::size_t capacity)
        : capacity_(capacity), value_(capacity + 2 * tile_size), place_(capacity + 2 * tile_size), keys_(capacity + 2 * tile_size),
          runs_(n / run_length + 2 * segments + 2)
    {
    }

    /// Empties the list for a selection of k of n elements; `leaves`: the rule has a memory.
    void start(isa level, const bracket<T>& limits, std::size_t n, std::size_t k, bool leaves)
    {
        level_ = level;
        limits_ = limits;
        if (limits_.low > key_of<T>::nan) limits_.low = bracket<T>::never; // a pass compares magnitudes, and of NaN these are not their keys
        if (limits_.high > key_of<T>::nan) limits_.high = bracket<T>::never;
        if (!leaves) limits_.high = bracket<T>::never;
        k_ = k;
        sparse_ = k * 4 < n / chunk_size<T>;
        staged_ = stored_ = run_count_ = key_count_ = above_ = 0;
        low_ = limits_.low;
        high_ = std::max(limits_.high, low_);
        overflow_ = false;
        past_caches_ = k > (std::size_t{1} << 18);
    }
    /// The tiles that follow belong to this segment.
    void enter(std::size_t segment)
    {
        segment_ = segment;
        new_run_ = true;
    }
    void finish()
    {
        keep(staged_);
        staged_ = 0;
        runs_.data()[run_count_] = {0, 0, stored_};
#if GRADCOMP_X86
        _mm_sfence();
#endif
    }

    /// What the memory lets go at once: what reaches `high`.
    struct leaving {
        bits_t<T> high;
        GRADCOMP_INLINE T operator()(T p) const
        {
            return magnitude(p) >= high ? p : T(0);
        }
    };

    // The chooser's functions: see sweep.hpp. choose() is not inlined: the sweep's own loop is much faster with all registers its own.
    GRADCOMP_INLINE bool skips(bits_t<T> largest) const { return largest < low_; }
    GRADCOMP_INLINE leaving share() const { return {high_}; }
    template <isa Level> [[gnu::noinline]] taken choose(std::size_t base, std::size_t count, const T* p, T*)
    {
        const std::size_t listed = arrive(base, count);
        const std::uint32_t found = find<Level>(p, count);
        overflow_ |= listed + found > capacity_;
        if (found == 0 || listed + found > capacity_) return taken::none;
        append(p, found, static_cast<std::uint16_t>(base - run_base_));
        return high_ == bracket<T>::never ? taken::none : taken::some;
    }
    /// Chunk by chunk is faster where few chunks hold a candidate; all that the tile can hold must fit.
    GRADCOMP_INLINE bool open(std::size_t base, std::size_t count)
    {
        if (!sparse_ || stored_ + staged_ + count > capacity_) return false;
        arrive(base, count);
        return true;
    }
#if GRADCOMP_X86
    GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] inline void list_avx512(std::size_t element, const T* p)
    {
        staged_ += detail::list_avx512(p, detail::lanes512<T>::all(low_), static_cast<std::uint32_t>(element - run_base_), stage_value_ + staged_, stage_place_ + staged_);
    }
#endif
    GRADCOMP_INLINE void close()
    {
        if (staged_ >= tile_size) flush();
    }

    std::size_t size() const { return stored_; }
    bool overflowed() const { return overflow_; }
    const T* values() const { return value_.data(); }
    const std::uint16_t* places() const { return place_.data(); }
    std::span<const run> runs() const { return {runs_.data(), run_count_}; }
    std::size_t run_end(std::size_t r) const { return runs_.data()[r + 1].start; }
    /// Magnitudes in [low, sure), in no useful order; empty and not counted where low + 1 == sure, for all of them are low.
    std::span<const bits_t<T>> keys() const { return {keys_.data(), key_count_}; }
    std::size_t above() const { return above_; }                  ///< entries at or above sure
    std::size_t between() const { return stored_ - above_; }       ///< entries in [low, sure)
    const bracket<T>& limits() const { return limits_; }

    /// Looks for the threshold among other entries: those in [low, sure) from now on.
    void narrow(bits_t<T> low, bits_t<T> sure)
    {
        limits_.low = low;
        limits_.sure = sure;
        above_ = key_count_ = 0;
        collect(value_.data(), stored_);
    }

private:
    /// Makes ready for a tile. @return how many entries there are
    GRADCOMP_INLINE std::size_t arrive(std::size_t base, std::size_t count)
    {
        const std::size_t listed = stored_ + staged_;
        if (listed >= k_) { // k entries of lower index reach low: an equal one cannot win any more, nor leave the memory
            low_ = limits_.low < key_of<T>::nan ? limits_.low + 1 : bracket<T>::never;
            high_ = std::max(high_, low_);
        }
        if (new_run_ || base + count - run_base_ > run_length) {
            runs_.data()[run_count_++] = {segment_, base, listed};
            run_base_ = base;
            new_run_ = false;
        }
        return listed;
    }
    template <isa Level> GRADCOMP_INLINE std::uint32_t find(const T* p, std::size_t count)
    {
#if GRADCOMP_X86
        if constexpr (Level == isa::avx512)
            return bytes_ ? detail::find_vbmi2(p, count, low_, position_) : detail::find_avx512(p, count, low_, position_);
        else if constexpr (Level == isa::avx2 && std::same_as<T, float>) return detail::find_avx2(p, count, low_, position_);
        else
#endif
            return detail::find_portable(p, count, low_, position_);
    }

    GRADCOMP_INLINE void append(const T* p, std::uint32_t found, std::uint16_t first)
    {
        gather(p, position_, found, first, stage_value_ + staged_, stage_place_ + staged_);
        staged_ += found;
        if (staged_ >= tile_size) flush();
    }
    /// Copies a few more than found: any byte is a position of the tile, and the loops have no short rest.
    static void gather(const T* p, const std::uint8_t* __restrict position, std::size_t found, std::uint16_t first, T* __restrict value, std::uint16_t* __restrict place)
    {
        for (std::size_t i = 0; i < found; i += 8)
            for (std::size_t j = 0; j < 8; ++j) value[i + j] = p[position[i + j]];
        for (std::size_t i = 0; i < found; i += 16)
            for (std::size_t j = 0; j < 16; ++j) place[i + j] = static_cast<std::uint16_t>(first + position[i + j]);
    }
    [[gnu::noinline]] void flush()
    {
        keep(tile_size);
        staged_ -= tile_size;
        std::memcpy(stage_value_, stage_value_ + tile_size, staged_ * sizeof(T));
        std::memcpy(stage_place_, stage_place_ + tile_size, staged_ * sizeof(std::uint16_t));
    }
    /// Moves staged entries to the list.
    void keep(std::size_t entries)
    {
        collect(stage_value_, entries);
        if (past_caches_ && entries == tile_size) {
            detail::stream_copy(level_, value_.data() + stored_, stage_value_, tile_size * sizeof(T));
            detail::stream_copy(level_, place_.data() + stored_, stage_place_, tile_size * sizeof(std::uint16_t));
        } else {
            std::memcpy(value_.data() + stored_, stage_value_, entries * sizeof(T));
            std::memcpy(place_.data() + stored_, stage_place_, entries * sizeof(std::uint16_t));
        }
        stored_ += entries;
    }
    /// Counts entries at or above sure and lists the keys of the rest, unless all of those are the same.
    void collect(const T* value, std::size_t entries)
    {
        if (limits_.sure - limits_.low == 1) {
            for (std::size_t i = 0; i < entries; ++i) above_ += rank_key(value[i]) >= limits_.sure;
            return;
        }
        bits_t<T>* to = keys_.data() + key_count_;
#if GRADCOMP_X86
        if (level_ == isa::avx512) key_count_ += detail::boundary_avx512<T>(value, entries, limits_.low, limits_.sure, to, above_);
        else
#endif
            key_count_ += detail::boundary_portable<T>(value, entries, limits_.low, limits_.sure, to, above_);
    }

    static constexpr std::size_t room = 2 * tile_size + 16; // a full tile behind an almost full one

    alignas(64) T stage_value_[room];
    alignas(64) std::uint16_t stage_place_[room];
    alignas(64) std::uint8_t position_[tile_size + 64] = {};
    std::size_t capacity_, k_ = 0, staged_ = 0, stored_ = 0, run_count_ = 0, run_base_ = 0, key_count_ = 0, above_ = 0;
    detail::raw_array<T> value_;
    detail::raw_array<std::uint16_t> place_;
    detail::raw_array<bits_t<T>> keys_;
    detail::raw_array<run> runs_;
    bracket<T> limits_;
    bits_t<T> low_ = 0, high_ = 0;
    std::size_t segment_ = 0;
    isa level_ = isa::scalar;
    bool overflow_ = false, new_run_ = false, sparse_ = false, past_caches_ = false, bytes_ = compresses_bytes();
};

} // namespace gradcomp::exec
