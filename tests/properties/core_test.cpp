/// @file Properties of what all rooms share: indices, layouts, random choices, codes, checksums and frames.
#include "properties/property.hpp"

#if defined(GRADCOMP_TEST_RAPIDCHECK)
#include "compress/complaint.hpp"
#include "conformance/indices.hpp"
#include "conformance/inputs.hpp"

#include <gradcomp/core/blocks.hpp>
#include <gradcomp/core/coded_form.hpp>
#include <gradcomp/core/frame.hpp>
#include <gradcomp/core/index_code.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/exec/cpu/pack.hpp>

#include <cmath>
#include <numeric>

using namespace gradcomp;
using namespace properties;
using conformance::scramble;

namespace {

std::vector<std::byte> some_bytes(std::size_t n, std::uint64_t seed)
{
    std::vector<std::byte> out(n);
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(scramble(seed, i));
    return out;
}

/// Ascending indices of a selection, in their form; sparse ones span several tiles.
struct drawn_indices {
    index_form form;
    std::vector<std::size_t> index;
};
drawn_indices draw_indices()
{
    const std::size_t kept = size_in(0, 40), gap = std::size_t{1} << size_in(0, 27);
    const std::uint64_t seed = any_seed();
    drawn_indices drawn;
    std::size_t at = 0;
    for (std::size_t j = 0; j < kept; ++j) {
        at += scramble(seed, j) % gap;
        drawn.index.push_back(at++);
    }
    drawn.form = index_form_of(at + size_in(0, 70000), kept);
    return drawn;
}

random_stream some_stream() { return {any_seed(), static_cast<std::uint32_t>(any_seed()), 1, purpose::rand_k, 0}; }

/// Lists of up to five tensors, some of them empty.
tensor_list some_list()
{
    const std::uint64_t seed = any_seed();
    std::vector<tensor> all;
    for (std::size_t t = 0; t < size_in(0, 5); ++t)
        all.push_back({"t" + std::to_string(t), {static_cast<std::size_t>(scramble(seed, t) % 7), static_cast<std::size_t>(scramble(seed, 100 + t) % 5)}});
    return tensor_list(all);
}

} // namespace

GRADCOMP_PROPERTY("indices are read as they were written, whole and in parts, and accepted")
{
    const auto drawn = draw_indices();
    const auto words = conformance::written_indices(drawn.form, drawn.index);
    const auto* const wire = reinterpret_cast<const std::byte*>(words.data());
    check_indices(drawn.form, drawn.index.size(), wire, 0);
    RC_ASSERT(conformance::read_indices(drawn.form, wire, drawn.index.size()) == drawn.index);
    const std::size_t end = size_in(0, drawn.index.size()), begin = size_in(0, end);
    std::vector<std::size_t> part;
    each_index_run(drawn.form, wire, begin, end, [&](auto places, std::size_t base, std::size_t from, std::size_t to) {
        for (std::size_t j = from; j < to; ++j) part.push_back(base + places[j]);
    });
    RC_ASSERT(part == std::vector<std::size_t>(drawn.index.begin() + static_cast<std::ptrdiff_t>(begin), drawn.index.begin() + static_cast<std::ptrdiff_t>(end)));
}

GRADCOMP_PROPERTY("indices take the least of 2 bytes each and 4 a tile, 4 bytes, and 8 bytes")
{
    const std::size_t size = scramble(any_seed(), 0) >> size_in(20, 63), kept = size == 0 ? 0 : scramble(any_seed(), 1) % size >> size_in(0, 30);
    const std::size_t tiles = size <= index_tile ? 0 : (size + index_tile - 1) / index_tile, plain = size > std::size_t{1} << 32 ? 8 : 4;
    const std::size_t bytes = index_form_of(size, kept).bytes();
    RC_ASSERT(bytes % 4 == 0 && bytes <= plain * kept && bytes <= 4 * tiles + (2 * kept + 3) / 4 * 4 && (bytes == plain * kept || bytes == 4 * tiles + (2 * kept + 3) / 4 * 4));
}

GRADCOMP_PROPERTY("whatever bytes stand for indices, what is accepted ascends inside the selection")
{
    const auto drawn = draw_indices();
    auto words = conformance::written_indices(drawn.form, drawn.index);
    const std::uint64_t seed = any_seed();
    for (std::size_t n = 0; n < 2 && !words.empty(); ++n) words[scramble(seed, n) % words.size()] ^= static_cast<std::uint32_t>(scramble(seed, 9 + n) >> size_in(0, 63));
    const auto* const wire = reinterpret_cast<const std::byte*>(words.data());
    try {
        check_indices(drawn.form, drawn.form.kept, wire, 0);
    } catch (const error& e) {
        RC_ASSERT(e.code() == error_code::bad_message);
        return;
    }
    const auto back = conformance::read_indices(drawn.form, wire, drawn.form.kept);
    RC_ASSERT(back.size() == drawn.form.kept);
    for (std::size_t j = 0; j < back.size(); ++j) RC_ASSERT(back[j] < drawn.form.size && (j == 0 || back[j] > back[j - 1]));
    RC_ASSERT(conformance::written_indices(drawn.form, back) == words); // one message says it, and no other
}

GRADCOMP_PROPERTY("check_indices accepts exactly what ascends inside the selection")
{
    const std::size_t size = size_in(1, 12), count = size_in(0, 4), width = *rc::gen::element<std::size_t>(2, 4, 8);
    const std::uint64_t seed = any_seed();
    std::vector<std::size_t> index;
    for (std::size_t j = 0; j < count; ++j) index.push_back(scramble(seed, j) % 16);
    bool good = true;
    for (std::size_t j = 0; j < count; ++j) good &= index[j] < size && (j == 0 || index[j] > index[j - 1]);
    const index_form form{size, count, 0, width};
    const auto words = conformance::written_indices(form, index);
    RC_ASSERT((complaint([&] { check_indices(form, count, reinterpret_cast<const std::byte*>(words.data()), 0); }) == "accepted") == good);
}

GRADCOMP_PROPERTY("a layout covers every element of its tensors once, and its messages lie behind each other")
{
    const tensor_list list = some_list();
    const auto over = *rc::gen::element(scope::per_tensor, scope::whole_model);
    const layout cut = make_layout(list, list.numbers(), over, [](std::size_t d) { return d / 2; });
    std::vector<int> seen(list.total());
    std::size_t payload = 0, position = 0;
    for (const selection& s : cut.selections) {
        RC_ASSERT(s.payload == payload && s.position == position && s.kept == s.size / 2);
        payload += s.kept, position += s.size;
        const place_of place(cut, s);
        for (std::size_t i = 0; i < s.size; ++i) ++seen[place(i)];
    }
    RC_ASSERT(payload == cut.kept && cut.size == list.total());
    RC_ASSERT(std::count(seen.begin(), seen.end(), 1) == static_cast<std::ptrdiff_t>(seen.size()));
}

GRADCOMP_PROPERTY("k lies between 1 and d, is about d / ratio, and does not grow with the ratio")
{
    const std::size_t d = *rc::gen::arbitrary<std::uint32_t>();
    const double ratio = 1 + static_cast<double>(size_in(0, 1'000'000)) / 128, larger = ratio * (1 + static_cast<double>(size_in(0, 1000)) / 64);
    const std::size_t k = kept_count(d, ratio);
    RC_ASSERT(k <= d && (d == 0 || k >= 1) && kept_count(d, larger) <= k);
    RC_ASSERT(k == (d == 0 ? 0 : 1) || std::abs(static_cast<double>(k) - static_cast<double>(d) / ratio) <= 1);
}

GRADCOMP_PROPERTY("the keyed permutation is a bijection")
{
    const auto n = static_cast<std::uint32_t>(size_in(1, 200));
    const keyed_permutation order(n, some_stream());
    std::vector<bool> hit(n);
    for (std::uint32_t x = 0; x < n; ++x) {
        const std::uint32_t y = order(x);
        RC_ASSERT(y < n && !hit[y] && order.inverse(y) == x);
        hit[y] = true;
    }
}

GRADCOMP_PROPERTY("the keyed permutation has its inverse for every n up to 2^31")
{
    const auto n = static_cast<std::uint32_t>(size_in(1, std::size_t{1} << *rc::gen::inRange(0, 32)));
    const auto x = static_cast<std::uint32_t>(any_seed() % n);
    const keyed_permutation order(n, some_stream());
    RC_ASSERT(order(x) < n && order.inverse(order(x)) == x && order(order.inverse(x)) == x);
}

GRADCOMP_PROPERTY("below(n) is below n")
{
    const std::uint64_t n = 1 + (any_seed() >> 32 >> *rc::gen::inRange(0, 31));
    RC_ASSERT(some_stream().below(n, static_cast<std::uint32_t>(any_seed())) < n);
}

GRADCOMP_PROPERTY("codes of any width are unpacked as they were packed, and nothing behind them is written")
{
    const int bits = *rc::gen::inRange(1, 17);
    const std::size_t n = size_in(0, 200), bytes = packed_bytes(n, bits);
    const std::uint64_t seed = any_seed();
    std::vector<std::uint16_t> code(n), back(n);
    for (std::size_t i = 0; i < n; ++i) code[i] = static_cast<std::uint16_t>(scramble(seed, i) & ((1u << bits) - 1));
    std::vector<std::uint8_t> packed(bytes + 8, 0xcc);
    exec::detail::pack_portable(code.data(), n, bits, packed.data());
    for (std::size_t j = bytes; j < packed.size(); ++j) RC_ASSERT(packed[j] == 0xcc);
    exec::detail::unpack_portable(packed.data(), n, bits, back.data());
    RC_ASSERT(back == code);
}

GRADCOMP_PROPERTY("a coded form puts every tensor's codes at a multiple of 16 bytes, behind the parameters and apart")
{
    const tensor_list list = some_list();
    const layout where = make_layout(list, list.numbers(), scope::per_tensor, [](std::size_t d) { return d; });
    const int bits = *rc::gen::inRange(1, 17), parameters = *rc::gen::inRange(0, 3);
    const std::size_t bucket = std::size_t{8} << size_in(0, 6);
    const coded_form form = make_coded_form<float>(where, bits, parameters, bucket);
    std::size_t end = form.parameter_bytes, wanted = 0;
    for (std::size_t s = 0; s < form.places.size(); ++s) {
        RC_ASSERT(form.places[s].codes % 16 == 0 && form.places[s].codes >= end && form.places[s].parameter == wanted);
        end = form.places[s].end;
        RC_ASSERT(end - form.places[s].codes == packed_bytes(where.segments[s].size, bits));
        wanted += (where.segments[s].size + bucket - 1) / bucket * static_cast<std::size_t>(parameters);
    }
    RC_ASSERT(form.bytes >= end && form.bytes % 16 == 0 && form.parameters == wanted);
}

GRADCOMP_PROPERTY("ordered() orders as the numbers do and leads back")
{
    const float a = __builtin_bit_cast(float, static_cast<std::uint32_t>(any_seed())), b = __builtin_bit_cast(float, static_cast<std::uint32_t>(any_seed()));
    RC_PRE(is_finite(a) && is_finite(b));
    RC_ASSERT(bits_of(from_ordered<float>(ordered(a))) == bits_of(a));
    if (a < b) RC_ASSERT(ordered(a) < ordered(b));
}

GRADCOMP_PROPERTY("every scale that is sent is one that is accepted")
{
    const double x = __builtin_bit_cast(double, any_seed() & ~key_of<double>::sign);
    RC_PRE(is_finite(x));
    RC_ASSERT(is_scale(limited_scale(x)) && is_scale(limited_scale(static_cast<float>(x))) && limited_scale(x) <= scale_limits<double>::most);
}

GRADCOMP_PROPERTY("a tree sum of integers is exact, and of any numbers as near as its depth allows")
{
    const std::size_t n = size_in(0, 512);
    const auto whole = conformance::input<float>(conformance::pattern::integers, n, any_seed()), any = conformance::input<float>(conformance::pattern::heavy, n, any_seed());
    const auto sum_of = [n](const std::vector<float>& x) { return tree_sum<float>(n, [&x](std::size_t i, float sum) { return sum + x[i]; }); };
    RC_ASSERT(sum_of(whole) == std::accumulate(whole.begin(), whole.end(), 0.0f));
    double exact = 0, size = 0;
    for (const float v : any) exact += static_cast<double>(v), size += std::abs(static_cast<double>(v));
    RC_ASSERT(std::abs(static_cast<double>(sum_of(any)) - exact) <= 22 * 0x1p-24 * size); // 16 additions in a lane, 5 across
}

GRADCOMP_PROPERTY("text_of reads back as the same number")
{
    const double x = __builtin_bit_cast(double, any_seed());
    RC_PRE(is_finite(x));
    RC_ASSERT(std::strtod(text_of(x).c_str(), nullptr) == x);
}

GRADCOMP_PROPERTY("CRC32C of two pieces continues from the first")
{
    const auto bytes = some_bytes(size_in(0, 100), any_seed());
    const std::size_t cut = size_in(0, bytes.size());
    const std::span<const std::byte> all(bytes);
    RC_ASSERT(crc32c(all.subspan(cut), crc32c(all.first(cut))) == crc32c(all));
}

GRADCOMP_PROPERTY("a frame is read as it was written")
{
    const auto payload = some_bytes(size_in(0, 100), any_seed());
    const frame_header sent{.element = 8, .kind = static_cast<std::uint32_t>(any_seed()), .tensors = static_cast<std::uint32_t>(any_seed()), .step = any_seed(), .bytes = payload.size()};
    std::vector<std::byte> frame(sizeof(frame_header) + payload.size());
    RC_ASSERT(write_frame(sent, payload, frame.data()) == frame.size());
    const auto read = read_frame(sent, frame);
    RC_ASSERT(std::equal(read.begin(), read.end(), payload.begin(), payload.end()));
}

GRADCOMP_PROPERTY("a frame in which up to 32 neighbouring bits changed is refused")
{
    const auto payload = some_bytes(size_in(0, 60), any_seed());
    const frame_header sent{.kind = 3, .bytes = payload.size()};
    std::vector<std::byte> frame(sizeof(frame_header) + payload.size());
    write_frame(sent, payload, frame.data());
    const std::uint64_t burst = (any_seed() >> 32 >> *rc::gen::inRange(0, 32)) | 1;
    const std::size_t at = size_in(0, 8 * frame.size() - 1);
    for (std::size_t bit = 0; bit < 32 && at + bit < 8 * frame.size(); ++bit)
        if (burst >> bit & 1) frame[(at + bit) / 8] ^= std::byte{1} << ((at + bit) % 8);
    RC_ASSERT(complaint([&] { read_frame(sent, frame); }).rfind("bad_message ", 0) == 0);
}

GRADCOMP_PROPERTY("lists share a hash exactly where they agree")
{
    const tensor_list a = some_list(), b = some_list();
    bool same = a.count() == b.count();
    for (std::size_t t = 0; same && t < a.count(); ++t) same = a[t].name == b[t].name && a[t].shape == b[t].shape;
    RC_ASSERT((hash_of(a) == hash_of(b)) == same);
}

#endif
