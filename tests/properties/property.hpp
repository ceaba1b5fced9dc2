/// @file Properties: sentences that hold for every case, each tried on 20,000 random ones and shrunk where one fails.
#pragma once

#include <doctest/doctest.h>

#if defined(GRADCOMP_TEST_RAPIDCHECK)
#include <rapidcheck.h>

#include <cstdlib>

namespace properties {

/// The cases follow from a fixed seed, so that a run repeats the one before it; RC_PARAMS in the environment overrides all of it.
/// The slow sanitizers look for other faults than wrong results, for which a tenth of the cases do.
inline const bool configured = [] {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    setenv("RC_PARAMS", "seed=20261122 max_success=2000", 0);
#else
    setenv("RC_PARAMS", "seed=20261122 max_success=20000", 0);
#endif
    return true;
}();

/// A size from `least` to `most`, and a seed from which a case derives its data: cheaper than random containers, and shrinks as well.
inline std::size_t size_in(std::size_t least, std::size_t most) { return *rc::gen::inRange(least, most + 1); }
inline std::uint64_t any_seed() { return *rc::gen::arbitrary<std::uint64_t>(); }

} // namespace properties

/// A test case of doctest that is one property; a body throws or uses RC_ASSERT.
#define GRADCOMP_PROPERTY(sentence) GRADCOMP_PROPERTY_OF(sentence, DOCTEST_ANONYMOUS(property_))
#define GRADCOMP_PROPERTY_OF(sentence, body) \
    static void body(); \
    TEST_CASE(sentence) { CHECK(rc::check(sentence, body)); } \
    static void body()

#endif
