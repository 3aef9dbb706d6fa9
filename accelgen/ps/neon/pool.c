/* Average pools that do not count all of their padding. */
#include <stdlib.h>

#include "kernels.h"

/* sums[i] += x[i]. GCC makes NEON code of it. */
static LOOP void add_pixel(const int8_t *restrict x, size_t count, int32_t *restrict sums)
{
    for (size_t i = 0; i < count; i++)
        sums[i] += x[i];
}

typedef struct {
    const int8_t *x;
    const agps_inner_pool *q;
    int8_t *y;
    int32_t *scratch; /* of each part: sums, then bias, multiplier and shift of all channels */
} pooling;

/* Of the kernel at an output pixel, along one axis: its first pixel on the map and the one after
 * its last, and how many pixels count. */
typedef struct {
    int first, end, count;
} span;

static int between(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

static span span_of(const agps_inner_pool *q, int axis, int at)
{
    const int32_t *w = q->window;
    const int size = axis ? q->width : q->height;
    const int first = at * w[2 + axis] - w[4 + axis], end = first + w[axis];
    const int low = -w[6 + axis], high = size + w[8 + axis];
    const span s = {between(first, 0, size), between(end, 0, size),
                    between(end, low, high) - between(first, low, high)};
    return s;
}

static void pool_rows(void *argument, int part, int parts)
{
    const pooling *job = argument;
    const agps_inner_pool *q = job->q;
    const size_t channels = (size_t)q->channels;
    int32_t *const sums = job->scratch + 4 * channels * (size_t)part, *const bias = sums + channels;
    int32_t *const multiplier = bias + channels, *const shift = multiplier + channels;
    const agps_requant requant = {bias, multiplier, shift, q->zero, -128, 127};
    const int from = (int)((int64_t)q->out_height * part / parts);
    const int to = (int)((int64_t)q->out_height * (part + 1) / parts);
    int held = 0, held_inner = 0;
    for (int r = from; r < to; r++)
        for (int v = 0; v < q->out_width; v++) {
            const span rows = span_of(q, 0, r), columns = span_of(q, 1, v);
            const int count = rows.count * columns.count;
            int inner = 0;
            for (size_t c = 0; c < channels; c++)
                sums[c] = 0;
            for (int i = rows.first; i < rows.end; i++)
                for (int j = columns.first; j < columns.end; j++, inner++) {
                    const size_t pixel = (size_t)i * (size_t)q->width + (size_t)j;
                    add_pixel(job->x + pixel * channels, channels, sums);
                }
            for (size_t c = 0; c < channels && (held != count || held_inner != inner); c++) {
                bias[c] = -inner * q->input_zero;
                multiplier[c] = q->multipliers[count - 1];
                shift[c] = q->shifts[count - 1];
            }
            held = count;
            held_inner = inner;
            agps_requantize_row(
                sums, 0, channels, &requant,
                job->y + ((size_t)r * (size_t)q->out_width + (size_t)v) * channels);
        }
}

static int check(const agps_inner_pool *q)
{
    const int sides[] = {q->height, q->width, q->channels, q->out_height, q->out_width};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (!agps_in(sides[i], 1, MOST_SIDE))
            return 0;
    for (int i = 0; i < 10; i++)
        if (!agps_in(q->window[i], i < 4, MOST_SIDE))
            return 0;
    if (!agps_in((int64_t)q->window[0] * q->window[1], 1, 1 << 22))
        return 0;
    for (int axis = 0; axis < 2; axis++)
        for (int i = 0; i < (axis ? q->out_width : q->out_height); i++)
            if (span_of(q, axis, i).count < 1)
                return 0;
    for (int i = 0; i < q->window[0] * q->window[1]; i++)
        if (!agps_in(q->multipliers[i], 0, (1 << 17) - 1) || !agps_in(q->shifts[i], 1, 47))
            return 0;
    return agps_in(q->input_zero, -128, 127) && agps_in(q->zero, -128, 127);
}

int agps_inner_average(const int8_t *x, const agps_inner_pool *q, int8_t *y, agps_pool *pool)
{
    if (!check(q))
        return AGPS_EINVAL;
    const size_t parts = (size_t)agps_pool_threads(pool);
    pooling job = {x, q, y, malloc(parts * 4 * (size_t)q->channels * sizeof(int32_t))};
    if (job.scratch == NULL)
        return AGPS_ENOMEM;
    agps_pool_run(pool, pool_rows, &job);
    free(job.scratch);
    return AGPS_OK;
}
