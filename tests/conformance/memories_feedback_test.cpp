/// @file ef, saef and psync keep what all error memories promise: one line per policy.
#include "memory_conformance.hpp"

using namespace conformance;
using gc::staged, gc::units;

TEST_CASE("ef conforms") { memory(gc::ef<>{}); }
TEST_CASE("ef, staged, conforms") { memory(gc::ef<staged>{}); }
TEST_CASE("ef in gradient units conforms") { memory(gc::ef<>{.units = units::gradient}); }
TEST_CASE("ef with decay conforms") { memory(gc::ef<>{.decay = 0.5}); }
TEST_CASE("ef with decay, staged, conforms") { memory(gc::ef<staged>{.decay = 0.5}); }
TEST_CASE("saef conforms") { memory(gc::saef<>{}); }
TEST_CASE("saef with averaging conforms") { memory(gc::saef<>{.averaging_period = 4}); }
TEST_CASE("saef with averaging, staged, in gradient units conforms") { memory(gc::saef<staged>{.averaging_period = 2, .units = units::gradient}); }
TEST_CASE("psync conforms") { memory(gc::psync<>{}); }
TEST_CASE("psync, staged, in gradient units conforms") { memory(gc::psync<staged>{.units = units::gradient}); }
TEST_CASE("momentum correction conforms") { memory(gc::momentum_correction<>{}); }
TEST_CASE("momentum correction, staged, in model units conforms") { memory(gc::momentum_correction<staged>{.units = units::model}); }
