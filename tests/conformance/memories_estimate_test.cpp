/// @file ef21 and econtrol keep what all error memories promise, with an estimate in the place of a debt: one line per form.
#include "memory_conformance.hpp"

using namespace conformance;
using gc::staged;

TEST_CASE("ef21 conforms") { memory(gc::ef21<>{}); }
TEST_CASE("ef21, staged, conforms") { memory(gc::ef21<staged>{}); }
TEST_CASE("econtrol conforms") { memory(gc::econtrol<>{.eta_c = 0.5}); }
TEST_CASE("econtrol, staged, conforms") { memory(gc::econtrol<staged>{.eta_c = 0.5}); }
