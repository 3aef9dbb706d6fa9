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

typedef struct {
    const int8_t *x;
    size_t height, width, channels, out_height, out_width;
    const int32_t *rows, *columns;
    int8_t *y;
    int32_t *wide; /* two rows for each part */
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
        blend_rows(
            wide[before % 2], wide[after % 2], job->rows[i] & (STEP - 1), size, job->y + i * size);
    }
}

static int positions_within(const int32_t *positions, int count, int size)
{
    for (int i = 0; i < count; i++)
        if (!agps_in(positions[i], 0, (long long)(size - 1) * STEP))
            return 0;
    return 1;
}

int agps_bilinear(
    const int8_t *x, int height, int width, int channels, const int32_t *rows, int out_height,
    const int32_t *columns, int out_width, int8_t *y, agps_pool *pool)
{
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
                      malloc(2 * threads * size * sizeof *job.wide)};
    if (job.wide == NULL)
        return AGPS_ENOMEM;
    agps_pool_run(pool, resample_rows, &job);
    free(job.wide);
    return AGPS_OK;
}
