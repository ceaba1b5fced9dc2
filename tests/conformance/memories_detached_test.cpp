/// @file def and def_a keep what all error memories promise: one line per policy.
#include "memory_conformance.hpp"

using namespace conformance;
using gc::staged, gc::units;

TEST_CASE("def conforms") { memory(gc::def<>{.lambda = 0.25}); }
TEST_CASE("def, staged, conforms") { memory(gc::def<staged>{.lambda = 0.25}); }
TEST_CASE("def in gradient units conforms") { memory(gc::def<>{.lambda = 0.5, .units = units::gradient}); }
TEST_CASE("def_a conforms") { memory(gc::def_a<>{.lambda = 0.25}); }
TEST_CASE("def_a, staged, in gradient units conforms") { memory(gc::def_a<staged>{.lambda = 0.75, .units = units::gradient}); }
