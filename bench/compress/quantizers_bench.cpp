/// @file Quantizers with error feedback, and decoding of codes and of sparse messages, against bare kernels of the same traffic.
#include "compress/operation.hpp"

namespace {

using namespace gradcomp;
using bench::add, bench::code_case, bench::what;

void register_them(const bench::settings& settings)
{
    constexpr std::size_t d = 25'557'032;
    constexpr double one = 4.0 / 512;
    const auto memory = [](const char* name, double bits, double parameters, double gate, double aim) {
        return code_case{name, what::encode_with_memory, bits, parameters, gate, aim, d, 1};
    };
    add(settings, sign<>{}, memory("sign", 1, 0, 1.10, 1.03));
    add(settings, block_sign{}, memory("block_sign", 1, one, 0, 0));
    add(settings, natural<>{}, memory("natural_9", 9, 0, 1.8, 1.2));
    add(settings, natural<exponents::per_bucket>{}, memory("natural_8", 8, one, 1.8, 1.2));
    add(settings, qsgd<norm::infinity>{.bits = 8}, memory("qsgd_8", 8, one, 1.45, 1.2));
    add(settings, qsgd<norm::infinity>{.bits = 4}, memory("qsgd_4", 4, one, 1.65, 1.3));
    add(settings, qsgd<norm::two>{.bits = 8}, memory("qsgd_8_norm_2", 8, one, 0, 0));
    add(settings, min_max<rounding::nearest>{}, memory("min_max_8_nearest", 8, 2 * one, 1.3, 1.1));
    add(settings, min_max<rounding::stochastic>{}, memory("min_max_8_stochastic", 8, 2 * one, 1.5, 1.25));
    add(settings, cast<half>{}, memory("cast_half", 16, one, 0, 0));
    add(settings, cast<fp8_e4m3, rounding::stochastic>{}, memory("cast_e4m3_stochastic", 8, one, 0, 0));
    add(settings, natural_dithering(7), memory("natural_dithering_7", 4, one, 0, 0));
    const auto other = [](const char* name, what does, double bits, double parameters, double gate, double aim) {
        return code_case{name, does, bits, parameters, gate, aim, d, 1};
    };
    add(settings, min_max<rounding::nearest>{}, other("min_max_8_nearest", what::encode, 8, 2 * one, 0, 0));
    add(settings, cast<half>{}, other("cast_half", what::encode, 16, one, 0, 0));
    add(settings, sign<>{}, other("sign", what::decode, 1, 0, 1.10, 1.0));
    add(settings, qsgd<norm::infinity>{.bits = 8}, other("qsgd_8", what::decode, 8, one, 1.10, 1.0));
    add(settings, natural<>{}, other("natural_9", what::decode, 9, 0, 0, 0));
    const auto sparse = [&](const char* name, double ratio, what does, double gate, double aim) { // 4 bytes a value, 2 an index, 4 a tile of indices
        add(settings, top_k{.ratio = ratio}, other(name, does, 48 / ratio, 4.0 / index_tile, gate, aim));
    };
    sparse("top_k_of_100", 100, what::fill, 1.10, 1.0);
    sparse("top_k_of_10", 10, what::decode, 1.4, 1.2);
    add(settings, qsgd<norm::infinity>{.bits = 8}, other("qsgd_8", what::update, 8, one, 1.10, 1.0));
}

const bench::room here(register_them);

} // namespace
