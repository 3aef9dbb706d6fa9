/* What a maximum pool took goes back to where it was. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

typedef struct {
    const int8_t *x, *like;
    const agps_unpooling *q;
    int8_t *y;
    uint8_t *scratch; /* of each part: the largest, and which pixel it is, of all channels */
} unpooling;

static LOOP void keep_larger(
    const int8_t *restrict x, size_t count, uint8_t tap, int8_t *restrict most,
    uint8_t *restrict at)
{
    for (size_t i = 0; i < count; i++) {
        at[i] = x[i] > most[i] ? tap : at[i];
        most[i] = x[i] > most[i] ? x[i] : most[i];
    }
}

static LOOP void put_pixel(
    const int8_t *restrict x, const uint8_t *restrict at, size_t count, uint8_t tap, int8_t value,
    int8_t *restrict y)
{
    for (size_t i = 0; i < count; i++) {
        const int8_t pixel = x[i]; /* read in any case: else GCC makes no NEON code of it */
        y[i] = at[i] == tap ? pixel : value;
    }
}

static void unpool_block(const unpooling *job, int row, int column, uint8_t *scratch)
{
    const agps_unpooling *q = job->q;
    const size_t channels = (size_t)q->channels, width = (size_t)q->width * channels;
    const size_t columns = (size_t)(q->width / q->kernel_w);
    const size_t corner = (size_t)row * (size_t)q->kernel_h * width +
                          (size_t)column * (size_t)q->kernel_w * channels;
    int8_t *const most = (int8_t *)scratch;
    uint8_t *const at = scratch + channels;
    memcpy(most, job->like + corner, channels);
    memset(at, 0, channels);
    for (int tap = 1; tap < q->kernel_h * q->kernel_w; tap++) {
        const size_t i = (size_t)(tap / q->kernel_w), k = (size_t)(tap % q->kernel_w);
        keep_larger(
            job->like + corner + i * width + k * channels, channels, (uint8_t)tap, most, at);
    }
    const int8_t *const x = job->x + ((size_t)row * columns + (size_t)column) * channels;
    for (int tap = 0; tap < q->kernel_h * q->kernel_w; tap++) {
        const size_t i = (size_t)(tap / q->kernel_w), k = (size_t)(tap % q->kernel_w);
        put_pixel(
            x, at, channels, (uint8_t)tap, (int8_t)q->value,
            job->y + corner + i * width + k * channels);
    }
}

static void unpool_rows(void *argument, int part, int parts)
{
    const unpooling *job = argument;
    const agps_unpooling *q = job->q;
    const int rows = q->height / q->kernel_h, columns = q->width / q->kernel_w;
    const int from = (int)((int64_t)rows * part / parts);
    const int to = (int)((int64_t)rows * (part + 1) / parts);
    for (int row = from; row < to; row++)
        for (int column = 0; column < columns; column++)
            unpool_block(job, row, column, job->scratch + 2 * (size_t)part * (size_t)q->channels);
}

int agps_unpool(
    const int8_t *x, const int8_t *like, const agps_unpooling *q, int8_t *y, agps_pool *pool)
{
    if (!agps_in(q->height, 1, MOST_SIDE) || !agps_in(q->width, 1, MOST_SIDE) ||
        !agps_in(q->channels, 1, MOST_SIDE) || !agps_in(q->kernel_h, 1, q->height) ||
        !agps_in(q->kernel_w, 1, q->width) ||
        !agps_in((int64_t)q->kernel_h * q->kernel_w, 1, 255) || !agps_in(q->value, -128, 127))
        return AGPS_EINVAL;
    const size_t parts = (size_t)agps_pool_threads(pool);
    unpooling job = {x, like, q, y, malloc(parts * 2 * (size_t)q->channels)};
    if (job.scratch == NULL)
        return AGPS_ENOMEM;
    if (q->height % q->kernel_h != 0 || q->width % q->kernel_w != 0)
        memset(y, q->value, (size_t)q->height * (size_t)q->width * (size_t)q->channels);
    agps_pool_run(pool, unpool_rows, &job);
    free(job.scratch);
    return AGPS_OK;
}
