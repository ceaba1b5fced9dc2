/// @file loco keeps what all error memories promise, of a debt that is e / (1 - beta): one line per form.
#include "memory_conformance.hpp"

using namespace conformance;
using gc::staged, gc::units;

TEST_CASE("loco conforms") { memory(gc::loco<>{.beta = 0.5, .reset_every = 0}); }
TEST_CASE("loco, staged, in model units conforms") { memory(gc::loco<staged>{.beta = 0.75, .reset_every = 0, .units = units::model}); }
