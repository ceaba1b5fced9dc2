/// @file Writes the golden files of compressors that have none: write_golden FOLDER. A file that exists is never touched, for later versions
/// must read what earlier ones wrote.
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"
#include "fuzz/golden.hpp"

#include <cstdio>

namespace {

using namespace fuzzing;

template <class T, class C> void write_one(const std::filesystem::path& folder, std::uint32_t number, const char* name, const C& compressor, const gc::tensor_list& list)
{
    const decoder receiver = make_decoder<T>(number, name, compressor, list);
    const auto path = folder / golden_name(receiver);
    if (std::filesystem::exists(path)) return;
    conformance::coding<T, C> sender(compressor, list);
    const auto gradient = conformance::input<T>(conformance::pattern::heavy, list.total(), 1), owed = conformance::input<T>(conformance::pattern::uniform, list.total(), 2);
    golden made{sender.encode(gradient, owed, decoder::golden_step).message, 0};
    decoded what(list.total());
    receive(receiver, made.message, what);
    made.digest = digest_of(what);
    write_golden(path, receiver, made);
    std::printf("%s: %zu bytes\n", path.c_str(), made.message.size());
}

} // namespace

int main(int count, char** arguments)
{
    if (count != 2) return std::fprintf(stderr, "usage: %s FOLDER\n", arguments[0]), 2;
    const auto both = [&](std::uint32_t number, const char* name, const auto& compressor, const gc::tensor_list& list) {
        write_one<float>(arguments[1], number, name, compressor, list);
        write_one<double>(arguments[1], number, name, compressor, list);
    };
    each_sparsifier(both);
    each_quantizer(both);
    each_sparsifier_of_tiles(both);
    each_in_rounds(both);
}
