/// @file Flags that delete the checks for NaN and Inf.
// EXPECT: gradcomp: -ffast-math and -ffinite-math-only delete the checks for NaN and Inf
#ifdef GRADCOMP_FAIL
#define __FAST_MATH__ 1 // what -ffast-math defines
#endif
#include <gradcomp/core/config.hpp>
