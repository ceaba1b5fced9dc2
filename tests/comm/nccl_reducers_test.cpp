#include "stand_in/ranks.hpp"

#include <gradcomp/comm/nccl.hpp>
#include <gradcomp/reduce/all_gather.hpp>
#include <gradcomp/reduce/gather_to_root.hpp>
#include <gradcomp/reduce/ring.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace gc = gradcomp;
using gc::comm::nccl;
using gc::comm::nccl_session;

namespace {

std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

/// An executor over device memory, as far as reducers need one.
struct device_executor {
    static constexpr gc::memory_space space = gc::memory_space::device;
    template <class T> class buffer {
    public:
        explicit buffer(std::size_t size) : size_(size)
        {
            void* at = nullptr;
            cudaMalloc(&at, size * sizeof(T));
            std::memset(at, 0, size * sizeof(T));
            data_.reset(static_cast<T*>(at), cudaFree);
        }
        T* data() const { return data_.get(); }
        std::size_t size() const { return size_; }

    private:
        std::size_t size_;
        std::shared_ptr<T> data_;
    };
};

constexpr std::size_t elements = 33;
constexpr std::size_t bytes = elements * sizeof(float);

/// A kernel that writes this rank's message of a step.
void write_message(cudaStream_t stream, std::byte* to, int rank, std::uint32_t step)
{
    stand_in::launch(stream, [=] {
        std::vector<float> values(elements);
        for (std::size_t i = 0; i < elements; ++i) values[i] = static_cast<float>(i + 10 * step + index(rank));
        std::memcpy(to, values.data(), bytes);
    });
}

std::vector<float> message_at(cudaStream_t stream, const std::byte* from)
{
    cudaStreamSynchronize(stream);
    std::vector<float> values(elements);
    std::memcpy(values.data(), from, bytes);
    return values;
}

template <class Body> void over_nccl(int ranks, const Body& body)
{
    stand_in::start_over();
    const ncclUniqueId id = stand_in::new_id();
    const auto errors = stand_in::on_ranks(ranks, [&](int rank) {
        const stand_in::owned_stream stream;
        nccl_session session(id, rank, ranks, {.stream = stream});
        body(nccl(session), session.stream());
        session.close();
    });
    for (const auto& one : errors) CHECK_FALSE(one.has_value());
    CHECK(stand_in::counts().misused == 0);
    stand_in::start_over();
}

/// What `Reducer` did wrong in a few steps of which rank 1 rejects the third.
template <class Reducer> int mistakes(const Reducer& reducer, cudaStream_t stream)
{
    const int rank = reducer.communicator.rank(), ranks = reducer.communicator.size();
    typename Reducer::template state<float, device_executor> state(reducer, elements, bytes, 5);
    int wrong = 0;
    for (std::uint32_t step = 0; step < 5; ++step) {
        const bool bad = step == 2 && rank == 1;
        write_message(stream, state.message(), rank, step);
        bool rejected = state.exchange(bad, step);
        if constexpr (Reducer::updates_at_root) {
            if (state.is_root())
                stand_in::launch(stream, [to = state.parameters(), step] { std::fill(to, to + 5, static_cast<float>(step)); });
            rejected = state.publish(rejected ? gc::verdict::rejected : gc::verdict::accepted, step) == gc::verdict::rejected;
            cudaStreamSynchronize(stream);
            wrong += state.parameters()[4] != static_cast<float>(step);
        }
        wrong += rejected != (step == 2);
        for (std::size_t i = 0; i < elements && state.received() > 0; ++i) {
            float sum = 0, expected = 0;
            for (std::size_t r = 0; r < state.received(); ++r) sum += message_at(stream, state.message(r))[i];
            for (int r = 0; r < ranks; ++r) expected += static_cast<float>(i + 10 * step + index(r));
            wrong += sum != expected;
        }
    }
    return wrong;
}

} // namespace

TEST_CASE("ring, all_gather and gather_to_root work over NCCL as they are, votes included")
{
    for (const int ranks : {2, 3, 4}) {
        std::vector<int> wrong(index(ranks));
        over_nccl(ranks, [&](nccl communicator, cudaStream_t stream) {
            wrong[index(communicator.rank())] += mistakes(gc::ring<nccl>{communicator}, stream);
            wrong[index(communicator.rank())] += mistakes(gc::all_gather<nccl>{communicator}, stream);
            wrong[index(communicator.rank())] += mistakes(gc::gather_to_root<nccl>{communicator, 0}, stream);
            wrong[index(communicator.rank())] += mistakes(gc::gather_to_root<nccl>{communicator, ranks - 1}, stream);
        });
        CHECK(wrong == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE("over NCCL a message of another step is an error that names the sender")
{
    std::vector<std::string> values(2);
    over_nccl(2, [&](nccl communicator, cudaStream_t) {
        gc::all_gather<nccl>::state<float, device_executor> state({communicator}, elements, bytes, 0);
        try {
            state.exchange(false, communicator.rank() == 0 ? 4u : 5u);
        } catch (const gc::error& e) {
            values[index(communicator.rank())] = e.what();
        }
    });
    CHECK(values[0].find("bad_message: step = 5: rank 1 is at another step than 4") == 0);
    CHECK(values[1].find("bad_message: step = 4: rank 0 is at another step than 5") == 0);
}
