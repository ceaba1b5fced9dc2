/// @file Runs a fuzz target without libFuzzer: replay SECONDS FOLDER... takes every file of the folders, then files with random bits flipped.
///
/// For sanitizers that cannot stand the fuzzer's own library beside the target. Calls the C library alone, which all of them know.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <dirent.h>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using bytes = std::vector<std::uint8_t>;

bytes contents(const std::string& path)
{
    bytes all(1 << 16);
    std::FILE* const from = std::fopen(path.c_str(), "rb");
    all.resize(from ? std::fread(all.data(), 1, all.size(), from) : 0);
    if (from) std::fclose(from);
    return all;
}

std::vector<bytes> files_of(const char* folder)
{
    std::vector<bytes> all;
    DIR* const open = opendir(folder);
    while (const dirent* one = open ? readdir(open) : nullptr)
        if (one->d_name[0] != '.') all.push_back(contents(std::string(folder) + "/" + one->d_name));
    if (open) closedir(open);
    return all;
}

/// splitmix64.
std::uint64_t next(std::uint64_t& state)
{
    std::uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

} // namespace

int main(int count, char** arguments)
{
    if (count < 3) return std::fprintf(stderr, "usage: %s SECONDS FOLDER...\n", arguments[0]), 2;
    std::vector<bytes> inputs;
    for (int i = 2; i < count; ++i)
        for (bytes& one : files_of(arguments[i])) inputs.push_back(std::move(one));
    std::uint64_t runs = 0, random = 1;
    for (const bytes& one : inputs) LLVMFuzzerTestOneInput(one.data(), one.size()), ++runs;
    const std::time_t end = std::time(nullptr) + std::atoi(arguments[1]);
    while (!inputs.empty() && std::time(nullptr) < end)
        for (int i = 0; i < 1000; ++i, ++runs) {
            bytes one = inputs[next(random) % inputs.size()];
            for (std::uint64_t flips = next(random) % 6; flips > 0 && !one.empty(); --flips) {
                const std::uint64_t at = next(random);
                one[(at >> 3) % one.size()] ^= static_cast<std::uint8_t>(at & 1 ? 0xff : 1u << (at >> 1 & 7));
            }
            LLVMFuzzerTestOneInput(one.data(), one.size());
        }
    std::printf("stat::number_of_executed_units: %llu\n", static_cast<unsigned long long>(runs));
    return inputs.empty() ? 1 : 0;
}
