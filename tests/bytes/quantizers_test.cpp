/// @file The bytes of quantizers and chains, as digests. A change here is a change of the wire form.
#include "golden.hpp"

using namespace golden_bytes;
using gc::norm, gc::rounding;

TEST_CASE("sign keeps its bytes")
{
    keeps_its_bytes(gc::sign<>{},
        {{0xebb2f3c6cb187154, 0xcfdcf8cb7c8f29b1}, {0x7204dfc9f45b1e13, 0xf348e910649e0f96},
            {0x4389086813d039e4, 0xdddf1044009d94c8}, {0x7ff592fcbbaa331a, 0xcb1e969cb1d38fb4}});
}

TEST_CASE("sign without a scale keeps its bytes")
{
    keeps_its_bytes(gc::sign<gc::sign_scale::none>{},
        {{0xa9474f33b881a4b6, 0x48851bad1c14a17a}, {0x051fe813ebecd704, 0x7d7cace24b5fc8c7},
            {0xa4c9f99bd618900d, 0xfcdf1870d04d1c8a}, {0xe0e07a88019f67b8, 0x9cb7b812bc637be1}});
}

TEST_CASE("block_sign keeps its bytes")
{
    keeps_its_bytes(gc::block_sign{.bucket = 256},
        {{0xa68601a1ba80b160, 0xa4dd768ae8f4f711}, {0x56f0aebf8b806075, 0xf62f9dfd011fedb6},
            {0xde472a2b321db076, 0x0b9598a8207c3ed2}, {0x2eae678293c58d82, 0xaafc1a1e15d09069}});
}

TEST_CASE("natural keeps its bytes")
{
    keeps_its_bytes(gc::natural<>{},
        {{0xd4c38b929731c1ba, 0x97a01fb7fa136fd4}, {0xf75f034ecde9bd8a, 0xf77942380ffafcd6},
            {0x5c2f12ed34845ad4, 0x9a19f40fdf855e34}, {0x942131cd29476522, 0x53ee50cf273f2153}});
}

TEST_CASE("natural with 8 bits keeps its bytes")
{
    keeps_its_bytes(gc::natural<gc::exponents::per_bucket>{},
        {{0xe7bf46307dd064e2, 0x97a01fb7fa136fd4}, {0x15405d711c2c73b1, 0xf77942380ffafcd6},
            {0x7bce12b087fd0da6, 0x9a19f40fdf855e34}, {0xfa21fe9497f2aa71, 0x53ee50cf273f2153}});
}

TEST_CASE("qsgd by the 2-norm keeps its bytes")
{
    keeps_its_bytes(gc::qsgd<>{.bits = 8},
        {{0xcecaccfcc971e8cd, 0xb839b46aa040dae8}, {0x8e8119fee3b8e117, 0xf2f9cd2d3c85c2eb},
            {0xc9a1b60bbe1e8f8c, 0xe9f9c74b32cb0097}, {0xd9e919e85b043ff8, 0xa91aaf3c0697a791}});
}

TEST_CASE("qsgd with 4 bits keeps its bytes")
{
    keeps_its_bytes(gc::qsgd<norm::infinity>{.bits = 4},
        {{0xe07d74575b53ceb2, 0xe173dc4b18b24110}, {0x9aa62cff69022ce5, 0xf01a4cf9705425f1},
            {0xae3ecf9ccbcb1fa6, 0x3708ca35fe96b5dd}, {0x1bd312a9f6ede398, 0xa127f1ec094eb7d8}});
}

TEST_CASE("qsgd by the 1-norm with 3 bits keeps its bytes")
{
    keeps_its_bytes(gc::qsgd<norm::one>{.bits = 3, .bucket = 64},
        {{0x9ded9bb6a48aeb54, 0x06097f9382917630}, {0x2e635a3137a1670c, 0xe1fc7bd23088df59},
            {0x3c4983c05b5eb58d, 0xc0f673e0dd512016}, {0xf961e42f78ecc355, 0x2d1ce951be01029f}});
}

TEST_CASE("tern_grad keeps its bytes")
{
    keeps_its_bytes(gc::tern_grad{},
        {{0xa04d43e1bd094c0b, 0x7949070b6533f570}, {0xd3eca653a85885fa, 0x8d7055d958a5e214},
            {0x9182db7a3d3c4cd8, 0xeed48285d4e0f975}, {0x8a62592560af9a21, 0x92faf21e01a693c4}});
}

TEST_CASE("min_max, nearest keeps its bytes")
{
    keeps_its_bytes(gc::min_max<rounding::nearest>{},
        {{0x6626ac893e4a53c3, 0x58e5f8df5ddc378a}, {0x0f486cb08a574e8b, 0x4055c4c6179cbea0},
            {0x2349ab148aab4484, 0xb62f2dba1bfc23d7}, {0x7f1a9a026aa46290, 0x05b91852cc4dbb70}});
}

TEST_CASE("min_max, stochastic, with 5 bits keeps its bytes")
{
    keeps_its_bytes(gc::min_max<>{.bits = 5},
        {{0xb5704ecb0f749dd3, 0xc465c758ce9ded63}, {0x633762fa22591107, 0x4443db1e7b57bb4b},
            {0x5f8007ac77294082, 0x80ef87beda05ca33}, {0x8d6df4791ed36da1, 0x0f069a76d68f12fb}});
}

TEST_CASE("cast to half keeps its bytes")
{
    keeps_its_bytes(gc::cast<gc::half>{},
        {{0x7959bacf2146d2ce, 0x6e82edbfdc042aa8}, {0x5de6f8a48a8026d9, 0x07dd5a68675516b8},
            {0xeb7e4496df874d63, 0x552e91e6c8417b44}, {0x27030b17923a5de8, 0xfa8bace18f0024aa}});
}

TEST_CASE("cast to bfloat16, stochastic keeps its bytes")
{
    keeps_its_bytes(gc::cast<gc::bfloat16, rounding::stochastic>{},
        {{0x0247077f76eb5140, 0x84c4dcff5293231e}, {0xda9d1fb3468278f1, 0x55afe905da6b20e5},
            {0x76f25b95f35cf049, 0x7ff6bb88376a436f}, {0xa0a1960749181421, 0x7aa8c4de5d8f2bc1}});
}

TEST_CASE("cast to e4m3, stochastic keeps its bytes")
{
    keeps_its_bytes(gc::cast<gc::fp8_e4m3, rounding::stochastic>{},
        {{0x56cb1cdf7071ca68, 0x2796a9029fad9fd9}, {0xd2573a368b64c543, 0x5e9584f4e5dcd55c},
            {0xb7739140da5b6552, 0xcb27d371a73cc747}, {0xa4f14c60f72073b3, 0x56fc17ad3dddc744}});
}

TEST_CASE("cast to e5m2 keeps its bytes")
{
    keeps_its_bytes(gc::cast<gc::fp8_e5m2>{},
        {{0xead5fe90fc83ba87, 0xdff4fefd0ef3d3db}, {0xa38aa236098d683f, 0x2ba5d8768fa73114},
            {0x4192e3d647668e60, 0x4bcb367b2326b07e}, {0x10a92f034edfeb4f, 0x72cdfaeb0a5e913c}});
}

TEST_CASE("exponential_dithering keeps its bytes")
{
    keeps_its_bytes(gc::exponential_dithering<norm::one>{.base = 1.5, .levels = 20},
        {{0xd80a643e592cf1de, 0xa6ec8b3afba21ae3}, {0x428844bcdc848758, 0x1910bbf3aa5471bd},
            {0x1cf6dcfea74cbeb6, 0x63393c540b9855a1}, {0x14df2e6b5e855de7, 0x124b8769e1fb4d00}});
}

TEST_CASE("exponential_rounding keeps its bytes")
{
    keeps_its_bytes(gc::exponential_rounding<rounding::nearest>{.base = 1.3},
        {{0x08624743ed646d83, 0xb398933f2d28f5bc}, {0x09f18e4602203010, 0x0435061a3982472d},
            {0x82f6580aed1340ca, 0xb0fd7ea20e12f65f}, {0x512f5c80f240bd03, 0x3ac8618003c1416c}});
}

TEST_CASE("level_rounding keeps its bytes")
{
    keeps_its_bytes(gc::level_rounding<>{},
        {{0x0889f6dddef515b6, 0x7fb81ec48f0a0163}, {0x7978358cbf4903c9, 0xadf9a3502a058989},
            {0x5165838aec139333, 0x9cddf7dabbcd284e}, {0x16e4c41d9f565f21, 0x45bc012034a20e16}});
}

TEST_CASE("top_k, then natural dithering keeps its bytes")
{
    keeps_its_bytes(gc::chain{gc::top_k{.ratio = 20}, gc::natural_dithering(7)},
        {{0x2c5784d8f286feec, 0xcb2acd4c57f187e4}, {0x8288ed3f9da3cef9, 0x26d8ae8ab6c61ac6},
            {0xdd0a33a86bac3a75, 0xc7d7b0391fd59c41}, {0x42cfd6ae42c67ee9, 0x5ecc7e9000913b57}});
}

TEST_CASE("random_block, then scaled qsgd keeps its bytes")
{
    keeps_its_bytes(gc::chain{gc::random_block{.ratio = 8}, gc::scaled{.lambda = 0.5, .of = gc::qsgd<>{.bits = 6}}},
        {{0x2b7f870257f10665, 0x302b07f1f67c01af}, {0xd3e307245ce4149c, 0x4be7adca9893ec4b},
            {0x785d24b6ff4d8a45, 0xdbf5f18a0ca5a901}, {0x3c1140647ce33b36, 0x446b4817269a6fc2}});
}
