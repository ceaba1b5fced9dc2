#include "select_inputs.hpp"

#include <doctest/doctest.h>

using namespace gradcomp;
using namespace gradcomp::exec;

TEST_CASE("GRADCOMP_ISA forces a level, and an unknown word is an error")
{
    for (const isa level : {isa::scalar, isa::avx2, isa::avx512}) {
        const forced_level forced(level);
        if (supports(level)) CHECK(cpu_team().level() == level);
        else CHECK_THROWS_AS(cpu_team(), error);
    }
    const forced_level restores(isa::scalar);
    ::setenv("GRADCOMP_ISA", "mmx", 1);
    try {
        choose_isa();
        FAIL("accepted mmx");
    } catch (const error& failure) {
        CHECK(failure.code() == error_code::invalid_option);
        CHECK(failure.field() == "GRADCOMP_ISA");
        CHECK(failure.value() == "mmx");
    }
}

TEST_CASE("without GRADCOMP_ISA the best level of the processor is taken")
{
    const forced_level restores(isa::scalar);
    ::unsetenv("GRADCOMP_ISA");
    CHECK(choose_isa() == levels_here().back());
}

namespace {
struct which_body {
    isa* seen;
    template <isa Level> GRADCOMP_INLINE void run() const { *seen = Level; }
};
} // namespace

TEST_CASE("at_level runs the copy it is asked for")
{
    for (const isa level : levels_here()) {
        isa seen = level == isa::scalar ? isa::avx2 : isa::scalar;
        at_level(level, which_body{&seen});
        CHECK(seen == level);
    }
}
