/* Floats to int8. */
#include <math.h>

#include "kernels.h"

/* Pixels at a time: their int8 rows stay in the first-level cache. */
enum { STRETCH = 1024 };

static int check(float scale, int zero)
{
    return scale > 0 && isfinite(scale) && agps_in(zero, -128, 127) ? AGPS_OK : AGPS_EINVAL;
}

int agps_quantize(const float *x, size_t count, float scale, int zero, int8_t *y)
{
    if (check(scale, zero) != AGPS_OK)
        return AGPS_EINVAL;
    agps_quantize_row(x, count, scale, zero, y);
    return AGPS_OK;
}

int agps_quantize_planes(
    const float *x, int pixels, int channels, float scale, int zero, int8_t *y)
{
    if (pixels < 1 || channels < 1 || check(scale, zero) != AGPS_OK)
        return AGPS_EINVAL;
    int8_t rows[3 * STRETCH];
    const size_t n = (size_t)channels, all = (size_t)pixels;
    for (size_t p = 0; p < all; p += STRETCH) {
        const size_t stretch = all - p < STRETCH ? all - p : STRETCH;
        for (size_t c = 0; c < n; c++) {
            int8_t *row = rows + (n == 3 ? c * STRETCH : 0);
            agps_quantize_row(x + c * all + p, stretch, scale, zero, row);
            if (n != 3)
                for (size_t i = 0; i < stretch; i++)
                    y[(p + i) * n + c] = row[i];
        }
        if (n == 3)
            agps_interleave3(rows, STRETCH, stretch, y + p * n);
    }
    return AGPS_OK;
}
