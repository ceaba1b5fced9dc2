/// @file The majority vote element by element.
#include <gradcomp/optim/majority_vote.hpp>

#include <doctest/doctest.h>

namespace gc = gradcomp;

TEST_CASE("the majority moves x by eta against its sign, a tie not at all, and weight decay is not put to the vote")
{
    for (const double decay : {0.0, 0.5}) {
        gc::majority_vote::update<double> rule;
        rule.set({.weight_decay = decay});
        rule.learning_rate = 0.25;
        const double x = 8;
        for (const double votes : {3.0, -1.0, 0.0}) {
            const double vote = rule.value(votes, &x);
            CHECK(vote == (votes > 0 ? 1 : votes < 0 ? -1 : 0));
            double out = 0;
            rule.leave(votes, &x, vote, 0, &out);
            CHECK(out == 8 - 0.25 * (vote + decay * 8));
        }
    }
    CHECK(gc::majority_vote::states == 0);
    CHECK(!gc::majority_vote::touches_only_support);
    CHECK_THROWS_WITH_AS(gc::majority_vote{.weight_decay = -1}.check(), doctest::Contains("weight_decay"), gc::error);
}
