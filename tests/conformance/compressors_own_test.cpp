/// @file The compressor that docs/write_a_compressor.md adds to the library's keeps what all of them promise: one line.
#include "../../examples/ternary.hpp"
#include "compressor_conformance.hpp"

using namespace conformance;

TEST_CASE("ternary conforms") { compressor(own::ternary{.bucket = 64}); }
