/* The inner loops with NEON intrinsics. Tails that fill no register are done one by one. */
#include "kernels.h"

#if AGPS_NEON

#include <arm_neon.h>
#include <math.h>
#include <string.h>

const char *agps_implementation(void)
{
    return "neon";
}

/* 4 int64 sums, rounded and shifted right (`shift` is negative), plus zero, in int32: saturating
 * keeps what the clamp to int8 would cut off anyway. */
static inline int32x4_t narrow(
    int64x2_t low, int64x2_t high, int64x2_t shift_low, int64x2_t shift_high, int32x4_t zero)
{
    const int32x2_t l = vqmovn_s64(vrshlq_s64(low, shift_low));
    const int32x2_t h = vqmovn_s64(vrshlq_s64(high, shift_high));
    return vqaddq_s32(vcombine_s32(l, h), zero);
}

static inline int32x4_t requantize4(
    const int32_t *acc, const int32_t *bias, const int32_t *multiplier, const int32_t *shift,
    int32x4_t zero)
{
    const int32x4_t a = vld1q_s32(acc), b = vld1q_s32(bias), m = vld1q_s32(multiplier);
    const int32x4_t s = vnegq_s32(vld1q_s32(shift));
    int64x2_t low = vmull_s32(vget_low_s32(a), vget_low_s32(m));
    int64x2_t high = vmull_high_s32(a, m);
    low = vmlal_s32(low, vget_low_s32(b), vget_low_s32(m));
    high = vmlal_high_s32(high, b, m);
    return narrow(low, high, vmovl_s32(vget_low_s32(s)), vmovl_high_s32(s), zero);
}

static inline int8x8_t clamp8(int32x4_t low, int32x4_t high, int8x8_t least, int8x8_t most)
{
    const int8x8_t y = vqmovn_s16(vcombine_s16(vqmovn_s32(low), vqmovn_s32(high)));
    return vmin_s8(vmax_s8(y, least), most);
}

void agps_requantize_row(
    const int32_t *acc, size_t first, size_t count, const agps_requant *q, int8_t *y)
{
    const int32_t *bias = q->bias + first, *multiplier = q->multiplier + first;
    const int32_t *shift = q->shift + first;
    const int32x4_t zero = vdupq_n_s32(q->zero);
    const int8x8_t least = vdup_n_s8((int8_t)q->low), most = vdup_n_s8((int8_t)q->high);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const int32x4_t low = requantize4(acc + i, bias + i, multiplier + i, shift + i, zero);
        const size_t j = i + 4;
        const int32x4_t high = requantize4(acc + j, bias + j, multiplier + j, shift + j, zero);
        vst1_s8(y + i, clamp8(low, high, least, most));
    }
    for (; i < count; i++) {
        const int64_t scaled =
            agps_rounding_shift(((int64_t)acc[i] + bias[i]) * multiplier[i], shift[i]);
        y[i] = agps_clamp(scaled + q->zero, q->low, q->high);
    }
}

void agps_table_row(const int8_t *x, size_t count, const int8_t *table, int8_t *y)
{
    int8x16x4_t part[4];
    for (int i = 0; i < 4; i++)
        part[i] = vld1q_s8_x4(table + 64 * i);
    const uint8x16_t step = vdupq_n_u8(64), sign = vdupq_n_u8(128);
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        uint8x16_t at[2];
        int8x16_t found[2];
        for (int k = 0; k < 2; k++) {
            at[k] = veorq_u8(vreinterpretq_u8_s8(vld1q_s8(x + i + 16 * k)), sign);
            found[k] = vqtbl4q_s8(part[0], at[k]);
        }
        for (int j = 1; j < 4; j++)
            for (int k = 0; k < 2; k++) {
                at[k] = vsubq_u8(at[k], step);
                found[k] = vqtbx4q_s8(found[k], part[j], at[k]);
            }
        vst1q_s8(y + i, found[0]);
        vst1q_s8(y + i + 16, found[1]);
    }
    for (; i < count; i++)
        y[i] = table[x[i] + 128];
}

static inline int32x4_t add4(int16x4_t a, int16x4_t b, const agps_sum *q, int32x4_t right)
{
    int32x4_t sum = vdupq_n_s32(q->offset);
    sum = vmlaq_n_s32(sum, vmovl_s16(a), q->multiplier_a);
    sum = vmlaq_n_s32(sum, vmovl_s16(b), q->multiplier_b);
    return vqaddq_s32(vshlq_s32(sum, right), vdupq_n_s32(q->zero));
}

void agps_add_row(const int8_t *a, const int8_t *b, size_t count, const agps_sum *q, int8_t *y)
{
    const int32x4_t right = vdupq_n_s32(-q->shift);
    const int8x8_t least = vdup_n_s8((int8_t)q->low), most = vdup_n_s8((int8_t)q->high);
    const agps_sum p = *q; /* y could be q, as far as the compiler knows */
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        int32x4_t sums[4];
        for (int k = 0; k < 2; k++) {
            const int16x8_t s = vmovl_s8(vld1_s8(a + i + 8 * k));
            const int16x8_t t = vmovl_s8(vld1_s8(b + i + 8 * k));
            sums[2 * k] = add4(vget_low_s16(s), vget_low_s16(t), &p, right);
            sums[2 * k + 1] = add4(vget_high_s16(s), vget_high_s16(t), &p, right);
        }
        vst1_s8(y + i, clamp8(sums[0], sums[1], least, most));
        vst1_s8(y + i + 8, clamp8(sums[2], sums[3], least, most));
    }
    for (; i < count; i++) {
        const int32_t total = a[i] * q->multiplier_a + b[i] * q->multiplier_b + q->offset;
        y[i] = agps_clamp((total >> q->shift) + q->zero, q->low, q->high);
    }
}

static inline int32x4_t scale4(
    int32x4_t x, const int32_t *factors, int64x2_t right, int32x4_t zero)
{
    const int32x4_t f = vld1q_s32(factors);
    const int64x2_t low = vmull_s32(vget_low_s32(x), vget_low_s32(f));
    return narrow(low, vmull_high_s32(x, f), right, right, zero);
}

void agps_scale_row(
    const int8_t *x, const int32_t *factors, size_t count, const agps_scaling *q, int8_t *y)
{
    const int64x2_t right = vdupq_n_s64(-q->shift);
    const int32x4_t zero = vdupq_n_s32(q->zero);
    const int8x8_t x_zero = vdup_n_s8((int8_t)q->x_zero);
    const int8x8_t least = vdup_n_s8(-128), most = vdup_n_s8(127);
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        int32x4_t scaled[4];
        for (int k = 0; k < 4; k += 2) {
            const int16x8_t d = vsubl_s8(vld1_s8(x + i + 4 * k), x_zero);
            const int32x4_t low = vmovl_s16(vget_low_s16(d)), high = vmovl_high_s16(d);
            scaled[k] = scale4(low, factors + i + 4 * k, right, zero);
            scaled[k + 1] = scale4(high, factors + i + 4 * k + 4, right, zero);
        }
        vst1_s8(y + i, clamp8(scaled[0], scaled[1], least, most));
        vst1_s8(y + i + 8, clamp8(scaled[2], scaled[3], least, most));
    }
    for (; i < count; i++) {
        const int64_t product = (int64_t)(x[i] - q->x_zero) * factors[i];
        y[i] = agps_clamp(agps_rounding_shift(product, q->shift) + q->zero, -128, 127);
    }
}

/* 256 pixels: as many as int16 sums of int8 can take. */
static void sums_of_stretch(
    const int8_t *x, size_t pixels, size_t stride, size_t vectors, int32_t *sums)
{
    int16x8_t acc[COLUMNS / 8];
    for (size_t v = 0; v < COLUMNS / 8; v++)
        acc[v] = vdupq_n_s16(0);
    if (vectors == COLUMNS / 8)
        for (size_t p = 0; p < pixels; p++, x += stride)
            for (size_t v = 0; v < COLUMNS / 8; v++)
                acc[v] = vaddw_s8(acc[v], vld1_s8(x + 8 * v));
    else
        for (size_t v = 0; v < vectors; v++)
            for (size_t p = 0; p < pixels; p++)
                acc[v] = vaddw_s8(acc[v], vld1_s8(x + stride * p + 8 * v));
    for (size_t v = 0; v < vectors; v++, sums += 8) {
        vst1q_s32(sums, vaddw_s16(vld1q_s32(sums), vget_low_s16(acc[v])));
        vst1q_s32(sums + 4, vaddw_high_s16(vld1q_s32(sums + 4), acc[v]));
    }
}

void agps_column_sums(
    const int8_t *x, size_t pixels, size_t stride, size_t channels, int32_t sums[COLUMNS])
{
    const size_t vectors = channels / 8;
    for (size_t c = 0; c < channels; c++)
        sums[c] = 0;
    for (size_t p = 0; p < pixels; p += 256)
        sums_of_stretch(
            x + stride * p, pixels - p < 256 ? pixels - p : 256, stride, vectors, sums);
    for (size_t c = 8 * vectors; c < channels; c++)
        for (size_t p = 0; p < pixels; p++)
            sums[c] += x[stride * p + c];
}

int8_t agps_largest_int8(const int8_t *x, size_t count)
{
    int8x16_t most = vdupq_n_s8(-128);
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        most = vmaxq_s8(most, vld1q_s8(x + i));
    int8_t largest = vmaxvq_s8(most);
    for (; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

float agps_largest(const float *x, size_t count)
{
    float32x4_t most = vdupq_n_f32(x[0]);
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        most = vmaxq_f32(most, vld1q_f32(x + i));
    float largest = vmaxvq_f32(most);
    for (; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

void agps_dequantize(const int8_t *x, size_t count, int zero, float scale, float *y)
{
    const int8x8_t z = vdup_n_s8((int8_t)zero);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const int16x8_t d = vsubl_s8(vld1_s8(x + i), z);
        vst1q_f32(y + i, vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(d))), scale));
        vst1q_f32(y + i + 4, vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(d)), scale));
    }
    for (; i < count; i++)
        y[i] = (float)(x[i] - zero) * scale;
}

void agps_dequantize_int32(const int32_t *x, const float *steps, size_t count, float *y)
{
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        vst1q_f32(y + i, vmulq_f32(vcvtq_f32_s32(vld1q_s32(x + i)), vld1q_f32(steps + i)));
    for (; i < count; i++)
        y[i] = (float)x[i] * steps[i];
}

/* The limits are whole numbers, so clamping may come before rounding. NaN becomes the lower one. */
static inline float32x4_t steps_of(float32x4_t quotient, int zero)
{
    const float32x4_t low = vdupq_n_f32((float)(-128 - zero));
    return vminq_f32(vmaxnmq_f32(quotient, low), vdupq_n_f32((float)(127 - zero)));
}

/* 16 whole numbers to int8, `zero` added: they fit. */
static inline int8x16_t to_bytes(const float32x4_t n[4], int zero)
{
    int16x8_t half[2];
    for (int i = 0; i < 2; i++)
        half[i] = vaddq_s16(
            vcombine_s16(
                vmovn_s32(vcvtq_s32_f32(n[2 * i])), vmovn_s32(vcvtq_s32_f32(n[2 * i + 1]))),
            vdupq_n_s16((int16_t)zero));
    return vcombine_s8(vmovn_s16(half[0]), vmovn_s16(half[1]));
}

/* By a product with 1 / scale. Returns how far from whole numbers quotients were, at most. `count` is
 * a multiple of 16. */
LOOP static float quantize_quickly(
    const float *x, size_t count, float inverse, int zero, int8_t *y)
{
    float32x4_t farthest = vdupq_n_f32(0);
    for (size_t i = 0; i < count; i += 16) {
        float32x4_t n[4];
        for (int k = 0; k < 4; k++) {
            const float32x4_t t = steps_of(vmulq_n_f32(vld1q_f32(x + i + 4 * k), inverse), zero);
            n[k] = vrndnq_f32(t);
            farthest = vmaxq_f32(farthest, vabdq_f32(t, n[k]));
        }
        vst1q_s8(y + i, to_bytes(n, zero));
    }
    return vmaxvq_f32(farthest);
}

LOOP static void quantize_exactly(
    const float *x, size_t count, float scale, int zero, int8_t *y)
{
    const float32x4_t by = vdupq_n_f32(scale);
    for (size_t i = 0; i < count; i += 16) {
        const size_t left = count - i < 16 ? count - i : 16;
        float all[16] = {0};
        int8_t bytes[16];
        float32x4_t n[4];
        memcpy(all, x + i, left * sizeof *x);
        for (int k = 0; k < 4; k++)
            n[k] = vrndnq_f32(steps_of(vdivq_f32(vld1q_f32(all + 4 * k), by), zero));
        vst1q_s8(bytes, to_bytes(n, zero));
        memcpy(y + i, bytes, left);
    }
}

/* A division takes 20 cycles on this core, a product one. Both round to the same whole number
 * unless they are near the middle of two: product and quotient are within 3 * 2^-24 of each other,
 * relatively, which is less than 1e-4 up to 256. A stretch in which one is nearer is done again. */
void agps_quantize_row(const float *x, size_t count, float scale, int zero, int8_t *y)
{
    enum { AT_ONCE = 64 };
    const float inverse = 1.0f / scale;
    size_t i = 0;
    for (; isnormal(inverse) && i + AT_ONCE <= count; i += AT_ONCE)
        if (quantize_quickly(x + i, AT_ONCE, inverse, zero, y + i) > 0.4999f)
            quantize_exactly(x + i, AT_ONCE, scale, zero, y + i);
    quantize_exactly(x + i, count - i, scale, zero, y + i);
}

void agps_interleave3(const int8_t *rows, size_t pitch, size_t count, int8_t *y)
{
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const int8x16x3_t three = {{
            vld1q_s8(rows + i), vld1q_s8(rows + pitch + i), vld1q_s8(rows + 2 * pitch + i)}};
        vst3q_s8(y + 3 * i, three);
    }
    for (; i < count; i++)
        for (size_t c = 0; c < 3; c++)
            y[3 * i + c] = rows[c * pitch + i];
}

/* The steps of kernels_portable.c's exponential(), multiply and add apart. */
static inline float32x4_t step(float32x4_t p, float32x4_t r, float c)
{
    return vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(c));
}

static inline float32x4_t exponential4(float32x4_t d)
{
    d = vmaxq_f32(d, vdupq_n_f32(AGPS_EXP_LOWEST));
    const float32x4_t round = vdupq_n_f32(AGPS_ROUND);
    const float32x4_t n = vsubq_f32(step(d, vdupq_n_f32(AGPS_LOG2E), AGPS_ROUND), round);
    float32x4_t r = vsubq_f32(d, vmulq_n_f32(n, AGPS_LN2_HIGH));
    r = vsubq_f32(r, vmulq_n_f32(n, AGPS_LN2_LOW));
    float32x4_t p = vdupq_n_f32(AGPS_EXP_5);
    p = step(p, r, AGPS_EXP_4);
    p = step(p, r, AGPS_EXP_3);
    p = step(p, r, AGPS_EXP_2);
    p = step(p, r, AGPS_EXP_1);
    p = step(p, r, AGPS_EXP_0);
    p = vaddq_f32(vmulq_f32(p, vmulq_f32(r, r)), r);
    p = vaddq_f32(p, vdupq_n_f32(1.0f));
    const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}

float agps_exponentials(const float *x, size_t count, float largest, float *y)
{
    const float32x4_t most = vdupq_n_f32(largest);
    float32x4_t sum = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const float32x4_t e = exponential4(vsubq_f32(vld1q_f32(x + i), most));
        const float32x4_t f = exponential4(vsubq_f32(vld1q_f32(x + i + 4), most));
        vst1q_f32(y + i, e);
        vst1q_f32(y + i + 4, f);
        sum = vaddq_f32(vaddq_f32(sum, e), f);
    }
    float lanes[4];
    vst1q_f32(lanes, sum);
    while (i < count) {
        float last[4] = {largest, largest, largest, largest};
        const size_t left = count - i < 4 ? count - i : 4;
        memcpy(last, x + i, left * sizeof *x);
        vst1q_f32(last, exponential4(vsubq_f32(vld1q_f32(last), most)));
        memcpy(y + i, last, left * sizeof *y);
        for (size_t lane = 0; lane < left; lane++)
            lanes[lane] += last[lane];
        i += left;
    }
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

void agps_divide(float *y, size_t count, float by)
{
    const float32x4_t divisor = vdupq_n_f32(by);
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        vst1q_f32(y + i, vdivq_f32(vld1q_f32(y + i), divisor));
    for (; i < count; i++)
        y[i] /= by;
}

void agps_blend_rows(const uint16_t *a, const uint16_t *b, int f, size_t count, uint8_t *y)
{
    const uint16_t below = (uint16_t)f, above = (uint16_t)(256 - f);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const uint16x8_t u = vld1q_u16(a + i), v = vld1q_u16(b + i);
        uint32x4_t low = vmull_n_u16(vget_low_u16(u), above);
        uint32x4_t high = vmull_high_n_u16(u, above);
        low = vmlal_n_u16(low, vget_low_u16(v), below);
        high = vmlal_high_n_u16(high, v, below);
        vst1_u8(y + i, vmovn_u16(vrshrn_high_n_u32(vrshrn_n_u32(low, 16), high, 16)));
    }
    for (; i < count; i++) {
        const uint32_t sum = (uint32_t)a[i] * above + (uint32_t)b[i] * below;
        y[i] = (uint8_t)((sum + 32768) >> 16);
    }
}

#endif
