/// @file Numbers as people read them in error sentences and warnings.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace gradcomp {

/// The shortest decimal text that reads back as exactly x: "0.5", "100", "1e-07", "nan", "inf".
inline std::string text_of(double x)
{
    char text[32];
    if (x == static_cast<double>(static_cast<long long>(x > -1e15 && x < 1e15 ? x : 0.5))) { // a whole number: no exponent
        std::snprintf(text, sizeof text, "%.0f", x);
        return text;
    }
    for (int digits = 1; digits <= 17; ++digits) {
        std::snprintf(text, sizeof text, "%.*g", digits, x);
        if (std::strtod(text, nullptr) == x) break;
    }
    return text;
}

} // namespace gradcomp
