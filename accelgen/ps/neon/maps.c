/* Element by element, per channel, and over whole maps. */
#include <stdlib.h>

#include "kernels.h"

int agps_table(const int8_t *x, size_t count, const int8_t table[256], int8_t *y)
{
    agps_table_row(x, count, table, y);
    return AGPS_OK;
}

static int magnitude(int64_t value, int64_t bound)
{
    return -bound <= value && value < bound;
}

int agps_add(const int8_t *a, const int8_t *b, size_t count, const agps_sum *q, int8_t *y)
{
    const int64_t most = 1 << 17;
    if (!magnitude(q->multiplier_a, most) || !magnitude(q->multiplier_b, most) ||
        !agps_in(q->shift, 1, 31) || !agps_in(q->zero, -128, 127) ||
        !agps_in(q->low, -128, q->high) || q->high > 127)
        return AGPS_EINVAL;
    /* |a| and |b| are at most 128: what the sum can reach. */
    const int64_t largest = 128 * (llabs(q->multiplier_a) + llabs(q->multiplier_b));
    if (magnitude((int64_t)q->offset + largest, (int64_t)1 << 31) &&
        magnitude((int64_t)q->offset - largest, (int64_t)1 << 31)) {
        agps_add_row(a, b, count, q, y);
        return AGPS_OK;
    }
    for (size_t i = 0; i < count; i++) {
        const int64_t total = (int64_t)a[i] * q->multiplier_a + (int64_t)b[i] * q->multiplier_b;
        y[i] = agps_clamp(((total + q->offset) >> q->shift) + q->zero, q->low, q->high);
    }
    return AGPS_OK;
}

static int check_scaling(const agps_scaling *q)
{
    return agps_in(q->x_zero, -128, 127) && agps_in(q->s_zero, -128, 127) &&
                   agps_in(q->multiplier, 0, (1 << 17) - 1) && agps_in(q->shift, 1, 47) &&
                   agps_in(q->zero, -128, 127)
               ? AGPS_OK
               : AGPS_EINVAL;
}

typedef struct {
    const int8_t *x;
    const int32_t *factors;
    size_t pixels, channels;
    const agps_scaling *q;
    int8_t *y;
} scaling;

static void scale_rows(void *argument, int part, int parts)
{
    const scaling *job = argument;
    const size_t from = job->pixels * (size_t)part / (size_t)parts;
    const size_t to = job->pixels * ((size_t)part + 1) / (size_t)parts;
    for (size_t p = from; p < to; p++)
        agps_scale_row(
            job->x + p * job->channels, job->factors, job->channels, job->q,
            job->y + p * job->channels);
}

static int scale(
    const int8_t *x, const int8_t *s, int pixels, int channels, const agps_scaling *q, int8_t *y,
    agps_pool *pool)
{
    if (pixels < 1 || channels < 1 || check_scaling(q) != AGPS_OK)
        return AGPS_EINVAL;
    int32_t *factors = malloc((size_t)channels * sizeof *factors);
    if (factors == NULL)
        return AGPS_ENOMEM;
    for (int c = 0; c < channels; c++)
        factors[c] = (s[c] - q->s_zero) * q->multiplier;
    scaling job = {x, factors, (size_t)pixels, (size_t)channels, q, y};
    agps_pool_run(pool, scale_rows, &job);
    free(factors);
    return AGPS_OK;
}

int agps_scale(
    const int8_t *x, const int8_t *s, int pixels, int channels, const agps_scaling *q, int8_t *y)
{
    return scale(x, s, pixels, channels, q, y, NULL);
}

enum { CHUNK = 512 };

typedef struct {
    const int8_t *x, *s;
    size_t count;
    const agps_scaling *q;
    int8_t *y;
} multiplying;

static LOOP void factors_of(const int8_t *s, int zero, int32_t multiplier, size_t count, int32_t *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = (s[i] - zero) * multiplier;
}

/* As a scaling: of each chunk, s becomes factors first. Parts begin at whole vectors. */
static void multiply_part(void *argument, int part, int parts)
{
    const multiplying *job = argument;
    const size_t vectors = (job->count + HALF - 1) / HALF;
    const size_t from = vectors * (size_t)part / (size_t)parts * HALF;
    const size_t last = vectors * ((size_t)part + 1) / (size_t)parts * HALF;
    const size_t to = last < job->count ? last : job->count;
    int32_t factors[CHUNK];
    for (size_t i = from; i < to; i += CHUNK) {
        const size_t left = to - i, count = left < CHUNK ? left : CHUNK;
        factors_of(job->s + i, job->q->s_zero, job->q->multiplier, count, factors);
        agps_scale_row(job->x + i, factors, count, job->q, job->y + i);
    }
}

int agps_multiply(
    const int8_t *x, const int8_t *s, size_t count, const agps_scaling *q, int8_t *y,
    agps_pool *pool)
{
    if (check_scaling(q) != AGPS_OK)
        return AGPS_EINVAL;
    multiplying job = {x, s, count, q, y};
    agps_pool_run(pool, multiply_part, &job);
    return AGPS_OK;
}

static int check_average(int pixels, int channels, const agps_average *q)
{
    return agps_in(pixels, 1, 1 << 23) && channels >= 1 && agps_in(q->input_zero, -128, 127) &&
                   agps_in(q->multiplier, 0, (1 << 17) - 1) && agps_in(q->shift, 1, 47) &&
                   agps_in(q->zero, -128, 127)
               ? AGPS_OK
               : AGPS_EINVAL;
}

typedef struct {
    const int8_t *x;
    size_t pixels, channels;
    const agps_average *q;
    int8_t *y;
} averaging;

static void average_columns(void *argument, int part, int parts)
{
    const averaging *job = argument;
    const agps_average *q = job->q;
    const size_t strips = (job->channels + COLUMNS - 1) / COLUMNS;
    const size_t from = strips * (size_t)part / (size_t)parts;
    const size_t to = strips * ((size_t)part + 1) / (size_t)parts;
    for (size_t strip = from; strip < to; strip++) {
        const size_t first = strip * COLUMNS, left = job->channels - first;
        const size_t count = left < COLUMNS ? left : COLUMNS;
        int32_t sums[COLUMNS];
        agps_column_sums(job->x + first, job->pixels, job->channels, count, sums);
        for (size_t c = 0; c < count; c++) {
            const int64_t sum = sums[c] - (int64_t)job->pixels * q->input_zero;
            const int64_t scaled = agps_rounding_shift(sum * q->multiplier, q->shift);
            job->y[first + c] = agps_clamp(scaled + q->zero, -128, 127);
        }
    }
}

int agps_global_average(
    const int8_t *x, int pixels, int channels, const agps_average *q, int8_t *y)
{
    if (check_average(pixels, channels, q) != AGPS_OK)
        return AGPS_EINVAL;
    averaging job = {x, (size_t)pixels, (size_t)channels, q, y};
    average_columns(&job, 0, 1);
    return AGPS_OK;
}

int agps_se(
    const int8_t *x, int pixels, int channels, const agps_se_block *se, int8_t *y,
    agps_pool *pool)
{
    if (check_average(pixels, channels, &se->squeeze) != AGPS_OK ||
        check_scaling(&se->scale) != AGPS_OK || agps_packed_bytes(se->hidden, channels) == 0 ||
        agps_packed_bytes(channels, se->hidden) == 0 ||
        agps_check_requant(&se->q1, se->hidden) != AGPS_OK ||
        agps_check_requant(&se->q2, channels) != AGPS_OK)
        return AGPS_EINVAL;
    int8_t *squeezed = malloc((size_t)channels + (size_t)se->hidden);
    if (squeezed == NULL)
        return AGPS_ENOMEM;
    int8_t *hidden = squeezed + channels;
    averaging job = {x, (size_t)pixels, (size_t)channels, &se->squeeze, squeezed};
    agps_pool_run(pool, average_columns, &job);
    agps_fc(squeezed, se->packed1, se->hidden, channels, &se->q1, hidden, pool);
    if (se->table1 != NULL)
        agps_table_row(hidden, (size_t)se->hidden, se->table1, hidden);
    agps_fc(hidden, se->packed2, channels, se->hidden, &se->q2, squeezed, pool);
    if (se->table2 != NULL)
        agps_table_row(squeezed, (size_t)channels, se->table2, squeezed);
    const int status = scale(x, squeezed, pixels, channels, &se->scale, y, pool);
    free(squeezed);
    return status;
}

int agps_join_bytes(const int8_t *x, size_t count, int32_t offset, int32_t *y)
{
    if (count < 1)
        return AGPS_EINVAL;
    const uint8_t *const a = (const uint8_t *)x, *const b = a + count, *const c = b + count,
                  *const d = c + count;
    for (size_t i = 0; i < count; i++) {
        const uint32_t low = a[i] | (uint32_t)b[i] << 8;
        const uint32_t high = c[i] | (uint32_t)d[i] << 8;
        y[i] = (int32_t)((low | high << 16) + (uint32_t)offset);
    }
    return AGPS_OK;
}
