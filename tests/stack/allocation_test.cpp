/// @file step() allocates nothing from the second step on: operator new, malloc and its kin, and mmap are counted, on every thread.
#include "toy.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define GRADCOMP_TEST_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRADCOMP_TEST_SANITIZED 1
#endif

#if !defined(__GLIBC__) || defined(GRADCOMP_TEST_SANITIZED)

TEST_CASE("allocations are counted only without sanitizers, whose allocators take the place of the counted functions")
{
    std::puts("not run: allocations in step() (needs glibc and a build without sanitizers)");
    CHECK(toy::tensors.total() == toy::size);
}

#else

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {
std::atomic<bool> counting{false};
std::atomic<long> taken{0};
void count()
{
    if (counting.load(std::memory_order_relaxed)) taken.fetch_add(1, std::memory_order_relaxed);
}
} // namespace

extern "C" {
void* malloc(std::size_t bytes) noexcept { return count(), __libc_malloc(bytes); }
void* calloc(std::size_t n, std::size_t bytes) noexcept { return count(), __libc_calloc(n, bytes); }
void* realloc(void* old, std::size_t bytes) noexcept { return count(), __libc_realloc(old, bytes); }
void* aligned_alloc(std::size_t align, std::size_t bytes) noexcept { return count(), __libc_memalign(align, bytes); }
void* memalign(std::size_t align, std::size_t bytes) noexcept { return count(), __libc_memalign(align, bytes); }
int posix_memalign(void** out, std::size_t align, std::size_t bytes) noexcept
{
    count();
    *out = __libc_memalign(align, bytes);
    return *out != nullptr || bytes == 0 ? 0 : ENOMEM;
}
void* mmap(void* where, std::size_t bytes, int protection, int flags, int file, off_t offset) noexcept
{
    count();
    return reinterpret_cast<void*>(::syscall(SYS_mmap, where, bytes, protection, flags, file, offset));
}
}

namespace {
void* counted_new(std::size_t bytes)
{
    void* const p = malloc(bytes > 0 ? bytes : 1); // counted there
    if (p == nullptr) throw std::bad_alloc();
    return p;
}
void* counted_new(std::size_t bytes, std::align_val_t align)
{
    void* const p = aligned_alloc(static_cast<std::size_t>(align), bytes > 0 ? bytes : 1);
    if (p == nullptr) throw std::bad_alloc();
    return p;
}
} // namespace

void* operator new(std::size_t bytes) { return counted_new(bytes); }
void* operator new[](std::size_t bytes) { return counted_new(bytes); }
void* operator new(std::size_t bytes, std::align_val_t align) { return counted_new(bytes, align); }
void* operator new[](std::size_t bytes, std::align_val_t align) { return counted_new(bytes, align); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return malloc(bytes > 0 ? bytes : 1); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return malloc(bytes > 0 ? bytes : 1); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace gc = gradcomp;

namespace {

const gc::momentum local{.beta = 0.9, .weight_decay = 1e-3};
const gc::tensor_list large{{"matrix", {300, 260}}, {"bias", {300}}, {"other", {40, 10}}};

/// What steps 2 to 100 of a stack allocate, on 1, 2 and 4 ranks with 1 and 2 threads each, period 1 and 3.
template <class Make> long allocations(Make make)
{
    long total = 0;
    for (const int ranks : {1, 2, 4})
        for (const std::size_t threads : {std::size_t{1}, std::size_t{2}})
            for (const std::uint32_t period : {1u, 3u}) {
                gc::comm::run_ranks(ranks, [&](gc::comm::in_process communicator) {
                    auto stack = make(communicator);
                    stack.period = period;
                    stack.executor.threads = threads;
                    std::vector<float> x(large.total(), 1.f), g(large.total());
                    auto exchange = stack.attach(large, x);
                    for (std::uint32_t step = 1; step <= 99 + period; ++step) {
                        if (step == period + 1) { // the first exchange is over
                            communicator.barrier();
                            counting = true;
                        }
                        const auto z = exchange.gradient_point();
                        for (std::size_t i = 0; i < g.size(); ++i) g[i] = z[i] * (0.5f + static_cast<float>((i * 7 + step * 13) % 97) / 97.f) - 0.3f;
                        exchange.step(g, 0.01);
                        if constexpr (gc::states_lambda<typename decltype(stack)::memory_type>) exchange.set_lambda(step % 2 == 0 ? 0.25 : 0.75);
                    }
                    communicator.barrier();
                    counting = false;
                    communicator.barrier();
                });
                total += taken.exchange(0);
            }
    return total;
}

} // namespace

TEST_CASE("the hooks see what is allocated")
{
    taken = 0;
    counting = true;
    void* volatile a = std::malloc(10);
    void* volatile b = std::calloc(3, 3);
    void* volatile c = std::aligned_alloc(64, 64);
    int* volatile d = new int[3];
    void* const e = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::thread([] { std::free(std::malloc(5)); }).join();
    counting = false;
    std::free(a);
    std::free(b);
    std::free(c);
    delete[] d;
    ::munmap(e, 4096);
    CHECK(taken.exchange(0) >= 6);
}

TEST_CASE("no step after the first allocates: stacks without memory")
{
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{c}, .local = local}; }) == 0);
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::rand_k<>{.ratio = 20}, .memory = gc::none<gc::staged>{}, .reducer = gc::ring{c}}; }) == 0);
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::top_k{.ratio = 20}, .memory = gc::none_accepting_bias{}, .reducer = gc::all_gather{c}}; }) == 0);
}

TEST_CASE("no step after the first allocates: the error-feedback family")
{
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::top_k{.ratio = 20}, .memory = gc::ef{}, .reducer = gc::all_gather{c}, .local = local}; }) == 0);
    CHECK(allocations([](auto c) {
        return gc::policy_stack{.compressor = gc::top_k{.ratio = 20, .scope = gc::scope::whole_model}, .memory = gc::ef<gc::staged>{.units = gc::units::gradient},
            .reducer = gc::gather_to_root{c}, .server = gc::server_momentum{}};
    }) == 0);
    CHECK(allocations([](auto c) {
        return gc::policy_stack{.compressor = gc::random_block{.ratio = 20}, .memory = gc::def{}, .reducer = gc::ring{c}, .local = local, .server = gc::server_momentum{}};
    }) == 0);
    CHECK(allocations([](auto c) {
        return gc::policy_stack{.compressor = gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::random_block{.ratio = 20, .block = 64})},
            .memory = gc::def_a<gc::staged>{}, .reducer = gc::ring{c}, .local = local};
    }) == 0);
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::random_block{.ratio = 20}, .memory = gc::saef{.averaging_period = 5}, .reducer = gc::ring{c}}; }) == 0);
    CHECK(allocations([](auto c) {
        return gc::policy_stack{.compressor = gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 20}, .memory = gc::psync{}, .reducer = gc::gather_to_root{c}, .local = local};
    }) == 0);
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = gc::ef{}, .reducer = gc::ring{c}, .local = local}; }) == 0);
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = gc::def<gc::staged>{}, .reducer = gc::all_gather{c}}; }) == 0);
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::sign<>{}, .memory = gc::ef{}, .reducer = gc::all_gather{c}, .local = local}; }) == 0);
    const gc::chain two_bits{gc::chunked_top_k{.ratio = 20, .chunk = 256}, gc::min_max<gc::rounding::nearest>{.bits = 2, .bucket = 16}};
    CHECK(allocations([two_bits](auto c) { return gc::policy_stack{.compressor = two_bits, .memory = gc::ef{.decay = 0.95}, .reducer = gc::all_gather{c}, .local = local, .period = 3}; }) == 0);
    const gc::dct_top_k<gc::coefficient_mean::contributors> coefficients{.k = 1, .chunk = 2}; // small, so that the transform takes no time
    CHECK(allocations([coefficients](auto c) {
        return gc::policy_stack{.compressor = coefficients, .memory = gc::ef<gc::staged>{.decay = 0.999}, .reducer = gc::all_gather{c}, .server = gc::majority_vote{}};
    }) == 0);
    CHECK(allocations([](auto c) { return gc::policy_stack{.compressor = gc::delta_scaling{.delta = 0.1}, .memory = gc::def_a{.lambda = 1}, .reducer = gc::ring{c}}; }) == 0);
}

#endif
