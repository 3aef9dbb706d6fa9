/* What is divided by a statistic of the map itself. */
#include <math.h>
#include <stdlib.h>

#include "kernels.h"

/* A mean and the factor that brings its numbers to one variance. */
typedef struct {
    int32_t sum, factor, shift;
} statistic;

int64_t agps_integer_root(int64_t v)
{
    int64_t r = (int64_t)sqrt((double)v);
    return r * r > v ? r - 1 : r; /* double may round v up to the next square */
}

static statistic statistic_of(int32_t sum, int32_t squares, const agps_norm *q)
{
    int64_t spread = (int64_t)q->count * squares - (int64_t)sum * sum;
    if (q->given) {
        const int64_t zero = q->given - 129;
        spread = q->count * (squares - 2 * zero * sum + zero * zero * q->count);
        sum = (int32_t)zero * q->count;
    }
    const int64_t v = spread * 256 + q->epsilon;
    int e = 0;
    while (v << (2 * (e + 1)) < (int64_t)1 << 60)
        e++;
    const int64_t factor = ((int64_t)q->multiplier << 43) / agps_integer_root(v << (2 * e));
    const int shift = q->shift + 39 - e;
    return (statistic){sum, (int32_t)factor, shift < 62 ? shift : 62};
}

static LOOP void sum_numbers(const int8_t *x, size_t count, int32_t *sum, int32_t *squares)
{
    int32_t s = 0, t = 0;
    for (size_t i = 0; i < count; i++) {
        s += x[i];
        t += x[i] * x[i];
    }
    *sum = s;
    *squares = t;
}

static LOOP void sum_rows(
    const int8_t *restrict x, size_t count, int32_t *restrict sums, int32_t *restrict squares)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] += x[i];
        squares[i] += x[i] * x[i];
    }
}

static LOOP void apply_one(
    const int8_t *restrict x, size_t count, int32_t n, statistic s, int zero, int8_t *restrict y)
{
    const int64_t half = (int64_t)1 << (s.shift - 1);
    for (size_t i = 0; i < count; i++) {
        const int32_t d = n * x[i] - s.sum;
        const int64_t scaled = (((int64_t)d * s.factor + half) >> s.shift) + zero;
        y[i] = (int8_t)(scaled < -128 ? -128 : scaled > 127 ? 127 : scaled);
    }
}

typedef struct {
    const int8_t *x;
    const agps_norm *q;
    int8_t *y;
} normalizing;

/* row == 1: numbers that lie together. */
static void normalize_rows(void *argument, int part, int parts)
{
    const normalizing *job = argument;
    const agps_norm *q = job->q;
    const size_t count = (size_t)q->count;
    const size_t from = (size_t)q->means * (size_t)part / (size_t)parts;
    const size_t to = (size_t)q->means * ((size_t)part + 1) / (size_t)parts;
    for (size_t o = from; o < to; o++) {
        int32_t sum, squares;
        sum_numbers(job->x + o * count, count, &sum, &squares);
        apply_one(
            job->x + o * count, count, q->count, statistic_of(sum, squares, q), q->zero,
            job->y + o * count);
    }
}

static LOOP void apply_many(
    const int8_t *x, size_t count, int32_t n, const statistic *s, int zero, int8_t *y)
{
    for (size_t i = 0; i < count; i++) {
        const int64_t d = n * x[i] - s[i].sum;
        y[i] = agps_clamp(agps_rounding_shift(d * s[i].factor, s[i].shift) + zero, -128, 127);
    }
}

/* A statistic for each `share` of the numbers of a row. */
static int normalize_columns(const int8_t *x, const agps_norm *q, int8_t *y)
{
    const size_t row = (size_t)q->row, size = (size_t)q->means * (size_t)q->count;
    const size_t share = row / (size_t)q->means;
    int32_t *const sums = calloc(2 * row, sizeof *sums), *const squares = sums + row;
    statistic *const s = malloc(row * sizeof *s);
    const int made = sums != NULL && s != NULL;
    if (made) {
        for (size_t k = 0; k < size; k += row)
            sum_rows(x + k, row, sums, squares);
        for (size_t i = 0; i < row; i += share) {
            for (size_t j = i + 1; j < i + share; j++) {
                sums[i] += sums[j];
                squares[i] += squares[j];
            }
            const statistic one = statistic_of(sums[i], squares[i], q);
            for (size_t j = i; j < i + share; j++)
                s[j] = one;
        }
        for (size_t k = 0; k < size; k += row)
            apply_many(x + k, row, q->count, s, q->zero, y + k);
    }
    free(sums);
    free(s);
    return made ? AGPS_OK : AGPS_ENOMEM;
}

int agps_normalize(const int8_t *x, const agps_norm *q, int8_t *y, agps_pool *pool)
{
    if (!agps_in(q->means, 1, 1 << 30) || !agps_in(q->count, 1, 1 << 16) ||
        !agps_in(q->row, 1, 1 << 20) || !agps_in(q->epsilon, 1, (int64_t)1 << 58) ||
        !agps_in(q->multiplier, 0, (1 << 17) - 1) || !agps_in(q->shift, 1, 47) ||
        !agps_in(q->zero, -128, 127) || !agps_in(q->given, 0, 256))
        return AGPS_EINVAL;
    if (q->row > 1 && (q->row % q->means || (int64_t)q->means * q->count % q->row))
        return AGPS_EINVAL;
    if (q->row > 1)
        return normalize_columns(x, q, y);
    normalizing job = {x, q, y};
    agps_pool_run(pool, normalize_rows, &job);
    return AGPS_OK;
}
