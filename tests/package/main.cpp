/// @file The consumer's program: trains in two source files and compares.
#include "train.hpp"

#include <cmath>
#include <cstdio>

int main()
{
    const std::vector<float> here = consumer::train();
    const std::vector<float> there = consumer::train_elsewhere();
    if (here.size() != 64 || here != there) return std::puts("the two source files disagree"), 1;
    double norm = 0;
    for (const float value : here) norm += double(value) * double(value);
    if (!(norm < 64)) return std::puts("nothing was trained"), 1;
    std::printf("|x|^2 went from 64 to %g\n", norm);
    return 0;
}
