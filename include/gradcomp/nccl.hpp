/// @file gradcomp over NCCL: the communicator, and the ways for its id that need only the operating system.
///
/// Plain host code for g++ and clang++: no nvcc. Needs nccl.h, the CUDA runtime's headers and both libraries (CMake: gradcomp::nccl).
#pragma once

#include <gradcomp/comm/nccl.hpp>
#include <gradcomp/comm/nccl_bootstrap_file.hpp>
#include <gradcomp/comm/nccl_bootstrap_tcp.hpp>
