/// @file The second source file: proves that nothing in the headers is defined twice.
#include "train.hpp"

std::vector<float> consumer::train_elsewhere()
{
    return train();
}
