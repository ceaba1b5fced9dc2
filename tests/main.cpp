/// @file The main function of every test program; it ends with doctest's line "test cases: X | Y passed | Z failed".
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
