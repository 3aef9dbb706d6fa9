/* What operands a step of frame.bin has, and steps that need nothing else. */
#include <string.h>

#include "frame.h"

/* Of [a][b][c]; 0: too much, or nothing. */
static uint64_t volume(const int64_t n[])
{
    for (int i = 0; i < 3; i++)
        if (!agps_in(n[i], 1, MOST))
            return 0;
    return n[0] * n[1] <= MOST / n[2] ? (uint64_t)(n[0] * n[1] * n[2]) : 0;
}

/* Height, width, channels, output height, output width; x, rows, columns, y. */
static int resized_bytes(const int64_t n[], uint64_t bytes[STEP_OPERANDS])
{
    for (int i = 0; i < 5; i++)
        if (!agps_in(n[i], 1, MOST_SIDE))
            return 0;
    bytes[0] = (uint64_t)(n[0] * n[1] * n[2]);
    bytes[1] = 4 * (uint64_t)n[3];
    bytes[2] = 4 * (uint64_t)n[4];
    bytes[3] = (uint64_t)(n[3] * n[4] * n[2]);
    return 4;
}

/* The same, then 1 if y has another scale than x: four numbers before y. */
static int bilinear_bytes(const int64_t n[], uint64_t bytes[STEP_OPERANDS])
{
    const int count = resized_bytes(n, bytes);
    if (count == 0 || !agps_in(n[5], 0, 1))
        return 0;
    if (n[5] == 0)
        return count;
    bytes[count] = bytes[count - 1];
    bytes[count - 1] = 4 * 4;
    return count + 1;
}

/* Height, width, channels, output height, output width, zero points, pixels of the kernel; x,
 * window, multipliers, shifts, y. */
static int inner_average_bytes(const int64_t n[], uint64_t bytes[STEP_OPERANDS])
{
    uint64_t maps[STEP_OPERANDS];
    if (resized_bytes(n, maps) == 0 || !agps_in(n[7], 1, 1 << 22))
        return 0;
    bytes[0] = maps[0];
    bytes[1] = 10 * 4;
    bytes[2] = bytes[3] = 4 * (uint64_t)n[7];
    bytes[4] = maps[3];
    return 5;
}

/* Outer, count, inner; x of `each` bytes, y. */
static int choice_bytes(const int64_t n[], uint64_t each, uint64_t bytes[STEP_OPERANDS])
{
    if (!agps_in(n[1], 1, MOST) || !agps_in(n[2], 1, MOST) || n[0] * n[1] > MOST / n[2])
        return 0;
    bytes[0] = (uint64_t)(n[0] * n[1] * n[2]) * each;
    bytes[1] = (uint64_t)(n[0] * n[2]) * sizeof(int64_t);
    return 2;
}

/* What the array of a deformation begins with. */
enum { WINDOW = 11, ENTRIES = 256 };

/* Height, width, channels, output height, output width, taps, groups, factors; x, offset, mask if
 * there is more than one factor, numbers, y. */
static int deform_bytes(const int64_t n[], uint64_t bytes[STEP_OPERANDS])
{
    const int64_t out[] = {n[3], n[4], n[5]};
    const uint64_t taps = volume(out), all = (uint64_t)(MOST);
    if (volume(n) == 0 || taps == 0 || !agps_in(n[6], 1, n[2]) || n[2] > MOST_SIDE ||
        (n[7] != 1 && n[7] != ENTRIES) || taps > all / (uint64_t)n[2])
        return 0;
    int i = 0;
    bytes[i++] = volume(n);
    bytes[i++] = 2 * taps * (uint64_t)n[6];
    if (n[7] == ENTRIES)
        bytes[i++] = taps * (uint64_t)n[6];
    bytes[i++] = 4 * (WINDOW + ENTRIES + (uint64_t)n[7]);
    bytes[i++] = taps * (uint64_t)n[2];
    return i;
}

static int deform(const int64_t n[], void *const operand[], agps_pool *pool)
{
    const int masked = n[7] == ENTRIES;
    const int32_t *const w = operand[2 + masked];
    const agps_deformation q = {
        (int)n[0], (int)n[1], (int)n[2], (int)n[3], (int)n[4], w[0], w[1], w[2], w[3], w[4], w[5],
        w[6], w[7], (int)n[6], w[8], w[9], w[10], w + WINDOW, w + WINDOW + ENTRIES};
    if ((int64_t)w[0] * w[1] != n[5])
        return AGPS_EINVAL;
    return agps_deform(
        operand[0], operand[1], masked ? operand[2] : NULL, &q, operand[3 + masked], pool);
}

int agps_operand_bytes(agps_step_kernel kernel, const int64_t n[], uint64_t bytes[STEP_OPERANDS])
{
    for (int i = 0; i < 2; i++)
        if (!agps_in(n[i], 1, MOST) && (i == 0 || kernel == AGPS_STEP_FC))
            return 0;
    const uint64_t a = (uint64_t)n[0], b = (uint64_t)n[1], f = sizeof(float);
    const int pair = agps_in(n[1], 1, MOST) && n[0] * n[1] <= MOST;
    switch (kernel) {
    case AGPS_STEP_FC: /* outputs, inputs, zero, low, high, 1 if y is int32 */
        memcpy(
            bytes, (uint64_t[]){b, a * b, 4 * a, 4 * a, 4 * a, n[5] ? 4 * a : a},
            6 * sizeof *bytes);
        return pair ? 6 : 0;
    case AGPS_STEP_TABLE: /* count */
        memcpy(bytes, (uint64_t[]){a, 256, a}, 3 * sizeof *bytes);
        return 3;
    case AGPS_STEP_ADD: /* count */
    case AGPS_STEP_MULTIPLY:
        memcpy(bytes, (uint64_t[]){a, a, a}, 3 * sizeof *bytes);
        return 3;
    case AGPS_STEP_SCALE: /* pixels, channels */
        memcpy(bytes, (uint64_t[]){a * b, b, a * b}, 3 * sizeof *bytes);
        return pair ? 3 : 0;
    case AGPS_STEP_AVERAGE: /* pixels, channels */
        memcpy(bytes, (uint64_t[]){a * b, b}, 2 * sizeof *bytes);
        return pair ? 2 : 0;
    case AGPS_STEP_SOFTMAX_INT8: /* rows, count */
        memcpy(bytes, (uint64_t[]){a * b, f * a * b}, 2 * sizeof *bytes);
        return pair ? 2 : 0;
    case AGPS_STEP_SOFTMAX: /* rows, count */
        memcpy(bytes, (uint64_t[]){f * a * b, f * a * b}, 2 * sizeof *bytes);
        return pair ? 2 : 0;
    case AGPS_STEP_DEQUANTIZE: /* count */
        memcpy(bytes, (uint64_t[]){a, f * a}, 2 * sizeof *bytes);
        return 2;
    case AGPS_STEP_DEQUANTIZE_INT32: /* rows, count */
        memcpy(bytes, (uint64_t[]){4 * a * b, f * b, f * a * b}, 3 * sizeof *bytes);
        return pair ? 3 : 0;
    case AGPS_STEP_NORMALIZE:
        bytes[0] = bytes[1] = a * b;
        return pair ? 2 : 0;
    case AGPS_STEP_RESPONSE: /* pixels, channels */
        memcpy(bytes, (uint64_t[]){a * b, b}, 2 * sizeof *bytes);
        return pair ? 2 : 0;
    case AGPS_STEP_LOCAL_NORM: /* pixels, channels; count of factors is the last */
        memcpy(bytes, (uint64_t[]){a * b, 4 * (uint64_t)n[6], a * b}, 3 * sizeof *bytes);
        return pair && agps_in(n[6], 2, 1 << 16) ? 3 : 0;
    case AGPS_STEP_SOFTEN: /* pixels, channels */
        memcpy(bytes, (uint64_t[]){a * b, 4 * 256, a * b}, 3 * sizeof *bytes);
        return pair ? 3 : 0;
    case AGPS_STEP_UNPOOL: /* height, width, channels, kernel */
        if (volume(n) == 0 || !agps_in(n[3], 1, n[0]) || !agps_in(n[4], 1, n[1]))
            return 0;
        bytes[0] = (uint64_t)(n[0] / n[3] * (n[1] / n[4]) * n[2]);
        bytes[1] = bytes[2] = volume(n);
        return 3;
    case AGPS_STEP_DEFORM:
        return deform_bytes(n, bytes);
    case AGPS_STEP_JOIN_BYTES: /* sums, offset */
        memcpy(bytes, (uint64_t[]){4 * a, 4 * a}, 2 * sizeof *bytes);
        return 2;
    case AGPS_STEP_CHANNEL_MAX: /* pixels, channels */
        memcpy(bytes, (uint64_t[]){a * b, a}, 2 * sizeof *bytes);
        return pair ? 2 : 0;
    case AGPS_STEP_INNER_AVERAGE:
        return inner_average_bytes(n, bytes);
    case AGPS_STEP_BILINEAR:
        return bilinear_bytes(n, bytes);
    case AGPS_STEP_CHOOSE_INT8:
    case AGPS_STEP_CHOOSE:
        return choice_bytes(n, kernel == AGPS_STEP_CHOOSE ? f : 1, bytes);
    case AGPS_STEP_GATHER: /* count, bytes each, elements of x, elements of y */
        memcpy(
            bytes, (uint64_t[]){(uint64_t)n[2] * b, 4 * a, 4 * a, (uint64_t)n[3] * b},
            4 * sizeof *bytes);
        return (b == 1 || b == 4) && agps_in(n[2], 1, MOST) && agps_in(n[3], 1, MOST) ? 4 : 0;
    }
    return 0;
}

/* An integer of 62 bits in two words: low ones first. */
static int64_t wide(const int64_t n[])
{
    return (n[0] & UINT32_MAX) | n[1] << 32;
}

int agps_plain_step(
    agps_step_kernel kernel, const int64_t n[], void *const operand[], agps_pool *pool)
{
    void *const *o = operand;
    if (kernel == AGPS_STEP_NORMALIZE) {
        const int given = (int)((n[7] + 128) >> 8);
        const agps_norm q = {(int)n[0],     (int)n[1], (int)n[2],               wide(n + 3),
                             (int32_t)n[5], (int)n[6], (int)n[7] - 256 * given, given};
        return agps_normalize(o[0], &q, o[1], pool);
    }
    if (kernel == AGPS_STEP_RESPONSE) {
        const agps_responses q = {(int)n[0],     (int)n[1], (int)n[2], wide(n + 3),
                                  (int32_t)n[5], (int)n[6], (int)n[7]};
        return agps_response(o[0], &q, o[1]);
    }
    if (kernel == AGPS_STEP_LOCAL_NORM) {
        const agps_local q = {(int)n[0], (int)n[1], (int)n[2], (int)n[3],
                              (int)n[4], (int)n[5], (int)n[6], o[1]};
        return agps_local_norm(o[0], &q, o[2], pool);
    }
    if (kernel == AGPS_STEP_SOFTEN) {
        const agps_weights q = {(int)n[0], (int)n[1], (int32_t)n[2], (int)n[3], (int)n[4], o[1]};
        return agps_soften(o[0], &q, o[2], pool);
    }
    if (kernel == AGPS_STEP_UNPOOL) {
        const agps_unpooling q = {(int)n[0], (int)n[1], (int)n[2],
                                  (int)n[3], (int)n[4], (int)n[5]};
        return agps_unpool(o[0], o[1], &q, o[2], pool);
    }
    if (kernel == AGPS_STEP_DEFORM)
        return deform(n, o, pool);
    if (kernel == AGPS_STEP_JOIN_BYTES)
        return agps_join_bytes(o[0], (size_t)n[0], (int32_t)n[1], o[1]);
    if (kernel == AGPS_STEP_CHANNEL_MAX)
        return agps_channel_max(o[0], (int)n[0], (int)n[1], o[1]);
    return AGPS_EINVAL;
}
