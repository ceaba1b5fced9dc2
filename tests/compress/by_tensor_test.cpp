/// @file Compressors by tensor: who takes which tensor, the packed message, the class, and the errors.
#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

using namespace conformance;

namespace {

const gc::tensor_list list{{"fc.weight", {10, 10}}, {"fc.bias", {10}}, {"no", {0, 3}}, {"norm", {}}, {"out.weight", {5, 10}}};

/// How many elements of each tensor a message names.
template <class C> std::vector<long> named_in(const C& compressor)
{
    coding<float, C> run(compressor, list);
    const std::vector<float> gradient(list.total(), 1.0f), owed(list.total());
    const auto touched = run.decode(run.encode(gradient, owed, 0).message).touched;
    std::vector<long> count;
    for (std::size_t t = 0; t < list.count(); ++t) {
        const auto begin = touched.begin() + static_cast<std::ptrdiff_t>(list.offset(t));
        count.push_back(static_cast<long>(std::count(begin, begin + static_cast<std::ptrdiff_t>(list.size(t)), 1)));
    }
    return count;
}

constexpr gc::top_k tenth{.ratio = 10};

} // namespace

TEST_CASE("each tensor goes to the first case that applies")
{
    CHECK(named_in(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(tenth)}) == std::vector<long>{10, 10, 0, 1, 5});
    CHECK(named_in(gc::by_tensor{gc::matrices(gc::nothing{}), gc::otherwise(gc::identity{})}) == std::vector<long>{0, 10, 0, 1, 0});
    CHECK(named_in(gc::by_tensor{gc::up_to(50, gc::identity{}), gc::otherwise(tenth)}) == std::vector<long>{10, 10, 0, 1, 50});
    CHECK(named_in(gc::by_tensor{gc::named(".weight", tenth), gc::otherwise(gc::identity{})}) == std::vector<long>{10, 10, 0, 1, 5});
    CHECK(named_in(gc::by_tensor{gc::named(".weight", gc::nothing{}), gc::matrices(gc::identity{}), gc::otherwise(tenth)}) == std::vector<long>{0, 1, 0, 1, 0});
    CHECK(named_in(gc::by_tensor{gc::otherwise(gc::identity{}), gc::otherwise(gc::nothing{})}) == std::vector<long>{100, 10, 0, 1, 50});
}

TEST_CASE("a case may hold cases of its own")
{
    const gc::by_tensor inner{gc::named("out.weight", gc::identity{}), gc::otherwise(tenth)};
    const gc::by_tensor outer{gc::matrices(inner), gc::otherwise(gc::nothing{})};
    CHECK(named_in(outer) == std::vector<long>{10, 0, 0, 0, 50});
    const gc::by_tensor finite{gc::matrices(inner), gc::otherwise(tenth)};
    CHECK(finite.classes_over(list).b3->delta == doctest::Approx(10));
}

TEST_CASE("the facts are those that all cases share")
{
    using dense_and_blocks = decltype(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::random_block{.ratio = 8})});
    using dense_and_top_k = decltype(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(tenth)});
    using dense_and_unbiased = decltype(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::rand_k<>{.ratio = 8})});
    static_assert(dense_and_blocks::additive && dense_and_blocks::shared_support && dense_and_blocks::contractive && !dense_and_blocks::unbiased);
    static_assert(!dense_and_top_k::additive && !dense_and_top_k::shared_support && dense_and_top_k::contractive);
    static_assert(dense_and_unbiased::unbiased && !dense_and_unbiased::contractive && dense_and_unbiased::additive);
    CHECK((coding<float, dense_and_blocks>({gc::vectors(gc::identity{}), gc::otherwise(gc::random_block{.ratio = 8})}, list).elements() == 11 + 12 + 6));
}

TEST_CASE("the class is the worst of the cases', each over the tensors that it takes")
{
    CHECK(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(tenth)}.classes_over(list).b3->delta == doctest::Approx(10));
    CHECK(!gc::by_tensor{gc::vectors(gc::nothing{}), gc::otherwise(tenth)}.classes_over(list).b3.has_value());
    // Over the whole model, k is out of all elements of the case: 3 of 150, although no tensor alone has fewer than 50.
    const gc::top_k few{.k = 3, .scope = gc::scope::whole_model}, many{.k = 120, .scope = gc::scope::whole_model};
    CHECK(gc::by_tensor{gc::matrices(few), gc::otherwise(gc::identity{})}.classes_over(list).b3->delta == doctest::Approx(50));
    CHECK(gc::by_tensor{gc::matrices(many), gc::otherwise(gc::identity{})}.classes_over(list).b3->delta == doctest::Approx(1.25));
    // A case that takes no tensor has no say.
    CHECK(gc::by_tensor{gc::up_to(100, gc::identity{}), gc::otherwise(gc::nothing{})}.classes_over(list).b3->delta == 1);
}

TEST_CASE("a tensor that no case takes, and a wrong option of a case, are refused by name")
{
    const auto start = [](const auto& options) {
        return complaint([&] { coding<float, std::remove_cvref_t<decltype(options)>> run(options, list); });
    };
    const auto classes = [](const auto& options) { return complaint([&] { static_cast<void>(options.classes_over(list)); }); };
    const gc::by_tensor partial{gc::matrices(tenth)};
    CHECK(start(partial) == "invalid_option compressor by_tensor fc.bias");
    CHECK(classes(partial) == "invalid_option compressor by_tensor fc.bias");
    const gc::by_tensor large{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.k = 60})};
    CHECK(start(large) == "invalid_option k 60 out.weight");
    CHECK(classes(large) == "invalid_option k 60 out.weight");
    CHECK(complaint([] { gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.ratio = 0.25})}.check(); }) == "invalid_option ratio 0.25");
    CHECK(complaint([] { gc::by_tensor{gc::vectors(gc::delta_scaling{.delta = 2}), gc::otherwise(tenth)}.check(); }) == "invalid_option delta 2");
}

TEST_CASE("parts are aligned for their values, and a hostile part is found behind a good one")
{
    const gc::tensor_list odd{{"a", {3}}, {"m", {3, 1}}, {"n", {9}}};
    const gc::by_tensor options{gc::matrices(gc::top_k{.k = 1}), gc::up_to(3, gc::top_k{.k = 3}), gc::otherwise(gc::top_k{.k = 2})};
    coding<double, std::remove_cvref_t<decltype(options)>> run(options, odd);
    const std::vector<double> gradient(15, 1.0), owed(15);
    auto message = run.encode(gradient, owed, 0).message;
    REQUIRE(message.size() == 16 + 32 + 24); // 12, 32 and 20 bytes, padded to 8
    for (const std::size_t at : {12u, 13u, 14u, 15u, 68u, 69u, 70u, 71u}) CHECK(message[at] == std::byte{0});
    CHECK(complaint([&] { run.check(message); }) == "accepted");
    for (const std::size_t at : {12u, 71u}) {
        message[at] = std::byte{7};
        CHECK(complaint([&] { run.check(message); }) == "bad_message byte[" + std::to_string(at) + "] 7");
        message[at] = std::byte{0};
    }
    const std::uint16_t twice[] = {4, 4};
    std::memcpy(message.data() + 48 + 16, twice, 4);
    CHECK(complaint([&] { run.check(message); }) == "bad_message index[1] 4");
}
