/*
 * Inner loops: one set with NEON (kernels_neon.c, dot_neon.c), one in portable C
 * (kernels_portable.c), chosen when the library is built. Arguments were checked before.
 */
#ifndef ACCELGEN_PS_KERNELS_H
#define ACCELGEN_PS_KERNELS_H

#include <float.h>

#include "accelgen_ps.h"

#if FLT_EVAL_METHOD != 0
#error "float arithmetic must be float32 step by step, as in the golden model"
#endif

#if defined(__aarch64__) && !defined(AGPS_PORTABLE)
#define AGPS_NEON 1
#else
#define AGPS_NEON 0
#endif

/* A function that stays one by itself. GCC would make copies of it for the constants it is called
 * with, and unroll a loop of at most 16 rounds into as many copies. */
#if defined(__has_attribute)
#if __has_attribute(noipa)
#define LOOP __attribute__((noipa))
#endif
#endif
#ifndef LOOP
#define LOOP
#endif

enum { PANEL = 8, BLOCK = 32, HALF = 16, QUAD = 4, COLUMNS = 64, MOST_SIDE = 32768 };

/* sums[r] += sum over i < 32 * blocks of x[i] * weight[r][i], r < 8. Byte
 * 256 * (i / 32) + 128 * (i / 16 % 2) + 16 * r + i % 16 of the panel is weight[r][i]. blocks > 0. */
void agps_dot8(const int8_t *x, const int8_t *panel, size_t blocks, int32_t sums[PANEL]);

/* The same for 4 pixels, x + stride * p: sums[8 * p + r]. */
void agps_dot8x4(
    const int8_t *x, size_t stride, const int8_t *panel, size_t blocks,
    int32_t sums[QUAD * PANEL]);

/* y[i] = requantize(acc[i]) with channel first + i of q. */
void agps_requantize_row(
    const int32_t *acc, size_t first, size_t count, const agps_requant *q, int8_t *y);

void agps_table_row(const int8_t *x, size_t count, const int8_t *table, int8_t *y);

/* No sum reaches 2^31. */
void agps_add_row(const int8_t *a, const int8_t *b, size_t count, const agps_sum *q, int8_t *y);

/* factors[i] = (s[i] - s_zero) * multiplier, below 2^26. */
void agps_scale_row(
    const int8_t *x, const int32_t *factors, size_t count, const agps_scaling *q, int8_t *y);

/* sums[c] = sum over pixels of x[stride * p + c], c < channels <= 64. */
void agps_column_sums(
    const int8_t *x, size_t pixels, size_t stride, size_t channels, int32_t sums[COLUMNS]);

/* Largest r with r * r <= v, 0 <= v < 2^62. */
int64_t agps_integer_root(int64_t v);

int8_t agps_largest_int8(const int8_t *x, size_t count);
float agps_largest(const float *x, size_t count);
void agps_dequantize(const int8_t *x, size_t count, int zero, float scale, float *y);
/* y[i] = x[i] * steps[i], x rounded to float32 before. */
void agps_dequantize_int32(const int32_t *x, const float *steps, size_t count, float *y);

/* y[i] = clamp(round_half_even(x[i] / scale) + zero, -128, 127); scale > 0. */
void agps_quantize_row(const float *x, size_t count, float scale, int zero, int8_t *y);
/* y[3 * i + c] = row c, element i. */
void agps_interleave3(const int8_t *rows, size_t pitch, size_t count, int8_t *y);

/* y[i] = exp(x[i] - largest); returns their sum, element i in lane i % 4, (0 + 1) + (2 + 3). */
float agps_exponentials(const float *x, size_t count, float largest, float *y);
void agps_divide(float *y, size_t count, float by);

/* y[i] = (a[i] * (256 - f) + b[i] * f + 32768) >> 16, f in [0, 255]. */
void agps_blend_rows(const uint16_t *a, const uint16_t *b, int f, size_t count, uint8_t *y);

/* agps_exponentials' constants: exp(d) = 2^n * p(d - n * ln 2), d >= AGPS_EXP_LOWEST. */
#define AGPS_EXP_LOWEST (-86.0f)
#define AGPS_LOG2E 1.44269504f
#define AGPS_ROUND 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer, half to even */
#define AGPS_LN2_HIGH 0.693359375f
#define AGPS_LN2_LOW (-2.12194440e-4f)
#define AGPS_EXP_5 1.9875691500e-4f
#define AGPS_EXP_4 1.3981999507e-3f
#define AGPS_EXP_3 8.3334519073e-3f
#define AGPS_EXP_2 4.1665795894e-2f
#define AGPS_EXP_1 1.6666665459e-1f
#define AGPS_EXP_0 5.0000001201e-1f

/* A number of parts of something, done side by side. */
typedef void (*agps_work)(void *argument, int part, int parts);
int agps_pool_threads(const agps_pool *pool);
void agps_pool_run(agps_pool *pool, agps_work work, void *argument);

/* 0 when q is within its limits for `channels` channels, else AGPS_EINVAL. */
int agps_check_requant(const agps_requant *q, int channels);

static inline int agps_in(long long value, long long low, long long high)
{
    return low <= value && value <= high;
}

static inline int8_t agps_clamp(int64_t value, int low, int high)
{
    return (int8_t)(value < low ? low : value > high ? high : value);
}

/* (value + (1 << (shift - 1))) >> shift, rounding down. */
static inline int64_t agps_rounding_shift(int64_t value, int shift)
{
    return (value + ((int64_t)1 << (shift - 1))) >> shift;
}

#endif
