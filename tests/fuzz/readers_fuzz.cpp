/// @file libFuzzer on the readers of idx and LIBSVM files.
#include "fuzz/readers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzzing::read_any_file({data, size});
    return 0;
}
