/// @file The images of an experiment, loaded once, by whoever needs them first.
#pragma once

#include "data/fashion_mnist.hpp"
#include "data/images.hpp"

#include <string>

namespace apps::reproduce {

/// Fashion-MNIST from --data, GRADCOMP_DATA, the cache or a download; synthetic images only where `folder` says so.
/// @throws data_error where there are none: claims about real data are not judged on a stand-in.
inline const data::dataset& images(const std::string& folder)
{
    static const data::dataset set = [&] {
        data::dataset found = data::load_fashion_mnist(data::fashion_request::from_environment(folder));
        return found;
    }();
    return set;
}

} // namespace apps::reproduce
