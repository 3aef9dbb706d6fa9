/* ArgMax and ArgMin along any axis. */
#include <limits.h>
#include <string.h>

#include "kernels.h"

#if AGPS_NEON
#include <arm_neon.h>
#endif

/* One index: elements are `stride` apart, larger ones have a larger `sign` times them. */
LOOP static size_t choose_int8(const int8_t *x, size_t count, size_t stride, int sign, int last)
{
    int best = -256;
    size_t found = 0;
    for (size_t k = 0; k < count; k++, x += stride) {
        const int value = sign * *x;
        const int better = value + last > best;
        best = better ? value : best;
        found = better ? k : found;
    }
    return found;
}

LOOP static size_t choose_float(const float *x, size_t count, size_t stride, float sign, int last)
{
    float best = sign * *x;
    size_t found = 0;
    for (size_t k = 1; k < count; k++) {
        const float value = sign * x[k * stride];
        if (value > best || (last && value == best)) {
            best = value;
            found = k;
        }
    }
    return found;
}

/* Most steps whose number, from 1, is a byte. */
enum { STEPS = 255 };

/* 16 columns of at most STEPS rows: at[i] is 1 + the last k at which best[i] was replaced, or 0.
 * Of flipped numbers (flip -1) the largest is the smallest. */
LOOP static void best_of_rows(
    const int8_t *x, size_t count, size_t stride, int8_t flip, uint8_t last, int8_t best[HALF],
    uint8_t at[HALF])
{
#if AGPS_NEON
    const int8x16_t flips = vdupq_n_s8(flip);
    const uint8x16_t equal = vdupq_n_u8(last ? 255 : 0), one = vdupq_n_u8(1);
    int8x16_t most = vld1q_s8(best);
    uint8x16_t found = vdupq_n_u8(0), step = one;
    for (; count > 0; count--, x += stride) {
        const int8x16_t value = veorq_s8(vld1q_s8(x), flips);
        const uint8x16_t same = vandq_u8(vceqq_s8(value, most), equal);
        found = vbslq_u8(vorrq_u8(vcgtq_s8(value, most), same), step, found);
        most = vmaxq_s8(most, value);
        step = vaddq_u8(step, one);
    }
    vst1q_s8(best, most);
    vst1q_u8(at, found);
#else
    memset(at, 0, HALF);
    for (size_t k = 0; k < count; k++, x += stride)
        for (int i = 0; i < HALF; i++) {
            const int8_t value = (int8_t)(x[i] ^ flip);
            if (value > best[i] || (last && value == best[i]))
                at[i] = (uint8_t)(k + 1);
            best[i] = value > best[i] ? value : best[i];
        }
#endif
}

/* 16 indices side by side. */
static void choose_sixteen(const int8_t *x, const agps_choice *q, int64_t *y)
{
    int8_t best[HALF];
    uint8_t at[HALF];
    memset(best, -128, sizeof best);
    memset(y, 0, HALF * sizeof *y);
    for (size_t k = 0; k < q->count; k += STEPS) {
        const size_t count = q->count - k < STEPS ? q->count - k : STEPS;
        best_of_rows(
            x + k * q->inner, count, q->inner, q->least ? -1 : 0, q->last != 0, best, at);
        for (int i = 0; i < HALF; i++)
            y[i] = at[i] ? (int64_t)k + at[i] - 1 : y[i];
    }
}

static int has_choice(const agps_choice *q)
{
    return q->outer > 0 && q->count > 0 && q->count <= INT_MAX && q->inner > 0;
}

int agps_choose_int8(const int8_t *x, const agps_choice *q, int64_t *y)
{
    if (!has_choice(q))
        return AGPS_EINVAL;
    for (size_t o = 0; o < q->outer; o++, x += q->count * q->inner, y += q->inner) {
        size_t i = 0;
        while (q->inner >= HALF && i < q->inner) {
            /* The last sixteen may be some of those before again. */
            i = i + HALF > q->inner ? q->inner - HALF : i;
            choose_sixteen(x + i, q, y + i);
            i += HALF;
        }
        for (; i < q->inner; i++)
            y[i] = (int64_t)choose_int8(x + i, q->count, q->inner, q->least ? -1 : 1, !!q->last);
    }
    return AGPS_OK;
}

int agps_choose(const float *x, const agps_choice *q, int64_t *y)
{
    if (!has_choice(q))
        return AGPS_EINVAL;
    for (size_t o = 0; o < q->outer; o++, x += q->count * q->inner)
        for (size_t i = 0; i < q->inner; i++)
            *y++ = (int64_t)choose_float(x + i, q->count, q->inner, q->least ? -1 : 1, !!q->last);
    return AGPS_OK;
}
