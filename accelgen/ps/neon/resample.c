/* Bilinear resize of int8 maps. */
#include <stdlib.h>

#include "kernels.h"

enum { STEP_BITS = 11, STEP = 1 << STEP_BITS };

/* y[i] = a[i] * (2048 - f) + b[i] * f. GCC makes NEON code of both loops. */
static LOOP void blend_columns(
    const int8_t *restrict a, const int8_t *restrict b, int f, size_t count, int32_t *restrict y)
{
    const int16_t part = (int16_t)f;
    for (size_t i = 0; i < count; i++)
        y[i] = a[i] * STEP + (int16_t)(b[i] - a[i]) * part;
}

/* y[i] = (a[i] * (2048 - f) + b[i] * f + 2^21) >> 22. */
static LOOP void blend_rows(
    const int32_t *restrict a, const int32_t *restrict b, int f, size_t count, int8_t *restrict y)
{
    const int32_t left = STEP - f, half = 1 << (2 * STEP_BITS - 1);
    for (size_t i = 0; i < count; i++)
        y[i] = (int8_t)((a[i] * left + b[i] * f + half) >> (2 * STEP_BITS));
}

/* y[i] = a[i] * (2048 - f) + b[i] * f. */
static LOOP void blend_sums(
    const int32_t *restrict a, const int32_t *restrict b, int f, size_t count, int32_t *restrict y)
{
    const int32_t left = STEP - f;
    for (size_t i = 0; i < count; i++)
        y[i] = a[i] * left + b[i] * f;
}

/* The same for COLUMNS sums. */
typedef struct {
    int32_t bias[COLUMNS], multiplier[COLUMNS], shift[COLUMNS];
    agps_requant requant;
} rescaling;

static void rescale_rows(
    const int32_t *a, const int32_t *b, int f, size_t count, const rescaling *q, int8_t *y)
{
    int32_t sums[COLUMNS];
    for (size_t i = 0; i < count; i += COLUMNS) {
        const size_t n = count - i < COLUMNS ? count - i : COLUMNS;
        blend_sums(a + i, b + i, f, n, sums);
        agps_requantize_row(sums, 0, n, &q->requant, y + i);
    }
}

typedef struct {
    const int8_t *x;
    size_t height, width, channels, out_height, out_width;
    const int32_t *rows, *columns;
    int8_t *y;
    int32_t *wide;      /* two rows for each part */
    const rescaling *q; /* or NULL */
} resampling;

static void widen(const resampling *job, size_t row, int32_t *wide)
{
    const size_t channels = job->channels;
    const int8_t *const x = job->x + row * job->width * channels;
    for (size_t j = 0; j < job->out_width; j++, wide += channels) {
        const size_t before = (size_t)(job->columns[j] >> STEP_BITS);
        const size_t after = before + 1 < job->width ? before + 1 : before;
        blend_columns(
            x + before * channels, x + after * channels, job->columns[j] & (STEP - 1), channels,
            wide);
    }
}

static void resample_rows(void *argument, int part, int parts)
{
    const resampling *job = argument;
    const size_t from = job->out_height * (size_t)part / (size_t)parts;
    const size_t to = job->out_height * ((size_t)part + 1) / (size_t)parts;
    const size_t size = job->out_width * job->channels;
    int32_t *const wide[2] = {
        job->wide + 2 * (size_t)part * size, job->wide + (2 * (size_t)part + 1) * size};
    size_t held[2] = {SIZE_MAX, SIZE_MAX}; /* row r is kept at r % 2 */
    for (size_t i = from; i < to; i++) {
        const size_t before = (size_t)(job->rows[i] >> STEP_BITS);
        const size_t after = before + 1 < job->height ? before + 1 : before;
        const size_t wanted[2] = {before, after};
        for (int k = 0; k < 2; k++)
            if (held[wanted[k] % 2] != wanted[k]) {
                widen(job, wanted[k], wide[wanted[k] % 2]);
                held[wanted[k] % 2] = wanted[k];
            }
        const int32_t *const a = wide[before % 2], *const b = wide[after % 2];
        const int f = job->rows[i] & (STEP - 1);
        if (job->q == NULL)
            blend_rows(a, b, f, size, job->y + i * size);
        else
            rescale_rows(a, b, f, size, job->q, job->y + i * size);
    }
}

static int positions_within(const int32_t *positions, int count, int size)
{
    for (int i = 0; i < count; i++)
        if (!agps_in(positions[i], 0, (long long)(size - 1) * STEP))
            return 0;
    return 1;
}

/* 0: q is outside of its limits. */
static int fill(rescaling *r, const agps_average *q)
{
    for (int i = 0; i < COLUMNS; i++) {
        r->bias[i] = -q->input_zero * STEP * STEP;
        r->multiplier[i] = q->multiplier;
        r->shift[i] = q->shift;
    }
    r->requant = (agps_requant){r->bias, r->multiplier, r->shift, q->zero, -128, 127};
    return agps_check_requant(&r->requant, COLUMNS) == AGPS_OK;
}

int agps_bilinear(
    const int8_t *x, int height, int width, int channels, const int32_t *rows, int out_height,
    const int32_t *columns, int out_width, const agps_average *q, int8_t *y, agps_pool *pool)
{
    rescaling rescale;
    if (q != NULL && (!agps_in(q->input_zero, -128, 127) || !fill(&rescale, q)))
        return AGPS_EINVAL;
    const int sides[] = {height, width, channels, out_height, out_width};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (!agps_in(sides[i], 1, MOST_SIDE))
            return AGPS_EINVAL;
    if (!positions_within(rows, out_height, height) ||
        !positions_within(columns, out_width, width))
        return AGPS_EINVAL;
    const size_t size = (size_t)out_width * (size_t)channels;
    const size_t threads = pool == NULL ? 1 : (size_t)agps_pool_threads(pool);
    resampling job = {x, (size_t)height, (size_t)width, (size_t)channels, (size_t)out_height,
                      (size_t)out_width, rows, columns, y,
                      malloc(2 * threads * size * sizeof *job.wide),
                      q == NULL ? NULL : &rescale};
    if (job.wide == NULL)
        return AGPS_ENOMEM;
    agps_pool_run(pool, resample_rows, &job);
    free(job.wide);
    return AGPS_OK;
}
