/// @file The bytes of every compressor's message and of the memory behind it, as digests: the same on every machine, with every compiler
/// flag, instruction set and number of threads, and from version to version. A change here is a change of the wire form.
#include "golden.hpp"

#include <doctest/doctest.h>

using namespace golden_bytes;
using gc::indices, gc::scaling, gc::scope;

TEST_CASE("the inputs of the digests are what they were")
{
    digest of;
    for (const pattern p : all_patterns) {
        const auto x = input<float>(p, 1000, 7);
        const auto y = input<double>(p, 1000, 7);
        of.add(x.data(), x.size() * sizeof(float));
        of.add(y.data(), y.size() * sizeof(double));
    }
    CHECK(of.value() == 0x1a4aa9d764c32ea3u);
}

TEST_CASE("identity keeps its bytes")
{
    keeps_its_bytes(gc::identity{},
        {{0xf3598e4fdc857326, 0x3325b432aa4092a5}, {0xca3df3be730eb373, 0x3325b432aa4092a5},
            {0xdf35b8091b0d0767, 0x8661aa84ebda4225}, {0x807e3257fd15adef, 0x8661aa84ebda4225}});
}

TEST_CASE("nothing keeps its bytes")
{
    keeps_its_bytes(gc::nothing{},
        {{0xcbf29ce484222325, 0x4d991b1327f269ce}, {0xcbf29ce484222325, 0xcb1862593fd76848},
            {0xcbf29ce484222325, 0xf72d357ce9ddd5db}, {0xcbf29ce484222325, 0xe02325582698d072}});
}

TEST_CASE("delta_scaling keeps its bytes")
{
    keeps_its_bytes(gc::delta_scaling{.delta = 0.3},
        {{0xe1f458f67cc2f679, 0xf7ddfe96ede08a7b}, {0x93b6f9abffd52272, 0xdb157011b8423eb2},
            {0xc979b4485453e557, 0x7cf2c27c825e11c8}, {0xde2b5dc48fb748c3, 0x2463a40262a44c64}});
}

TEST_CASE("top_k of ratio 100 keeps its bytes")
{
    keeps_its_bytes(gc::top_k{.ratio = 100},
        {{0xb503b6f9505068fb, 0x4179a6efb8faeb78}, {0x1f6c35168416c0fe, 0xc7cc2134bf4f0487},
            {0x0f9bbc6539b3facf, 0xbef38deebd693c56}, {0x81253a5887a603b7, 0xcb7c7910154b2715}});
}

TEST_CASE("top_k of ratio 7 keeps its bytes")
{
    keeps_its_bytes(gc::top_k{.ratio = 7},
        {{0x84f902fe8d37bf42, 0xff9e8f4531cee84b}, {0xb07f6df526abde5a, 0x6c52f86e66b2d324},
            {0xf71b3965366b78aa, 0xc13b837f57212c04}, {0xdbfa3422278e46ed, 0x90515e330ed1c44b}});
}

TEST_CASE("top_k over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::top_k{.ratio = 1000, .scope = scope::whole_model},
        {{0x7dff4701938d5503, 0xa67ed4dd3a166d0a}, {0x3352cd7e6c51562f, 0x82d64c48848c7414},
            {0x2b116607e4e29b2e, 0x01f95bd568150e16}, {0x7b105fec8481b515, 0xdaea877d357608e0}});
}

TEST_CASE("rand_k, shared and scaled, keeps its bytes")
{
    keeps_its_bytes(gc::rand_k<indices::shared_seed, scaling::unbiased>{.ratio = 7},
        {{0x91f087f2113f4040, 0x3abc787beac82de2}, {0x07c8d0d81d1e38cf, 0xb820c3fd45db7920},
            {0x2b7d7c70888a4d9d, 0xce21421d8a511f77}, {0xdd3641715b24c064, 0x88f3416dcd695793}});
}

TEST_CASE("rand_k, shared and unscaled, keeps its bytes")
{
    keeps_its_bytes(gc::rand_k<indices::shared_seed, scaling::none>{.ratio = 7},
        {{0x32bc7cf00fc0dbb3, 0x60afd2e94dc85463}, {0x3e0561dc7db1edf8, 0x2b015fae6d7a3089},
            {0xe5b90cbc2f615faa, 0x2b19e081dc103cff}, {0xff8509355a8e9ef4, 0x61b8e5b6c89013ca}});
}

TEST_CASE("rand_k, own and scaled, keeps its bytes")
{
    keeps_its_bytes(gc::rand_k<indices::own, scaling::unbiased>{.ratio = 30},
        {{0xf6f0b6cbc333ed80, 0xaa9a1c5de4c29454}, {0x3296c1f105b64c2a, 0xda5177a03f042ef3},
            {0x9929021b179a5eed, 0x52c9b848b3e40019}, {0xf8a14a9249796c63, 0x188efad479c90c0f}});
}

TEST_CASE("rand_k, own and unscaled, over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::rand_k<indices::own, scaling::none>{.ratio = 30, .scope = scope::whole_model},
        {{0xf878120eb7443280, 0xbb3f129666d0c9b0}, {0xe466320002fd6490, 0xce425cf80aad384d},
            {0x3a37780f850e3164, 0xc94ddcce8afe6a07}, {0x3bf65a1e42d2f831, 0x2f076bf116767a13}});
}

TEST_CASE("random_block of one run keeps its bytes")
{
    keeps_its_bytes(gc::random_block{.ratio = 16},
        {{0x2758e62cb46f5ee8, 0x8ea7ac931b81d0b3}, {0xa797a7d86384f294, 0xfbefacec30b06aed},
            {0x0688e42b56fad7a4, 0x957599a90877224c}, {0x9e41954bc3fcd76b, 0x6e342ab6f87422df}});
}

TEST_CASE("random_block of one run over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::random_block{.ratio = 3, .scope = scope::whole_model},
        {{0x63343aa5487b6776, 0x0da186889db1c8c7}, {0xcbf7df9839cc5dab, 0xbf9988b1f4c38f8b},
            {0x641d5e1466fba5ec, 0x2e981c877cf5ace5}, {0x13acecb2ccfaab54, 0x59e8d453ad9bf746}});
}

TEST_CASE("random_block of blocks of 64 keeps its bytes")
{
    keeps_its_bytes(gc::random_block{.ratio = 16, .block = 64},
        {{0x199442a099374548, 0xeb2c08a3df406e2d}, {0xa7354d2d5c8fb480, 0x74489ebafb026973},
            {0x5656c38f57a9930e, 0xa0f6f7978ca60710}, {0xde77f33aa6249f4a, 0x058485ede7028b6e}});
}

TEST_CASE("random_block of blocks over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::random_block{.ratio = 5, .block = 1000, .scope = scope::whole_model},
        {{0xcb7c2e9759378e1a, 0x93fded373e6cba57}, {0x0aa5af1b24f58512, 0x15f8d93ff4bb03aa},
            {0x4bafc079a948ca06, 0x4ebc461773b199f3}, {0x436319c2bb1605d6, 0x0c8c50f7d364b905}});
}

TEST_CASE("by_tensor keeps its bytes")
{
    keeps_its_bytes(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.ratio = 50})},
        {{0xbedf76fc86b83050, 0x2fe317b4a24608a4}, {0x7a15299c222a0080, 0xa6552dbe9a58d7f8},
            {0x7e420382d004a85e, 0xdec4f6b3770e142a}, {0x014a2268154ea4b3, 0x1d83638b57c4232c}});
}

TEST_CASE("adaptive_random of ratio 50 keeps its bytes")
{
    keeps_its_bytes(gc::adaptive_random{.ratio = 50},
        {{0x3c63f6bb25148788, 0x11d6cc744cae6630}, {0x74de5a9e4d277f58, 0x072a59e83318deed},
            {0x05a5812914342796, 0x2abd7944d996e144}, {0x0425df36dbe08c4e, 0x111e110d671c7aae}});
}

TEST_CASE("threshold of the maximum keeps its bytes")
{
    keeps_its_bytes(gc::threshold<>{.limit = 0.01, .ratio = 20},
        {{0x2ff9728e699b68e7, 0x89e46291ee78f70b}, {0x688a8e1d698c0348, 0xf4b5353e24e8354f},
            {0xb27b78cda97e4b67, 0xf44095e06bb75c82}, {0xd2828d54b04b2ec3, 0xc6eb2574b1da6f63}});
}

TEST_CASE("threshold of the norm over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::threshold<gc::limit_unit::norm>{.limit = 1, .ratio = 9, .scope = scope::whole_model},
        {{0xc9afd63ab48341fc, 0x9ca53591b94a03ea}, {0x0639306801d30b24, 0x783fce1b55632726},
            {0xc1f497356a64d0e2, 0xddeaaf5075f0cfbb}, {0xd78d43cd2c2df13b, 0x21ec6b1d6b9f3d8e}});
}

TEST_CASE("threshold of a fixed magnitude keeps its bytes")
{
    keeps_its_bytes(gc::threshold<gc::limit_unit::absolute>{.limit = 2, .ratio = 9},
        {{0x5510c1e7fcfd3d65, 0x4d991b1327f269ce}, {0x3ea2021baf3321a8, 0x70661811f43b2582},
            {0xe945d26ebec41f55, 0xf72d357ce9ddd5db}, {0xaeb703d0484f40ac, 0xa256b8fc2bf56f6c}});
}

TEST_CASE("block_top_k of blocks of 64 keeps its bytes")
{
    keeps_its_bytes(gc::block_top_k{.ratio = 16},
        {{0x6f1232b3e2b2d581, 0x534b7e2a2ae99e9e}, {0xe0df14b1a7a06ebf, 0xbe4c6d962b28e8ae},
            {0xef5a25e606276ca3, 0x252382b1c857d90e}, {0x3a90d872e9c6757a, 0x8b545cb8eb46b5fb}});
}

TEST_CASE("block_top_k of blocks of 100 over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::block_top_k{.ratio = 7, .block = 100, .scope = scope::whole_model},
        {{0xb803dfc69dfaa308, 0x58d116ab5b6d33a9}, {0x62c0bb18e9d57e87, 0x4eb594697e5a7da4},
            {0x40bf2c457e1ad79a, 0x1975d591ab396fd2}, {0xcb1b4f373ba7336a, 0xb7166b37055b1517}});
}

TEST_CASE("low_rank of rank 3 keeps its bytes")
{
    keeps_its_bytes(gc::low_rank{.rank = 3},
        {{0xcb16679c1c6689f7, 0xaff3aef82b650d92}, {0x2394db582c0c0390, 0xcfcdd1a792f82861},
            {0x40371caffcbe7f4d, 0x87890cbede84ac26}, {0xcb9d19698453c033, 0x709b5c6d4f8049b2}});
}
