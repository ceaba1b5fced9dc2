/// @file cser keeps what all error memories promise, through both of its exchanges: one line per form.
#include "memory_conformance.hpp"

using namespace conformance;
using gc::staged, gc::units;

TEST_CASE("cser with a reset each time conforms") { memory(gc::cser{.reset = gc::random_block{.ratio = 3}}); }
TEST_CASE("cser, staged, with a reset each time conforms") { memory(gc::cser<gc::random_block, staged>{.reset = {.ratio = 3}}); }
TEST_CASE("cser with a reset every other time, in gradient units, conforms") { memory(gc::cser{.reset = gc::random_block{.ratio = 3}, .every = 2, .units = units::gradient}); }
