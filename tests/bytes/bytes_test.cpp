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
        {{0xa131534953872f6a, 0x4179a6efb8faeb78}, {0x26be52f666c19564, 0xc7cc2134bf4f0487},
            {0xc4e788d0711d2f52, 0xbef38deebd693c56}, {0x872ee23e73654405, 0xcb7c7910154b2715}});
}

TEST_CASE("top_k of ratio 7 keeps its bytes")
{
    keeps_its_bytes(gc::top_k{.ratio = 7},
        {{0x3ca34c6f69f2befa, 0xff9e8f4531cee84b}, {0xf4a5c7349ef4b53b, 0x6c52f86e66b2d324},
            {0x71a9adbcfc08f2d6, 0xc13b837f57212c04}, {0x1e61a4e95b269a96, 0x90515e330ed1c44b}});
}

TEST_CASE("top_k over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::top_k{.ratio = 1000, .scope = scope::whole_model},
        {{0xa661deff100555dd, 0xa67ed4dd3a166d0a}, {0x0d9766cf515e5aa9, 0x82d64c48848c7414},
            {0x40755cefc7394c7c, 0x01f95bd568150e16}, {0xb307306873d4d3e3, 0xdaea877d357608e0}});
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
        {{0x6724a10826b89f5b, 0xaa9a1c5de4c29454}, {0xb4eb0e135e127ee5, 0xda5177a03f042ef3},
            {0xc9eba0c24132d076, 0x52c9b848b3e40019}, {0x41ff4f39d9a1ea74, 0x188efad479c90c0f}});
}

TEST_CASE("rand_k, own and unscaled, over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::rand_k<indices::own, scaling::none>{.ratio = 30, .scope = scope::whole_model},
        {{0x845b97f20d1bbeea, 0xbb3f129666d0c9b0}, {0x8de96029db4d4f72, 0xce425cf80aad384d},
            {0x743559cd47524ab2, 0xc94ddcce8afe6a07}, {0x15c3e2b8c3d7cb2b, 0x2f076bf116767a13}});
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
        {{0x0e5533ceeae3c058, 0x2fe317b4a24608a4}, {0x8b5604465e99bc50, 0xa6552dbe9a58d7f8},
            {0xec5b1770965262a6, 0xdec4f6b3770e142a}, {0x6485b02b31da9ac3, 0x1d83638b57c4232c}});
}

TEST_CASE("adaptive_random of ratio 50 keeps its bytes")
{
    keeps_its_bytes(gc::adaptive_random{.ratio = 50},
        {{0x4410400e4b9a929e, 0x11d6cc744cae6630}, {0xc06afb06f8897418, 0x072a59e83318deed},
            {0x73b1f77ee8310ea4, 0x2abd7944d996e144}, {0x697505d63ad76f8e, 0x111e110d671c7aae}});
}

TEST_CASE("threshold of the maximum keeps its bytes")
{
    keeps_its_bytes(gc::threshold<>{.limit = 0.01, .ratio = 20},
        {{0x8b43308aff8daa87, 0x89e46291ee78f70b}, {0x44f53786d3ddd7f7, 0xf4b5353e24e8354f},
            {0xfcce3f7cbc2d9b2f, 0xf44095e06bb75c82}, {0x799c40941c1d5514, 0xc6eb2574b1da6f63}});
}

TEST_CASE("threshold of the norm over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::threshold<gc::limit_unit::norm>{.limit = 1, .ratio = 9, .scope = scope::whole_model},
        {{0xeb2e57c840fef3a2, 0x9ca53591b94a03ea}, {0x0b80c51664971725, 0x783fce1b55632726},
            {0x34de0b2caa7c8cc4, 0xddeaaf5075f0cfbb}, {0x3d2a319592771876, 0x21ec6b1d6b9f3d8e}});
}

TEST_CASE("threshold of a fixed magnitude keeps its bytes")
{
    keeps_its_bytes(gc::threshold<gc::limit_unit::absolute>{.limit = 2, .ratio = 9},
        {{0x6020ed42c3754735, 0x4d991b1327f269ce}, {0xd78b8ec8c34b6983, 0x70661811f43b2582},
            {0x6d0d9808ea167025, 0xf72d357ce9ddd5db}, {0x2a12f0fc1bb9cb27, 0xa256b8fc2bf56f6c}});
}

TEST_CASE("block_top_k of blocks of 64 keeps its bytes")
{
    keeps_its_bytes(gc::block_top_k{.ratio = 16},
        {{0x3cdf8c29871f2c79, 0x534b7e2a2ae99e9e}, {0xf4338340b0f17bc7, 0xbe4c6d962b28e8ae},
            {0x8e995ea4841f8d1b, 0x252382b1c857d90e}, {0xa9c2885db0eb6a22, 0x8b545cb8eb46b5fb}});
}

TEST_CASE("block_top_k of blocks of 100 over the whole model keeps its bytes")
{
    keeps_its_bytes(gc::block_top_k{.ratio = 7, .block = 100, .scope = scope::whole_model},
        {{0x0f0d238b68c57de0, 0x58d116ab5b6d33a9}, {0xe4685f7fadff77cf, 0x4eb594697e5a7da4},
            {0x3e6ce58fb3ba26c2, 0x1975d591ab396fd2}, {0xab1f03908b6620b2, 0xb7166b37055b1517}});
}

TEST_CASE("low_rank of rank 3 keeps its bytes")
{
    keeps_its_bytes(gc::low_rank{.rank = 3},
        {{0xcb16679c1c6689f7, 0xaff3aef82b650d92}, {0x2394db582c0c0390, 0xcfcdd1a792f82861},
            {0x40371caffcbe7f4d, 0x87890cbede84ac26}, {0xcb9d19698453c033, 0x709b5c6d4f8049b2}});
}
