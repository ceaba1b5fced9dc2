// The memories and local rules with sweeps of their own on the GPU against the same stack on the CPU, bit for bit: what settles late, what evaluates elsewhere, what averages.
#include "cuda_compare.cuh"

using namespace cuda_stack;
using gc::staged;

namespace {

const gc::random_block blocks{.ratio = 4, .block = 16};
const gc::top_k largest{.ratio = 8};

} // namespace

TEST_CASE("ef21 and its server's estimate move as on the CPU, with choices that are final before anything is written")
{
    compare<gc::all_gather>(largest, gc::ef21<>{}, gc::plain_gradient{}, gc::estimate{}, 1);
    compare<gc::all_gather>(largest, gc::ef21<staged>{}, gc::momentum{.beta = 0.9, .dampened = true}, gc::estimate{}, 1);
}

TEST_CASE("econtrol moves as on the CPU: its estimate, and the sum of what that missed, read again from the gradient or from the local rule's state")
{
    compare<gc::all_gather>(largest, gc::econtrol<>{.eta_c = 0.05}, gc::plain_gradient{.weight_decay = 1e-2}, gc::estimate{}, 1);
    compare<gc::all_gather>(gc::adaptive_random{.ratio = 8}, gc::econtrol<>{.eta_c = 0.05}, gc::plain_gradient{}, gc::estimate{}, 1);
    compare<gc::all_gather>(largest, gc::econtrol<staged>{.eta_c = 0.05}, gc::momentum{.beta = 0.9, .dampened = true}, gc::estimate{}, 1);
}

TEST_CASE("loco moves as on the CPU: an average of errors, forgotten every few exchanges")
{
    compare<gc::all_gather>(largest, gc::loco<>{.reset_every = 7}, gc::plain_gradient{.weight_decay = 1e-2}, gc::descent{}, 1);
    compare<gc::all_gather>(gc::sign<>{}, gc::loco<>{.reset_every = 0, .units = gc::units::model}, gc::plain_gradient{}, gc::descent{}, 1);
    compare<gc::all_gather>(largest, gc::loco<staged>{.reset_every = 7}, gc::momentum{}, gc::descent{}, 1);
}

TEST_CASE("psync moves as on the CPU, where each rank evaluates its own model")
{
    compare<gc::ring>(blocks, gc::psync<staged>{.units = gc::units::gradient}, gc::plain_gradient{}, gc::descent{}, 2);
    compare<gc::gather_to_root>(gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 4}, gc::psync<>{}, gc::momentum{.beta = 0.9, .weight_decay = 1e-2}, gc::descent{}, 1);
}

TEST_CASE("momentum correction moves as on the CPU: what was sent forgets its momentum")
{
    compare<gc::all_gather>(largest, gc::momentum_correction<>{}, gc::momentum{}, gc::descent{}, 1);
    compare<gc::all_gather>(largest, gc::momentum_correction<staged>{.units = gc::units::model}, gc::momentum{.beta = 0.9, .weight_decay = 1e-2}, gc::descent{}, 1);
}

TEST_CASE("Adam before compression moves as on the CPU, both places of epsilon, with and without decay")
{
    compare<gc::all_gather>(largest, gc::ef<>{}, gc::adam{}, gc::descent{}, 1);
    compare<gc::ring>(blocks, gc::def<>{}, gc::adam{.epsilon = 1e-3, .place = gc::epsilon_place::outside_root, .weight_decay = 1e-2}, gc::descent{}, 1);
}

TEST_CASE("memories that forget move as on the CPU: SparseLoCo's chunks in two bits behind local steps, and DeMo's coefficients behind a sign")
{
    const gc::chain two_bits{gc::chunked_top_k{.ratio = 4, .chunk = 64}, gc::min_max<gc::rounding::nearest>{.bits = 2, .bucket = 16}};
    compare<gc::all_gather>(two_bits, gc::ef<>{.decay = 0.95}, gc::momentum{.beta = 0.9}, gc::server_momentum{.beta = 0, .rate = 0.7, .units = gc::units::model}, 3);
    const gc::dct_top_k<gc::coefficient_mean::contributors> coefficients{.k = 5, .chunk = 16};
    compare<gc::all_gather>(coefficients, gc::ef<staged>{.decay = 0.999}, gc::plain_gradient{}, gc::majority_vote{.weight_decay = 1e-2}, 1);
}
