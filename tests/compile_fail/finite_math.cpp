/// @file The flag behind -ffast-math that matters, alone.
// EXPECT: gradcomp: -ffast-math and -ffinite-math-only delete the checks for NaN and Inf
#undef __FINITE_MATH_ONLY__
#ifdef GRADCOMP_FAIL
#define __FINITE_MATH_ONLY__ 1 // what -ffinite-math-only defines
#else
#define __FINITE_MATH_ONLY__ 0
#endif
#include <gradcomp/core/config.hpp>
