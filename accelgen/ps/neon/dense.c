/* Fully connected layers: packing, blocking for the caches, threads. */
#include <string.h>

#include "kernels.h"

/* Inputs of so many pixels stay in the second-level cache (1 MiB) while all panels pass. */
enum { RESIDENT_BYTES = 512 * 1024 };

static size_t blocks_of(int inputs)
{
    return ((size_t)inputs + BLOCK - 1) / BLOCK;
}

static size_t panels_of(int outputs)
{
    return ((size_t)outputs + PANEL - 1) / PANEL;
}

size_t agps_packed_bytes(int outputs, int inputs)
{
    if (outputs < 1 || !agps_in(inputs, 1, AGPS_MAX_INPUTS))
        return 0;
    return panels_of(outputs) * blocks_of(inputs) * PANEL * BLOCK;
}

int agps_pack(const int8_t *weights, int outputs, int inputs, int8_t *packed)
{
    const size_t bytes = agps_packed_bytes(outputs, inputs);
    if (bytes == 0 || memchr(weights, 0x80, (size_t)outputs * (size_t)inputs) != NULL)
        return AGPS_EINVAL;
    memset(packed, 0, bytes);
    const size_t panel_bytes = blocks_of(inputs) * PANEL * BLOCK;
    for (int o = 0; o < outputs; o++) {
        const int8_t *row = weights + (size_t)o * (size_t)inputs;
        int8_t *to = packed + (size_t)(o / PANEL) * panel_bytes + o % PANEL * HALF;
        for (int i = 0; i < inputs; i += HALF, to += PANEL * HALF) {
            const int rest = inputs - i;
            memcpy(to, row + i, (size_t)(rest < HALF ? rest : HALF));
        }
    }
    return AGPS_OK;
}

int agps_check_requant(const agps_requant *q, int channels)
{
    int bad = !agps_in(q->zero, -128, 127) || !agps_in(q->low, -128, q->high) || q->high > 127;
    for (int c = 0; c < channels; c++)
        bad |= !agps_in(q->multiplier[c], 0, (1 << 17) - 1) || !agps_in(q->shift[c], 1, 47);
    return bad ? AGPS_EINVAL : AGPS_OK;
}

int agps_requantize(
    const int32_t *acc, int pixels, int channels, const agps_requant *q, int8_t *y)
{
    if (pixels < 1 || channels < 1 || agps_check_requant(q, channels) != AGPS_OK)
        return AGPS_EINVAL;
    const size_t n = (size_t)channels;
    for (int p = 0; p < pixels; p++, acc += n, y += n)
        agps_requantize_row(acc, 0, n, q, y);
    return AGPS_OK;
}

typedef struct {
    const int8_t *x, *packed;
    size_t pixels, outputs, inputs;
    const agps_requant *q;
    int8_t *y;
    const int32_t *bias; /* without q: they and the sums are what leaves */
    int32_t *wide;
    int by_pixels; /* what the threads share among them: pixels, or outputs */
} product;

static void add_bias(const int32_t *sums, const int32_t *bias, size_t count, int32_t *y)
{
    for (size_t i = 0; i < count; i++) {
        const int64_t sum = (int64_t)sums[i] + bias[i];
        y[i] = (int32_t)(sum < INT32_MIN ? INT32_MIN : sum > INT32_MAX ? INT32_MAX : sum);
    }
}

/* Up to 4 pixels from `x`, one panel of outputs. */
static void tile(const product *job, const int8_t *x, size_t pixels, size_t panel, int8_t *y)
{
    const size_t full = job->inputs / BLOCK, rest = job->inputs % BLOCK;
    const int8_t *weights = job->packed + panel * blocks_of((int)job->inputs) * PANEL * BLOCK;
    int32_t sums[QUAD * PANEL] = {0};
    if (full > 0 && pixels == QUAD)
        agps_dot8x4(x, job->inputs, weights, full, sums);
    else if (full > 0)
        for (size_t p = 0; p < pixels; p++)
            agps_dot8(x + job->inputs * p, weights, full, sums + PANEL * p);
    if (rest > 0)
        for (size_t p = 0; p < pixels; p++) {
            int8_t last[BLOCK] = {0};
            memcpy(last, x + job->inputs * p + full * BLOCK, rest);
            agps_dot8(last, weights + full * PANEL * BLOCK, 1, sums + PANEL * p);
        }
    const size_t first = panel * PANEL, left = job->outputs - first;
    const size_t count = left < PANEL ? left : PANEL;
    if (job->wide != NULL)
        add_bias(sums, job->bias + first, count, job->wide + first);
    else
        for (size_t p = 0; p < pixels; p++)
            agps_requantize_row(
                sums + PANEL * p, first, count, job->q, y + job->outputs * p + first);
}

static void multiply(void *argument, int part, int parts)
{
    const product *job = argument;
    const size_t i = (size_t)part, n = (size_t)parts, panels = panels_of((int)job->outputs);
    const size_t quads = (job->pixels + QUAD - 1) / QUAD;
    const size_t pixel0 = job->by_pixels ? quads * i / n * QUAD : 0;
    const size_t last = job->by_pixels ? quads * (i + 1) / n * QUAD : job->pixels;
    const size_t pixel1 = last < job->pixels ? last : job->pixels;
    const size_t panel0 = job->by_pixels ? 0 : panels * i / n;
    const size_t panel1 = job->by_pixels ? panels : panels * (i + 1) / n;
    size_t resident = RESIDENT_BYTES / job->inputs / QUAD * QUAD;
    resident = resident < QUAD ? QUAD : resident;
    for (size_t from = pixel0; from < pixel1; from += resident) {
        const size_t to = pixel1 - from < resident ? pixel1 : from + resident;
        for (size_t panel = panel0; panel < panel1; panel++)
            for (size_t p = from; p < to; p += QUAD)
                tile(
                    job, job->x + p * job->inputs, to - p < QUAD ? to - p : QUAD, panel,
                    job->wide == NULL ? job->y + p * job->outputs : NULL);
    }
}

int agps_gemm(
    const int8_t *x, const int8_t *packed, int pixels, int outputs, int inputs,
    const agps_requant *q, int8_t *y, agps_pool *pool)
{
    if (pixels < 1 || agps_packed_bytes(outputs, inputs) == 0)
        return AGPS_EINVAL;
    if (agps_check_requant(q, outputs) != AGPS_OK)
        return AGPS_EINVAL;
    product job = {.x = x, .packed = packed, .pixels = (size_t)pixels, .outputs = (size_t)outputs,
                   .inputs = (size_t)inputs, .q = q, .y = y};
    job.by_pixels = pixels >= outputs && pixels >= QUAD * agps_pool_threads(pool);
    agps_pool_run(pool, multiply, &job);
    return AGPS_OK;
}

int agps_fc(
    const int8_t *x, const int8_t *packed, int outputs, int inputs, const agps_requant *q,
    int8_t *y, agps_pool *pool)
{
    return agps_gemm(x, packed, 1, outputs, inputs, q, y, pool);
}

int agps_fc_wide(
    const int8_t *x, const int8_t *packed, int outputs, int inputs, const int32_t *bias,
    int32_t *y, agps_pool *pool)
{
    if (agps_packed_bytes(outputs, inputs) == 0)
        return AGPS_EINVAL;
    product job = {.x = x, .packed = packed, .pixels = 1, .outputs = (size_t)outputs,
                   .inputs = (size_t)inputs, .bias = bias, .wide = y};
    agps_pool_run(pool, multiply, &job);
    return AGPS_OK;
}
