/* What ends a classifier: softmax and argmax. */
#include <limits.h>

#include "kernels.h"

int agps_softmax(const float *x, size_t count, float *y)
{
    if (count == 0)
        return AGPS_EINVAL;
    const float sum = agps_exponentials(x, count, agps_largest(x, count), y);
    agps_divide(y, count, sum);
    return AGPS_OK;
}

int agps_softmax_int8(const int8_t *x, size_t count, int zero, float scale, float *y)
{
    if (count == 0 || !agps_in(zero, -128, 127))
        return AGPS_EINVAL;
    agps_dequantize(x, count, zero, scale, y);
    const float sum = agps_exponentials(y, count, agps_largest(y, count), y);
    agps_divide(y, count, sum);
    return AGPS_OK;
}

int agps_softmax_int32(const int32_t *x, size_t count, const float *steps, float *y)
{
    if (count == 0)
        return AGPS_EINVAL;
    agps_dequantize_int32(x, steps, count, y);
    return agps_softmax(y, count, y);
}

int agps_argmax_int8(const int8_t *x, size_t count)
{
    if (count == 0 || count > INT_MAX)
        return AGPS_EINVAL;
    const int8_t largest = agps_largest_int8(x, count);
    int i = 0;
    while (x[i] != largest)
        i++;
    return i;
}

int agps_argmax(const float *x, size_t count)
{
    if (count == 0 || count > INT_MAX)
        return AGPS_EINVAL;
    const float largest = agps_largest(x, count);
    int i = 0;
    while (x[i] < largest)
        i++;
    return i;
}
