/// @file Every operator of docs/operators.md that no other file times, with error feedback in place, under the name it has there.
#include "compress/operation.hpp"

namespace {

using namespace gradcomp;

template <class Policy> void add_row(const bench::settings& settings, const char* name, const Policy& policy, std::size_t rows = 0)
{
    const std::size_t d = rows > 0 ? rows * (25'557'032 / rows) : 25'557'032;
    bench::add(settings, policy, {name, bench::what::encode_with_memory, 0, 0, 0, 0, d, 1, rows});
}
#define GRADCOMP_ROW(...) add_row(settings, #__VA_ARGS__, (__VA_ARGS__))

void register_sparsifiers(const bench::settings& settings)
{
    GRADCOMP_ROW(identity{});
    GRADCOMP_ROW(nothing{});
    GRADCOMP_ROW(delta_scaling{.delta = 0.5});
    GRADCOMP_ROW(rand_k<>{.ratio = 100});
    GRADCOMP_ROW(rand_k<indices::shared_seed, scaling::none>{.ratio = 100});
    GRADCOMP_ROW(rand_k<indices::own, scaling::unbiased>{.ratio = 100});
    GRADCOMP_ROW(rand_k<indices::own, scaling::none>{.ratio = 100});
    GRADCOMP_ROW(adaptive_random{.ratio = 100});
    GRADCOMP_ROW(threshold<limit_unit::maximum>{.limit = 0.5, .ratio = 100});
    GRADCOMP_ROW(threshold<limit_unit::norm>{.limit = 0.5, .ratio = 100});
    GRADCOMP_ROW(threshold<limit_unit::absolute>{.limit = 0.5, .ratio = 100});
    GRADCOMP_ROW(block_top_k{.ratio = 64, .block = 64});
    GRADCOMP_ROW(chunked_top_k{.ratio = 64});
    GRADCOMP_ROW(chain{chunked_top_k{.ratio = 64}, min_max<rounding::nearest>{.bits = 2, .bucket = 16}});
    GRADCOMP_ROW(chain{top_k{.ratio = 100}, natural_dithering()});
    add_row(settings, "dct_top_k<>{}", dct_top_k<>{}, 5056);
    add_row(settings, "low_rank{.rank = 4}", low_rank{.rank = 4}, 5056);
    add_row(settings, "by_tensor{vectors(identity{}), otherwise(top_k{.ratio = 100})}", by_tensor{vectors(identity{}), otherwise(top_k{.ratio = 100})}, 5056);
}

void register_quantizers(const bench::settings& settings)
{
    GRADCOMP_ROW(sign<sign_scale::none>{});
    GRADCOMP_ROW(qsgd<>{.bits = 4});
    GRADCOMP_ROW(qsgd<norm::one>{.bits = 8});
    GRADCOMP_ROW(tern_grad{});
    GRADCOMP_ROW(cast<bfloat16>{});
    GRADCOMP_ROW(cast<bfloat16, rounding::stochastic>{});
    GRADCOMP_ROW(cast<fp8_e4m3>{});
    GRADCOMP_ROW(cast<fp8_e5m2, rounding::stochastic>{});
    GRADCOMP_ROW(exponential_dithering<>{.base = 1.5, .levels = 15});
    GRADCOMP_ROW(exponential_dithering<norm::infinity, rounding::nearest>{});
    GRADCOMP_ROW(exponential_rounding<>{});
    GRADCOMP_ROW(exponential_rounding<rounding::nearest>{});
    GRADCOMP_ROW(level_rounding<>{});
    GRADCOMP_ROW(level_rounding<rounding::nearest>{});
    GRADCOMP_ROW(level_rounding<rounding::stochastic, level_scale::absolute>{});
    GRADCOMP_ROW(scaled<qsgd<>>{.lambda = 0.04, .of = {.bits = 2}});
}
#undef GRADCOMP_ROW

const bench::room sparsifiers_here(register_sparsifiers);
const bench::room quantizers_here(register_quantizers);

} // namespace
