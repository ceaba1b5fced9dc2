/// @file Which elements a choice of k is made over: the tensors of a group, cut into selections.
#pragma once

#include <gradcomp/core/tensors.hpp>

#include <cstdint>
#include <vector>

namespace gradcomp {

/// Over what one choice of k is made.
enum class scope {
    per_tensor, ///< each tensor keeps its own k
    whole_model ///< all tensors of the compressor together keep one k
};

/// A contiguous piece of the model's packed streams: one tensor.
struct segment {
    std::size_t offset = 0; ///< first element in the packed streams
    std::size_t size = 0;   ///< elements
    std::size_t first = 0;  ///< its first element's position in its selection
    std::size_t tensor = 0; ///< number in the tensor_list
};

/// One choice: `size` elements in some segments, of which `kept` go into the message.
struct selection {
    std::size_t size = 0;                       ///< elements to choose from
    std::size_t kept = 0;                       ///< elements sent (as the compressor's plan says)
    std::size_t position = 0;                   ///< its first element's position in the group
    std::size_t payload = 0;                    ///< its first value's position in the group's message
    std::size_t begin = 0, end = 0;             ///< its segments
    std::uint32_t key = 0;                      ///< the tensor word of its random streams
};

/// The selections of one compressor over its tensors.
struct layout {
    std::vector<segment> segments;
    std::vector<selection> selections;
    std::size_t size = 0; ///< elements of all segments
    std::size_t kept = 0; ///< elements of the message, summed over selections
};

/// Cuts `tensors` (numbers in `list`, ascending) into selections; `kept_of(d)` says how many of d elements a message carries.
/// A selection over the whole model takes the number of its first tensor as its random key. @throws what kept_of throws, with the tensor's name.
template <class KeptOf> layout make_layout(const tensor_list& list, const std::vector<std::size_t>& tensors, scope over, KeptOf kept_of)
{
    layout result;
    for (const std::size_t t : tensors) {
        if (over == scope::per_tensor || result.selections.empty())
            result.selections.push_back({.position = result.size, .begin = result.segments.size(), .end = result.segments.size(),
                .key = static_cast<std::uint32_t>(t)});
        selection& s = result.selections.back();
        result.segments.push_back({.offset = list.offset(t), .size = list.size(t), .first = s.size, .tensor = t});
        s.size += list.size(t);
        s.end = result.segments.size();
        result.size += list.size(t);
    }
    for (selection& s : result.selections) {
        try {
            s.kept = kept_of(s.size);
        } catch (const error& e) {
            throw e.at({.tensor = over == scope::per_tensor ? list.name(result.segments[s.begin].tensor) : std::string()});
        }
        s.payload = result.kept;
        result.kept += s.kept;
    }
    return result;
}

/// Maps an index of a message, which counts from its selection's first element, to the element of the model's packed streams.
class place_of {
public:
    place_of(const layout& where, const selection& s) : segments_(where.segments.data() + s.begin), count_(s.end - s.begin) {}
    std::size_t operator()(std::size_t index) const
    {
        std::size_t low = 0, high = count_;
        while (high - low > 1) {
            const std::size_t middle = (low + high) / 2;
            (segments_[middle].first <= index ? low : high) = middle;
        }
        return segments_[low].offset + (index - segments_[low].first);
    }

private:
    const segment* segments_;
    std::size_t count_;
};

} // namespace gradcomp
