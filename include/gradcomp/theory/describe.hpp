/// @file The classes of an operator as a sentence, for errors and reports.
#pragma once

#include <gradcomp/theory/conversions.hpp>

#include <cstdio>
#include <string>

namespace gradcomp::theory {

/// Three digits: enough to see what is wrong.
inline std::string short_text(double x)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", x);
    return text;
}

/// "U(9.5), B1(1, 9.5), B2(1, 9.5), no B3": every class of the completed membership; "no class" for none.
inline std::string describe(const membership& of_c)
{
    const membership m = complete(of_c);
    if (has_no_guarantee(m)) return "no class";
    std::string out;
    if (m.u) out += "U(" + short_text(m.u->zeta) + "), ";
    if (m.b1) out += "B1(" + short_text(m.b1->alpha) + ", " + short_text(m.b1->beta) + "), ";
    if (m.b2) out += "B2(" + short_text(m.b2->gamma) + ", " + short_text(m.b2->beta) + "), ";
    return out + (m.b3 ? "B3(" + short_text(m.b3->delta) + ")" : std::string("no B3"));
}

/// How an operator that is no contraction becomes one: the factor and the class that scaling gives, or that none does.
inline std::string remedy(const membership& of_c)
{
    const membership m = complete(of_c);
    if (!m.b2) return "no factor makes it one: give it more levels or bits, smaller buckets, or a scale";
    const scaled_contraction best = contractive_scaling(*m.b2);
    return "multiplied by " + short_text(best.factor) + " (gc::scaled around its quantizer) it is in B3(" + short_text(best.b3.delta) + "); or give it more levels or bits, or smaller buckets";
}

} // namespace gradcomp::theory
