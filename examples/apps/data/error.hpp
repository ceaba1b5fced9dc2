/// @file The error that every reader of data throws.
#pragma once

#include <stdexcept>

namespace apps::data {

/// What is wrong with a file or a folder; what() names it.
struct data_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

} // namespace apps::data
