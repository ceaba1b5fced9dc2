/// @file Messages of codes: what stands between and behind the codes is 0, and nothing else is accepted.
#include "quantizing.hpp"

using namespace quantizing;

TEST_CASE("a bit that is set where nothing stands is refused, naming the byte")
{
    // Codes of 3 bits: parameters in bytes 0 to 7, 5 codes from bit 128 to 142, 3 codes from bit 256 to 264; codes begin at multiples of 16 bytes.
    const gc::tensor_list list{{"a", {5}}, {"b", {3}}};
    const gc::qsgd<> compressor{.bits = 3};
    coding<float, gc::qsgd<>> run(compressor, list);
    const auto good = run.encode(input<float>(pattern::uniform, 8, 3), std::vector<float>(8), 0).message;
    REQUIRE(good.size() == 48);
    std::size_t refused = 0;
    for (std::size_t bit = 8 * 8; bit < 8 * good.size(); ++bit) {
        auto bad = good;
        bad[bit / 8] ^= std::byte{1} << (bit % 8);
        const bool is_code = (bit >= 128 && bit < 143) || (bit >= 256 && bit < 265);
        const std::string said = complaint([&] { run.check(bad); });
        CAPTURE(bit);
        if (is_code) CHECK(said == "accepted");
        else CHECK(said.rfind("bad_message byte[" + std::to_string(bit / 8) + "]", 0) == 0);
        refused += !is_code;
    }
    CHECK(refused == 320 - 24);
}

TEST_CASE("the same of one scale a tensor, and of a chain's codes")
{
    const auto last_bit = [](const auto& compressor, std::size_t n, std::size_t byte) {
        coding<float, std::remove_cvref_t<decltype(compressor)>> run(compressor, one_tensor(n));
        auto message = run.encode(input<float>(pattern::uniform, n, 3), std::vector<float>(n), 0).message;
        message.at(byte) ^= std::byte{0x80};
        return complaint([&] { run.check(message); });
    };
    CHECK(last_bit(gc::sign<>{}, 7, 16).rfind("bad_message byte[16]", 0) == 0);
    CHECK(last_bit(gc::sign<>{}, 8, 16) == "accepted");
    CHECK(last_bit(gc::sign<>{}, 8, 17).rfind("bad_message byte[17]", 0) == 0);
    CHECK(last_bit(gc::chain{gc::top_k{.k = 5}, gc::qsgd<>{.bits = 3}}, 100, 17).rfind("bad_message byte[17]", 0) == 0);
}
