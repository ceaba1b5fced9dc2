/// @file The images of an experiment, loaded once, by whoever needs them first.
#pragma once

#include "data/error.hpp"
#include "data/fashion_mnist.hpp"
#include "data/images.hpp"

#include <string>

namespace apps::reproduce {

/// What was found, unless it is the generated stand-in and `folder` does not ask for that.
/// @throws data_error: claims about real data are not judged on a stand-in.
inline data::dataset asked_for(data::dataset found, const std::string& folder)
{
    if (found.synthetic && folder != "synthetic")
        throw data::data_error("Fashion-MNIST is needed and was not found: name its folder by --data or GRADCOMP_DATA (--data synthetic trains on generated images and leaves the claims about images open)");
    return found;
}

/// Fashion-MNIST from --data, GRADCOMP_DATA, the cache or a download; synthetic images only where `folder` says so.
/// @throws data_error where there are none.
inline const data::dataset& images(const std::string& folder)
{
    static const data::dataset set = asked_for(data::load_fashion_mnist(data::fashion_request::from_environment(folder)), folder);
    return set;
}

} // namespace apps::reproduce
