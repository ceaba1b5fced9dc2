/// @file All that needs only the standard library and threads.
#pragma once

#include <gradcomp/comm/in_process.hpp>
#include <gradcomp/compress/by_tensor.hpp>
#include <gradcomp/compress/delta_scaling.hpp>
#include <gradcomp/compress/identity.hpp>
#include <gradcomp/compress/nothing.hpp>
#include <gradcomp/compress/rand_k.hpp>
#include <gradcomp/compress/random_block.hpp>
#include <gradcomp/compress/top_k.hpp>
#include <gradcomp/memory/def.hpp>
#include <gradcomp/memory/def_a.hpp>
#include <gradcomp/memory/ef.hpp>
#include <gradcomp/memory/none.hpp>
#include <gradcomp/memory/none_accepting_bias.hpp>
#include <gradcomp/memory/psync.hpp>
#include <gradcomp/memory/saef.hpp>
#include <gradcomp/optim/adam.hpp>
#include <gradcomp/optim/amsgrad.hpp>
#include <gradcomp/optim/descent.hpp>
#include <gradcomp/optim/momentum.hpp>
#include <gradcomp/optim/plain_gradient.hpp>
#include <gradcomp/optim/server_momentum.hpp>
#include <gradcomp/policy_stack.hpp>
#include <gradcomp/reduce/all_gather.hpp>
#include <gradcomp/reduce/gather_to_root.hpp>
#include <gradcomp/reduce/ring.hpp>
