/// @file Every server rule keeps what all server rules promise: one line per policy.
#include "server_conformance.hpp"

using namespace conformance;

TEST_CASE("descent conforms") { server(gc::descent{}); }
TEST_CASE("server_momentum conforms") { server(gc::server_momentum{.beta = 0.75}); }
TEST_CASE("server_momentum with Nesterov's step and a velocity in model units conforms") { server(gc::server_momentum{.nesterov = true, .rate = 0.7, .units = gc::units::model}); }
TEST_CASE("amsgrad conforms") { server(gc::amsgrad{}); }
TEST_CASE("server_adam conforms") { server(gc::server_adam{.place = gc::epsilon_place::outside_root}); }
TEST_CASE("majority_vote conforms") { server(gc::majority_vote{.weight_decay = 0.25}); }
TEST_CASE("estimate conforms") { server(gc::estimate{}); }
