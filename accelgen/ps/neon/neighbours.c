/* What channels of a pixel, or pixels of a channel, say of each other. */
#include <stdlib.h>

#include "kernels.h"

typedef struct {
    const int8_t *x;
    const void *q;
    int8_t *y;
    int32_t *scratch;
} working;

/* First and last + 1 pixel of a part. */
static void share(int pixels, int part, int parts, size_t *from, size_t *to)
{
    *from = (size_t)pixels * (size_t)part / (size_t)parts;
    *to = (size_t)pixels * ((size_t)part + 1) / (size_t)parts;
}

static LOOP void add_squares(
    const int8_t *restrict x, size_t count, int zero, uint32_t *restrict sums)
{
    for (size_t i = 0; i < count; i++) {
        const int32_t d = x[i] - zero;
        sums[i] += (uint32_t)(d * d);
    }
}

int agps_response(const int8_t *x, const agps_responses *q, int8_t *y)
{
    if (!agps_in(q->pixels, 1, 1 << 16) || !agps_in(q->channels, 1, 1 << 15) ||
        !agps_in(q->input_zero, -128, 127) || !agps_in(q->epsilon, 1, (int64_t)1 << 40) ||
        !agps_in(q->multiplier, 0, (1 << 17) - 1) || !agps_in(q->shift, 1, 47) ||
        !agps_in(q->zero, -128, 127))
        return AGPS_EINVAL;
    const size_t channels = (size_t)q->channels;
    uint32_t *const sums = calloc(channels, sizeof *sums);
    if (sums == NULL)
        return AGPS_ENOMEM;
    for (size_t p = 0; p < (size_t)q->pixels; p++)
        add_squares(x + p * channels, channels, q->input_zero, sums);
    int64_t whole = q->epsilon;
    for (size_t c = 0; c < channels; c++) {
        sums[c] = (uint32_t)agps_integer_root((int64_t)sums[c] << 26);
        whole += sums[c];
    }
    const int64_t factor = ((int64_t)q->multiplier * q->channels << 28) / whole;
    const int shift = q->shift + 28 < 62 ? q->shift + 28 : 62;
    for (size_t c = 0; c < channels; c++)
        y[c] = agps_clamp(agps_rounding_shift(sums[c] * factor, shift) + q->zero, -128, 127);
    free(sums);
    return AGPS_OK;
}

/* Place in the table of factors: its index, and e. */
static size_t place_of(uint32_t sum, int *e)
{
    const int bits = 32 - __builtin_clz(sum | 1);
    *e = bits > 7 ? bits - 7 : 0;
    return 64 * (size_t)*e + (sum >> *e);
}

static LOOP void square(const int8_t *restrict x, size_t count, int zero, int32_t *restrict y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = (x[i] - zero) * (x[i] - zero);
}

/* Of one pixel; `squares` of its channels. */
static LOOP void local_row(
    const int8_t *x, const int32_t *squares, const agps_local *q, int8_t *y)
{
    const int before = (q->size - 1) / 2, after = q->size / 2, channels = q->channels;
    uint32_t sum = 0;
    for (int c = 0; c < after && c < channels; c++)
        sum += (uint32_t)squares[c];
    for (int c = 0; c < channels; c++) {
        sum += c + after < channels ? (uint32_t)squares[c + after] : 0;
        sum -= c - before - 1 >= 0 ? (uint32_t)squares[c - before - 1] : 0;
        int e;
        const int32_t *const at = q->factors + place_of(sum, &e);
        const int64_t part = sum & ((1u << e) - 1);
        const int64_t factor = at[0] + ((((int64_t)at[1] - at[0]) * part) >> e);
        const int64_t scaled = agps_rounding_shift((x[c] - q->input_zero) * factor, q->shift);
        y[c] = agps_clamp(scaled + q->zero, -128, 127);
    }
}

static void local_part(void *argument, int part, int parts)
{
    const working *job = argument;
    const agps_local *q = job->q;
    const size_t channels = (size_t)q->channels;
    int32_t *const squares = job->scratch + (size_t)part * channels;
    size_t from, to;
    share(q->pixels, part, parts, &from, &to);
    for (size_t p = from; p < to; p++) {
        square(job->x + p * channels, channels, q->input_zero, squares);
        local_row(job->x + p * channels, squares, q, job->y + p * channels);
    }
}

int agps_local_norm(const int8_t *x, const agps_local *q, int8_t *y, agps_pool *pool)
{
    int e;
    if (!agps_in(q->pixels, 1, 1 << 30) || !agps_in(q->channels, 1, 1 << 20) ||
        !agps_in(q->size, 1, 1024) || !agps_in(q->input_zero, -128, 127) ||
        !agps_in(q->shift, 1, 60) || !agps_in(q->zero, -128, 127) ||
        !agps_in(q->count, (long long)place_of((uint32_t)q->size * 255 * 255, &e) + 2, 1 << 16))
        return AGPS_EINVAL;
    for (int i = 0; i < q->count; i++)
        if (!agps_in(q->factors[i], 0, (1 << 30) - 1))
            return AGPS_EINVAL;
    const size_t parts = (size_t)agps_pool_threads(pool);
    working job = {x, q, y, malloc(parts * (size_t)q->channels * sizeof(int32_t))};
    if (job.scratch == NULL)
        return AGPS_ENOMEM;
    agps_pool_run(pool, local_part, &job);
    free(job.scratch);
    return AGPS_OK;
}

static LOOP int64_t powers_of(
    const int8_t *x, size_t count, int largest, const int32_t *powers, int32_t *y)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        y[i] = powers[largest - x[i]];
        sum += y[i];
    }
    return sum;
}

static LOOP void weigh(
    const int32_t *powers, size_t count, int64_t factor, int shift, int zero, int8_t *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = agps_clamp(agps_rounding_shift(powers[i] * factor, shift) + zero, -128, 127);
}

static void soften_part(void *argument, int part, int parts)
{
    const working *job = argument;
    const agps_weights *q = job->q;
    const size_t channels = (size_t)q->channels;
    int32_t *const powers = job->scratch + (size_t)part * channels;
    size_t from, to;
    share(q->pixels, part, parts, &from, &to);
    for (size_t p = from; p < to; p++) {
        const int8_t *const row = job->x + p * channels;
        const int largest = agps_largest_int8(row, channels);
        const int64_t sum = powers_of(row, channels, largest, q->powers, powers);
        const int64_t factor = ((int64_t)q->multiplier << 40) / sum;
        weigh(powers, channels, factor, q->shift + 40, q->zero, job->y + p * channels);
    }
}

int agps_soften(const int8_t *x, const agps_weights *q, int8_t *y, agps_pool *pool)
{
    if (!agps_in(q->pixels, 1, 1 << 30) || !agps_in(q->channels, 1, 1 << 16) ||
        !agps_in(q->multiplier, 0, (1 << 17) - 1) || !agps_in(q->shift, 1, 22) ||
        !agps_in(q->zero, -128, 127) || q->powers[0] != 1 << 20)
        return AGPS_EINVAL;
    for (int i = 0; i < 256; i++)
        if (!agps_in(q->powers[i], 0, 1 << 20))
            return AGPS_EINVAL;
    const size_t parts = (size_t)agps_pool_threads(pool);
    working job = {x, q, y, malloc(parts * (size_t)q->channels * sizeof(int32_t))};
    if (job.scratch == NULL)
        return AGPS_ENOMEM;
    agps_pool_run(pool, soften_part, &job);
    free(job.scratch);
    return AGPS_OK;
}

int agps_channel_max(const int8_t *x, int pixels, int channels, int8_t *y)
{
    if (pixels < 1 || channels < 1)
        return AGPS_EINVAL;
    for (size_t p = 0; p < (size_t)pixels; p++)
        y[p] = agps_largest_int8(x + p * (size_t)channels, (size_t)channels);
    return AGPS_OK;
}
