/* The inner loops in plain C: the twin that NEON is compared with, and what other hosts run. */
#include "kernels.h"

#if !AGPS_NEON

#include <string.h>

const char *agps_implementation(void)
{
    return "portable";
}

void agps_dot8(const int8_t *x, const int8_t *panel, size_t blocks, int32_t sums[PANEL])
{
    for (size_t half = 0; half < 2 * blocks; half++, x += HALF)
        for (int r = 0; r < PANEL; r++, panel += HALF) {
            int32_t sum = 0;
            for (int i = 0; i < HALF; i++)
                sum += x[i] * panel[i];
            sums[r] += sum;
        }
}

void agps_dot8x4(
    const int8_t *x, size_t stride, const int8_t *panel, size_t blocks,
    int32_t sums[QUAD * PANEL])
{
    for (size_t p = 0; p < QUAD; p++)
        agps_dot8(x + stride * p, panel, blocks, sums + PANEL * p);
}

void agps_requantize_row(
    const int32_t *acc, size_t first, size_t count, const agps_requant *q, int8_t *y)
{
    for (size_t i = 0; i < count; i++) {
        const size_t c = first + i;
        const int64_t total = (int64_t)acc[i] + q->bias[c];
        const int64_t scaled = agps_rounding_shift(total * q->multiplier[c], q->shift[c]);
        y[i] = agps_clamp(scaled + q->zero, q->low, q->high);
    }
}

void agps_table_row(const int8_t *x, size_t count, const int8_t *table, int8_t *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = table[x[i] + 128];
}

void agps_add_row(const int8_t *a, const int8_t *b, size_t count, const agps_sum *q, int8_t *y)
{
    for (size_t i = 0; i < count; i++) {
        const int32_t total = a[i] * q->multiplier_a + b[i] * q->multiplier_b + q->offset;
        y[i] = agps_clamp((total >> q->shift) + q->zero, q->low, q->high);
    }
}

void agps_scale_row(
    const int8_t *x, const int32_t *factors, size_t count, const agps_scaling *q, int8_t *y)
{
    for (size_t i = 0; i < count; i++) {
        const int64_t product = (int64_t)(x[i] - q->x_zero) * factors[i];
        y[i] = agps_clamp(agps_rounding_shift(product, q->shift) + q->zero, -128, 127);
    }
}

void agps_column_sums(
    const int8_t *x, size_t pixels, size_t stride, size_t channels, int32_t sums[COLUMNS])
{
    memset(sums, 0, channels * sizeof *sums);
    for (size_t p = 0; p < pixels; p++, x += stride)
        for (size_t c = 0; c < channels; c++)
            sums[c] += x[c];
}

int8_t agps_largest_int8(const int8_t *x, size_t count)
{
    int8_t largest = x[0];
    for (size_t i = 1; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

float agps_largest(const float *x, size_t count)
{
    float largest = x[0];
    for (size_t i = 1; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

void agps_quantize_row(const float *x, size_t count, float scale, int zero, int8_t *y)
{
    /* The limits are whole numbers, so clamping may come before rounding. NaN becomes the lower. */
    const float low = (float)(-128 - zero), high = (float)(127 - zero);
    for (size_t i = 0; i < count; i++) {
        const float quotient = x[i] / scale;
        const float above = quotient > low ? quotient : low;
        const float steps = (above < high ? above : high) + AGPS_ROUND;
        y[i] = (int8_t)((int32_t)(steps - AGPS_ROUND) + zero);
    }
}

void agps_interleave3(const int8_t *rows, size_t pitch, size_t count, int8_t *y)
{
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 3; c++)
            y[3 * i + c] = rows[c * pitch + i];
}

void agps_dequantize(const int8_t *x, size_t count, int zero, float scale, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = (float)(x[i] - zero) * scale;
}

void agps_dequantize_int32(const int32_t *x, const float *steps, size_t count, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = (float)x[i] * steps[i];
}

static float exponential(float d)
{
    /* Of NaN, which only a damaged file makes, some number. */
    d = d > AGPS_EXP_LOWEST ? d : AGPS_EXP_LOWEST;
    d = d < 0.0f ? d : 0.0f;
    const float rounded = d * AGPS_LOG2E + AGPS_ROUND;
    const float n = rounded - AGPS_ROUND;
    float r = d - n * AGPS_LN2_HIGH;
    r = r - n * AGPS_LN2_LOW;
    float p = AGPS_EXP_5;
    p = p * r + AGPS_EXP_4;
    p = p * r + AGPS_EXP_3;
    p = p * r + AGPS_EXP_2;
    p = p * r + AGPS_EXP_1;
    p = p * r + AGPS_EXP_0;
    p = p * (r * r) + r;
    p = p + 1.0f;
    const int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

float agps_exponentials(const float *x, size_t count, float largest, float *y)
{
    float lanes[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        y[i] = exponential(x[i] - largest);
        lanes[i % 4] += y[i];
    }
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

void agps_divide(float *y, size_t count, float by)
{
    for (size_t i = 0; i < count; i++)
        y[i] /= by;
}

void agps_blend_rows(const uint16_t *a, const uint16_t *b, int f, size_t count, uint8_t *y)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t sum = (uint32_t)a[i] * (256 - (uint32_t)f) + (uint32_t)b[i] * (uint32_t)f;
        y[i] = (uint8_t)((sum + 32768) >> 16);
    }
}

#endif
