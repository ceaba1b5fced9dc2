/// @file What the library says against a call, as one comparable text.
#pragma once

#include <gradcomp/core/error.hpp>

#include <string>

/// "code field value tensor" of the error that f throws; "accepted" when it throws none.
template <class F> std::string complaint(F f)
{
    try {
        f();
        return "accepted";
    } catch (const gradcomp::error& e) {
        return std::string(gradcomp::name_of(e.code())) + " " + e.field() + " " + e.value() + (e.tensor().empty() ? "" : " " + e.tensor());
    }
}
