/// @file Finds, downloads and reads Fashion-MNIST.
#include "data/fashion_mnist.hpp"

#include "data/error.hpp"
#include "data/idx.hpp"
#include "data/synthetic.hpp"

#include <algorithm>
#include <cstdlib>
#include <system_error>

namespace apps::data {
namespace {

namespace fs = std::filesystem;

/// Inputs are (pixel - its mean over the training images) / this. It decides how close to instability a learning rate runs; chosen on held-out
/// training images (docs/results says how).
constexpr double input_deviation = 0.5;

std::string environment(const char* name)
{
    const char* value = std::getenv(name);
    return value ? value : "";
}

bool has_file(const fs::path& file)
{
    std::error_code ignored;
    return fs::is_regular_file(file, ignored);
}

/// How many of the four files a folder holds.
std::size_t files_in(const fs::path& folder, const fashion_files& files)
{
    return static_cast<std::size_t>(std::count_if(files.begin(), files.end(), [&](const remote_file& file) { return has_file(folder / file.name); }));
}

labelled_images read_split(const fs::path& images_file, const fs::path& labels_file)
{
    idx_array images = read_idx(images_file, 3);
    idx_array labels = read_idx(labels_file, 1);
    const std::string shape = std::to_string(images.shape[1]) + " x " + std::to_string(images.shape[2]);
    if (images.shape[1] != 28 || images.shape[2] != 28) throw data_error(images_file.string() + ": holds images of " + shape + " pixels, expected 28 x 28");
    if (images.shape[0] != labels.shape[0])
        throw data_error(labels_file.string() + ": holds " + std::to_string(labels.shape[0]) + " labels for " + std::to_string(images.shape[0]) + " images");
    const auto bad = std::find_if(labels.values.begin(), labels.values.end(), [](std::uint8_t label) { return label >= 10; });
    if (bad != labels.values.end())
        throw data_error(labels_file.string() + ": label " + std::to_string(bad - labels.values.begin()) + " is " + std::to_string(*bad) + ", expected 0 to 9");
    return {images.shape[0], 28 * 28, std::move(images.values), std::move(labels.values)};
}

/// The folder itself, or its sub-folder fashion-mnist, whichever holds more of the files; the first where they are equal.
fs::path best_folder(const fs::path& folder, const fashion_files& files)
{
    const fs::path inner = folder / "fashion-mnist";
    return files_in(inner, files) > files_in(folder, files) ? inner : folder;
}

/// Fetches what the cache lacks; a base URL that fails once is not asked for the other files.
void fill_cache(const fashion_request& request)
{
    std::string faults;
    for (const std::string& url : request.urls) {
        try {
            for (const remote_file& file : request.files)
                if (!has_file(request.cache / file.name)) download(file, url, request.cache);
            return;
        } catch (const data_error& fault) {
            faults += (faults.empty() ? "" : "; ") + std::string(fault.what());
        }
    }
    throw data_error(faults.empty() ? "no URL to download from" : faults);
}

dataset with_note(dataset set, const std::string& note)
{
    set.notes.insert(set.notes.begin(), note);
    return set;
}

dataset from_cache_or_network(const fashion_request& request)
{
    try {
        const bool here = files_in(request.cache, request.files) == request.files.size();
        if (!here) fill_cache(request);
        return with_note(read_fashion_folder(request.cache, request.files),
            here ? "Fashion-MNIST from the download cache " + request.cache.string() : "Fashion-MNIST downloaded into " + request.cache.string());
    } catch (const data_error& fault) {
        return with_note(make_synthetic(), std::string("Fashion-MNIST could not be had: ") + fault.what());
    }
}

fs::path default_cache()
{
    std::string base = environment("XDG_CACHE_HOME");
    if (base.empty() || !fs::path(base).is_absolute()) {
        const std::string home = environment("HOME");
        base = home.empty() ? (fs::temp_directory_path() / "cache").string() : home + "/.cache";
    }
    return fs::path(base) / "gradcomp" / "fashion-mnist";
}

} // namespace

const fashion_files& fashion_mnist_files()
{
    static const fashion_files files = {{
        {"train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"},
        {"train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"},
        {"t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"},
        {"t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"},
    }};
    return files;
}

fashion_request fashion_request::from_environment(const std::string& folder)
{
    fashion_request request;
    request.folder = folder;
    request.environment_folder = environment("GRADCOMP_DATA");
    request.cache = default_cache();
    const std::string url = environment("GRADCOMP_DATA_URL");
    if (url.empty())
        request.urls = {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"};
    else
        request.urls = {url};
    return request;
}

dataset read_fashion_folder(const fs::path& folder, const fashion_files& files)
{
    dataset set;
    set.name = "Fashion-MNIST";
    set.train = read_split(folder / files[0].name, folder / files[1].name);
    set.test = read_split(folder / files[2].name, folder / files[3].name);
    centre(set, input_deviation);
    return set;
}

dataset load_fashion_mnist(const fashion_request& request)
{
    if (request.folder == "synthetic") return make_synthetic();
    if (!request.folder.empty()) {
        const fs::path folder = best_folder(request.folder, request.files);
        return with_note(read_fashion_folder(folder, request.files), "Fashion-MNIST from " + folder.string());
    }
    if (request.environment_folder.empty()) return from_cache_or_network(request);
    const fs::path folder = best_folder(request.environment_folder, request.files);
    if (files_in(folder, request.files) > 0) return with_note(read_fashion_folder(folder, request.files), "Fashion-MNIST from " + folder.string());
    return with_note(from_cache_or_network(request), "GRADCOMP_DATA = " + request.environment_folder + " holds no Fashion-MNIST");
}

} // namespace apps::data
