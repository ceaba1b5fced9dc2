/// @file libFuzzer on every decoder.
#include "fuzz/decoders.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzzing::decode_anything({data, size});
    return 0;
}
