/// @file libFuzzer on the frame, in memory and from a stream.
#include "fuzz/frames.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzzing::read_any_frame({data, size});
    return 0;
}
