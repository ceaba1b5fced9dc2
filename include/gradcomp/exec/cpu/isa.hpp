/// @file Which instruction set the sweeps use, chosen when the program runs, so that a default build is fast.
#pragma once

#include <gradcomp/core/config.hpp>
#include <gradcomp/core/error.hpp>

#include <cstdlib>
#include <string>
#include <string_view>

#if defined(__x86_64__)
#define GRADCOMP_X86 1
#include <immintrin.h>
#define GRADCOMP_TARGET_AVX2 [[gnu::target("avx2,fma,bmi,bmi2,popcnt,lzcnt")]]
#define GRADCOMP_TARGET_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,bmi,bmi2,popcnt,lzcnt")]]
#define GRADCOMP_TARGET_VBMI2 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,avx2,fma,bmi,bmi2,popcnt,lzcnt")]]
#else
#define GRADCOMP_X86 0
#endif

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec {

/// The copies of each sweep. All of them give the same bits.
enum class isa { scalar, avx2, avx512 };

inline constexpr std::string_view name_of(isa level)
{
    constexpr std::string_view names[] = {"scalar", "avx2", "avx512"};
    return names[static_cast<int>(level)];
}

/// Whether this program holds a copy for the level. With GRADCOMP_ONE_ISA it holds one, for the instructions that the compiler was allowed to use
/// everywhere (-march), which compiles a tenth to a third faster. The macro must be the same in all translation units of a program.
constexpr bool compiled(isa level)
{
#if defined(GRADCOMP_ONE_ISA)
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512CD__) && defined(__BMI2__)
    return level == isa::avx512;
#elif defined(__AVX2__) && defined(__FMA__) && defined(__BMI2__)
    return level == isa::avx2;
#else
    return level == isa::scalar;
#endif
#else
    return GRADCOMP_X86 || level == isa::scalar;
#endif
}

/// Whether this processor has what a copy needs, and the program the copy.
inline bool supports(isa level)
{
    if (!compiled(level)) return false;
#if GRADCOMP_X86
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (level == isa::avx2) return avx2;
    if (level == isa::avx512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
#endif
    return level == isa::scalar;
}

/// Whether this processor compresses bytes, which AVX-512 got late; used inside the AVX-512 copies where found.
inline bool compresses_bytes()
{
#if GRADCOMP_X86
    return supports(isa::avx512) && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
#else
    return false;
#endif
}

/// The best copy for this processor, or the one that the environment variable GRADCOMP_ISA names (scalar, avx2, avx512).
/// @throws error invalid_option for another word, or for a level that the processor lacks.
inline isa choose_isa()
{
    const char* forced = std::getenv("GRADCOMP_ISA");
    if (forced == nullptr || *forced == 0) {
        for (const isa level : {isa::avx512, isa::avx2, isa::scalar})
            if (supports(level)) return level;
        throw error(error_code::invalid_option, "GRADCOMP_ONE_ISA", "", "the program was compiled for instructions that this processor lacks");
    }
    for (const isa level : {isa::scalar, isa::avx2, isa::avx512})
        if (name_of(level) == forced) {
            if (!supports(level)) throw error(error_code::invalid_option, "GRADCOMP_ISA", forced,
                    compiled(level) ? "the processor lacks these instructions" : "GRADCOMP_ONE_ISA left this copy out of the program");
            return level;
        }
    throw error(error_code::invalid_option, "GRADCOMP_ISA", forced, "must be scalar, avx2 or avx512");
}

namespace detail {
#if GRADCOMP_X86
template <class Body> GRADCOMP_TARGET_AVX2 [[gnu::noinline]] void run_avx2(Body body) { body.template run<isa::avx2>(); }
template <class Body> GRADCOMP_TARGET_AVX512 [[gnu::noinline]] void run_avx512(Body body) { body.template run<isa::avx512>(); }
#endif
template <class Body> [[gnu::noinline]] void run_scalar(Body body) { body.template run<isa::scalar>(); }
} // namespace detail

/// Calls body.run<level>() inside a function that the compiler may translate with the instructions of that level.
/// The body must be inlined (GRADCOMP_INLINE) all the way down, or it stays baseline code.
template <class Body> void at_level(isa level, Body body)
{
#if GRADCOMP_X86
    if constexpr (compiled(isa::avx512))
        if (level == isa::avx512) return detail::run_avx512(body);
    if constexpr (compiled(isa::avx2))
        if (level == isa::avx2) return detail::run_avx2(body);
#endif
    if constexpr (compiled(isa::scalar)) detail::run_scalar(body);
}

} // namespace gradcomp::exec

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
