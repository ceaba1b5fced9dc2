/// @file An experiment's images: the stand-in only for those who ask for it.
#include "reproduce/images.hpp"

#include <doctest/doctest.h>

using apps::reproduce::asked_for;

TEST_CASE("generated images that nobody asked for are refused, naming what to do; real ones and those asked for are taken")
{
    apps::data::dataset real, stand_in;
    real.name = "Fashion-MNIST";
    stand_in.name = "synthetic", stand_in.synthetic = true;
    CHECK(asked_for(real, "").name == "Fashion-MNIST");
    CHECK(asked_for(stand_in, "synthetic").name == "synthetic");
    for (const char* folder : {"", "some/folder"}) CHECK_THROWS_WITH_AS(asked_for(stand_in, folder), doctest::Contains("GRADCOMP_DATA"), apps::data::data_error);
}
