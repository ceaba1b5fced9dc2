// Reducers over device memory against the CPU's, one rank and several that share a GPU, bit for bit; what a root says reaches everybody.
#include "cuda_compare.cuh"

#include <gradcomp/comm/device_sum.cuh>

#include <limits>
#include <mutex>

using namespace cuda_stack;

namespace {

using shared_gpu = gc::comm::in_process_device<gc::comm::device_sum>;

/// x and e of every rank after some steps with gradients of its own.
struct outcome {
    std::vector<std::vector<float>> x, e;
    explicit outcome(int ranks) : x(static_cast<std::size_t>(ranks)), e(x.size()) {}
    bool operator==(const outcome&) const = default;
};

template <template <class> class Reducer, class Compressor, class Server, class Memory = gc::ef<>, class Local = gc::plain_gradient>
outcome on_cpu(const Compressor& compressor, const Server& server, int steps, const Memory& memory = {}, const Local& local = {}, int ranks = 3)
{
    outcome found(ranks);
    gc::comm::run_ranks(ranks, [&](gc::comm::in_process communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        gc::policy_stack stack{.compressor = compressor, .memory = memory, .reducer = Reducer<gc::comm::in_process>{communicator}, .local = local, .server = server};
        std::vector<float> x = toy::start<float>();
        auto run = stack.attach(toy::tensors, x);
        for (int step = 0; step < steps; ++step) run.step(toy::gradient<float>(run.gradient_point(), communicator.rank(), static_cast<std::uint64_t>(step)), 0.1);
        found.x[rank] = x;
        found.e[rank] = toy::copy(run.error());
    });
    return found;
}

template <template <class> class Reducer, class Compressor, class Server, class Memory = gc::ef<>, class Local = gc::plain_gradient>
outcome on_gpu(const Compressor& compressor, const Server& server, int steps, const Memory& memory = {}, const Local& local = {}, int ranks = 3)
{
    outcome found(ranks);
    gc::comm::run_ranks_on_device<gc::comm::device_sum>(ranks, [&](const shared_gpu& communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        gc::policy_stack stack{.compressor = compressor, .memory = memory, .reducer = Reducer<shared_gpu>{communicator}, .local = local, .server = server,
            .executor = gc::exec::cuda{communicator.stream()}};
        std::vector<float> x = toy::start<float>();
        gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
        dx.fill_from(x.data(), x.size());
        auto run = stack.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
        for (int step = 0; step < steps; ++step) {
            const auto g = toy::gradient<float>(x, communicator.rank(), static_cast<std::uint64_t>(step));
            dg.fill_from(g.data(), g.size());
            run.step(gc::device_view<const float>(dg.data(), dg.size()), 0.1);
            run.wait();
            x = read<float>(run.gradient_point());
        }
        found.x[rank] = read<float>(run.parameters());
        found.e[rank] = read<float>(run.error());
    });
    return found;
}

} // namespace

TEST_CASE("gather_to_root moves as on the CPU: every kind of memory and server, alone on a GPU")
{
    compare<gc::gather_to_root>(gc::top_k{.ratio = 8}, gc::ef<>{}, gc::plain_gradient{}, gc::descent{}, 1);
    compare<gc::gather_to_root>(gc::qsgd<>{}, gc::none<>{}, gc::plain_gradient{}, gc::amsgrad{}, 1);
    compare<gc::gather_to_root>(gc::random_block{.ratio = 4}, gc::def<gc::staged>{}, gc::momentum{}, gc::server_momentum{.beta = 0.5}, 3);
}

TEST_CASE("quantizers and their gathered messages move as on the CPU, decoded and applied at once")
{
    compare<gc::all_gather>(gc::sign<>{}, gc::ef<>{}, gc::momentum{}, gc::descent{}, 1);
    compare<gc::all_gather>(gc::natural<>{}, gc::def<>{}, gc::plain_gradient{}, gc::descent{}, 1);
}

TEST_CASE("three ranks on one GPU end where three ranks on the CPU do")
{
    CHECK((on_gpu<gc::gather_to_root>(gc::top_k{.ratio = 8}, gc::amsgrad{}, 12) == on_cpu<gc::gather_to_root>(gc::top_k{.ratio = 8}, gc::amsgrad{}, 12)));
    CHECK((on_gpu<gc::all_gather>(gc::block_sign{.bucket = 64}, gc::descent{}, 12) == on_cpu<gc::all_gather>(gc::block_sign{.bucket = 64}, gc::descent{}, 12)));
    CHECK((on_gpu<gc::all_gather>(gc::random_block{.ratio = 4, .block = 16}, gc::descent{}, 12) == on_cpu<gc::all_gather>(gc::random_block{.ratio = 4, .block = 16}, gc::descent{}, 12)));
    CHECK((on_gpu<gc::all_gather>(gc::top_k{.ratio = 8}, gc::descent{}, 12) == on_cpu<gc::all_gather>(gc::top_k{.ratio = 8}, gc::descent{}, 12)));
    CHECK((on_gpu<gc::all_gather>(gc::threshold<>{.limit = 0.5, .ratio = 4}, gc::descent{}, 12) == on_cpu<gc::all_gather>(gc::threshold<>{.limit = 0.5, .ratio = 4}, gc::descent{}, 12)));
    const gc::by_tensor mixed{gc::vectors(gc::identity{}), gc::otherwise(gc::natural<>{})};
    CHECK((on_gpu<gc::all_gather>(mixed, gc::server_momentum{.beta = 0.5}, 12) == on_cpu<gc::all_gather>(mixed, gc::server_momentum{.beta = 0.5}, 12)));
    const gc::cser resets{.reset = gc::top_k{.ratio = 4}, .every = 2};
    CHECK((on_gpu<gc::all_gather>(gc::top_k{.ratio = 8}, gc::descent{}, 12, resets, gc::momentum{}) == on_cpu<gc::all_gather>(gc::top_k{.ratio = 8}, gc::descent{}, 12, resets, gc::momentum{})));
    CHECK((on_gpu<gc::all_gather>(gc::low_rank{.rank = 2}, gc::descent{}, 12) == on_cpu<gc::all_gather>(gc::low_rank{.rank = 2}, gc::descent{}, 12)));
}

TEST_CASE("two, five and eight ranks on one GPU end where as many on the CPU do, through every reducer")
{
    for (const int ranks : {2, 5, 8}) {
        CAPTURE(ranks);
        const gc::random_block blocks{.ratio = 4, .block = 16};
        const gc::top_k largest{.ratio = 8};
        const gc::momentum heavy{};
        const gc::plain_gradient plain{};
        CHECK((on_gpu<gc::ring>(blocks, gc::descent{}, 8, gc::def<>{}, heavy, ranks) == on_cpu<gc::ring>(blocks, gc::descent{}, 8, gc::def<>{}, heavy, ranks)));
        CHECK((on_gpu<gc::all_gather>(largest, gc::descent{}, 8, gc::ef<>{}, plain, ranks) == on_cpu<gc::all_gather>(largest, gc::descent{}, 8, gc::ef<>{}, plain, ranks)));
        CHECK((on_gpu<gc::gather_to_root>(largest, gc::amsgrad{}, 8, gc::ef<>{}, plain, ranks) == on_cpu<gc::gather_to_root>(largest, gc::amsgrad{}, 8, gc::ef<>{}, plain, ranks)));
    }
}

TEST_CASE("one rank's NaN makes every rank skip the step, through the root")
{
    std::mutex gate;
    int refused = 0, unchanged = 0;
    gc::comm::run_ranks_on_device<gc::comm::device_sum>(3, [&](const shared_gpu& communicator) {
        gc::policy_stack stack{.compressor = gc::top_k{.ratio = 8}, .memory = gc::ef<>{}, .reducer = gc::gather_to_root<shared_gpu>{communicator, 1}, .server = gc::amsgrad{},
            .executor = gc::exec::cuda{communicator.stream()}};
        const std::vector<float> x = toy::start<float>();
        gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
        dx.fill_from(x.data(), x.size());
        auto run = stack.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
        std::vector<float> g(toy::size, 1);
        if (communicator.rank() == 2) g[5] = std::numeric_limits<float>::quiet_NaN();
        dg.fill_from(g.data(), g.size());
        run.step(gc::device_view<const float>(dg.data(), dg.size()), 0.1);
        const auto error = toy::error_of([&] { run.wait(); });
        const std::lock_guard lock(gate);
        refused += error && error->code() == gc::error_code::non_finite;
        unchanged += read<float>(run.parameters()) == x;
    });
    CHECK(refused == 3);
    CHECK(unchanged == 3);
}
