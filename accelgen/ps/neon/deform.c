/* What a deformable convolution gathers: taps between the pixels of a map. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { PART_BITS = 11, PARTS = 1 << PART_BITS, FURTHEST = 1 << 29, LARGEST = 1 << 14 };
enum { MOST_STEP = 65535, MOST_PLACE = 1 << 18, MOST_OUTPUTS = 65536 };

typedef struct {
    const int8_t *x, *offset, *mask;
    const agps_deformation *q;
    int8_t *y, *outside; /* a pixel of zeros; after it each part's taps of a pixel */
} deforming;

/* The four pixels around a place, and what they weigh. */
typedef struct {
    const int8_t *pixel[4];
    int16_t weight[4];
    int32_t bias;
    int shift, zero;
} mixture;

/* GCC makes NEON code of it: products of 16 bits each, sums of 32. */
static LOOP void mix_pixels(const mixture *m, size_t count, int8_t *restrict y)
{
    const int8_t *restrict a = m->pixel[0], *restrict b = m->pixel[1];
    const int8_t *restrict c = m->pixel[2], *restrict d = m->pixel[3];
    const int16_t *w = m->weight, w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
    const int32_t bias = m->bias, zero = m->zero;
    const int shift = m->shift;
    for (size_t i = 0; i < count; i++) {
        int32_t sum = a[i] * w0 + b[i] * w1 + c[i] * w2 + d[i] * w3 + bias;
        sum = (sum >> shift) + zero;
        sum = sum < -128 ? -128 : sum;
        y[i] = (int8_t)(sum > 127 ? 127 : sum);
    }
}

/* y[c * taps + t] = x[t * channels + c]; four at a time, as GCC would not. */
static LOOP void order_taps(
    const int8_t *restrict x, size_t taps, size_t channels, int8_t *restrict y)
{
    for (size_t t = 0; t < taps; t++, x += channels) {
        int8_t *to = y + t;
        size_t c = 0;
        for (; c + 4 <= channels; c += 4, to += 4 * taps) {
            to[0] = x[c];
            to[taps] = x[c + 1];
            to[2 * taps] = x[c + 2];
            to[3 * taps] = x[c + 3];
        }
        for (; c < channels; c++, to += taps)
            *to = x[c];
    }
}

static const int8_t *pixel_at(const deforming *job, int row, int column)
{
    const agps_deformation *q = job->q;
    if (row < 0 || row >= q->height || column < 0 || column >= q->width)
        return job->outside;
    return job->x + ((size_t)row * (size_t)q->width + (size_t)column) * (size_t)q->channels;
}

/* What the pixel behind a place gets of a factor. */
static int32_t part_of(int32_t factor, int place)
{
    return (factor * (place & (PARTS - 1)) + PARTS / 2) >> PART_BITS;
}

/* Tap n (of all offset groups) of an output pixel, whose window begins at row and column. */
static mixture mixture_of(const deforming *job, size_t pixel, int n, int row, int column)
{
    const agps_deformation *q = job->q;
    const int taps = q->kernel_h * q->kernel_w, t = n % taps;
    const size_t at = pixel * (size_t)taps * (size_t)q->groups + (size_t)n;
    row = (row + t / q->kernel_w * q->dilation_h) * PARTS + q->offsets[job->offset[2 * at] + 128];
    column = (column + t % q->kernel_w * q->dilation_w) * PARTS +
             q->offsets[job->offset[2 * at + 1] + 128];
    const int32_t factor = q->factors[job->mask == NULL ? 0 : job->mask[at] + 128];
    mixture m = {
        .bias = (1 << (q->shift - 1)) - factor * q->x_zero, .shift = q->shift, .zero = q->zero};
    const int32_t lower = part_of(factor, row), upper = factor - lower;
    const int32_t after[2] = {part_of(upper, column), part_of(lower, column)};
    m.weight[0] = (int16_t)(upper - after[0]);
    m.weight[1] = (int16_t)after[0];
    m.weight[2] = (int16_t)(lower - after[1]);
    m.weight[3] = (int16_t)after[1];
    row >>= PART_BITS;
    column >>= PART_BITS;
    for (int i = 0; i < 4; i++)
        m.pixel[i] = pixel_at(job, row + i / 2, column + i % 2);
    return m;
}

static void gather_pixel(const deforming *job, int row, int column, int8_t *scratch)
{
    const agps_deformation *q = job->q;
    const size_t channels = (size_t)q->channels, share = channels / (size_t)q->groups;
    const size_t pixel = (size_t)row * (size_t)q->out_width + (size_t)column;
    const int taps = q->kernel_h * q->kernel_w;
    for (int g = 0; g < q->groups; g++)
        for (int t = 0; t < taps; t++) {
            mixture m = mixture_of(
                job, pixel, g * taps + t, row * q->stride_h - q->top,
                column * q->stride_w - q->left);
            for (int i = 0; i < 4; i++)
                m.pixel[i] += (size_t)g * share;
            mix_pixels(&m, share, scratch + (size_t)t * channels + (size_t)g * share);
        }
    order_taps(scratch, (size_t)taps, channels, job->y + pixel * (size_t)taps * channels);
}

static void gather_rows(void *argument, int part, int parts)
{
    const deforming *job = argument;
    const agps_deformation *q = job->q;
    const size_t channels = (size_t)q->channels;
    const size_t size = (size_t)q->kernel_h * (size_t)q->kernel_w * channels;
    const int from = (int)((int64_t)q->out_height * part / parts);
    const int to = (int)((int64_t)q->out_height * (part + 1) / parts);
    for (int row = from; row < to; row++)
        for (int column = 0; column < q->out_width; column++)
            gather_pixel(job, row, column, job->outside + channels + (size_t)part * size);
}

static int all_within(const int32_t *numbers, int count, int32_t most)
{
    for (int i = 0; i < count; i++)
        if (!agps_in(numbers[i], -most, most))
            return 0;
    return 1;
}

/* Of one axis: where windows begin stays far within 32 bits, in parts of a pixel, too. */
static int steps_within(int out, int kernel, int stride, int pad, int dilation)
{
    return agps_in(kernel, 1, MOST_OUTPUTS) && agps_in(stride, 1, MOST_STEP) &&
           agps_in(pad, 0, MOST_STEP) && agps_in(dilation, 1, MOST_STEP) &&
           (int64_t)(out - 1) * stride + (int64_t)(kernel - 1) * dilation <= MOST_PLACE;
}

int agps_deform(
    const int8_t *x, const int8_t *offset, const int8_t *mask, const agps_deformation *q,
    int8_t *y, agps_pool *pool)
{
    const int sides[] = {q->height, q->width, q->channels, q->out_height, q->out_width};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (!agps_in(sides[i], 1, MOST_SIDE))
            return AGPS_EINVAL;
    if (!steps_within(q->out_height, q->kernel_h, q->stride_h, q->top, q->dilation_h) ||
        !steps_within(q->out_width, q->kernel_w, q->stride_w, q->left, q->dilation_w) ||
        !agps_in((int64_t)q->kernel_h * q->kernel_w, 1, MOST_OUTPUTS / q->channels) ||
        !agps_in(q->groups, 1, q->channels) || q->channels % q->groups != 0 ||
        !agps_in(q->x_zero, -128, 127) || !agps_in(q->zero, -128, 127) ||
        !agps_in(q->shift, 1, 30) || !all_within(q->offsets, 256, FURTHEST) ||
        !all_within(q->factors, mask == NULL ? 1 : 256, LARGEST))
        return AGPS_EINVAL;
    const size_t channels = (size_t)q->channels, parts = (size_t)agps_pool_threads(pool);
    const size_t size = (size_t)q->kernel_h * (size_t)q->kernel_w * channels;
    deforming job = {x, offset, mask, q, y, malloc(channels + parts * size)};
    if (job.outside == NULL)
        return AGPS_ENOMEM;
    memset(job.outside, q->x_zero, channels);
    agps_pool_run(pool, gather_rows, &job);
    free(job.outside);
    return AGPS_OK;
}
