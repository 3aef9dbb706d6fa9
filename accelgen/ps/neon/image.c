/* From a camera's or decoder's bytes to the network's int8 input. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { MAX_SIDE = 32768, MAX_CHANNELS = 4 };

/* Where output d of `out` lies between inputs, in 1/256. */
static int position(int d, int in, int out)
{
    const int64_t at = (2 * (int64_t)d + 1) * in * 128 / out - 128;
    const int64_t last = ((int64_t)in - 1) * 256;
    return (int)(at < 0 ? 0 : at > last ? last : at);
}

static void blend_columns(
    const uint8_t *row, const int *columns, int width, int out_width, int channels, uint16_t *y)
{
    for (int d = 0; d < out_width; d++) {
        const int at = columns[d] >> 8, next = at + 1 < width ? at + 1 : at;
        const unsigned f = (unsigned)columns[d] & 255;
        const uint8_t *a = row + (size_t)at * (size_t)channels;
        const uint8_t *b = row + (size_t)next * (size_t)channels;
        for (int c = 0; c < channels; c++)
            *y++ = (uint16_t)(a[c] * (256 - f) + b[c] * f);
    }
}

static int image_sizes(int height, int width, int channels)
{
    return agps_in(height, 1, MAX_SIDE) && agps_in(width, 1, MAX_SIDE) &&
           agps_in(channels, 1, MAX_CHANNELS);
}

int agps_resize(
    const uint8_t *x, int height, int width, int channels, uint8_t *y, int out_height,
    int out_width)
{
    if (!image_sizes(height, width, channels) || !image_sizes(out_height, out_width, channels))
        return AGPS_EINVAL;
    const size_t count = (size_t)out_width * (size_t)channels;
    const size_t pitch = (size_t)width * (size_t)channels;
    int *columns = malloc((size_t)out_width * sizeof *columns + 2 * count * sizeof(uint16_t));
    if (columns == NULL)
        return AGPS_ENOMEM;
    uint16_t *rows[2] = {(uint16_t *)(columns + out_width), NULL};
    rows[1] = rows[0] + count;
    int held[2] = {-1, -1}; /* which input rows are in `rows` */
    for (int d = 0; d < out_width; d++)
        columns[d] = position(d, width, out_width);
    for (int d = 0; d < out_height; d++, y += count) {
        const int at = position(d, height, out_height), first = at >> 8;
        const int wanted[2] = {first, first + 1 < height ? first + 1 : first};
        if (held[0] != wanted[0] && held[1] == wanted[0]) {
            uint16_t *row = rows[0];
            rows[0] = rows[1];
            rows[1] = row;
            held[1] = held[0];
            held[0] = wanted[0];
        }
        for (int i = 0; i < 2; i++)
            if (held[i] != wanted[i]) {
                const uint8_t *from = x + (size_t)wanted[i] * pitch;
                blend_columns(from, columns, width, out_width, channels, rows[i]);
                held[i] = wanted[i];
            }
        agps_blend_rows(rows[0], rows[1], at & 255, count, y);
    }
    free(columns);
    return AGPS_OK;
}

int agps_image_table(float mean, float deviation, float scale, int zero, int8_t table[256])
{
    if (!(deviation > 0) || !(scale > 0) || !isfinite(mean) || !isfinite(deviation) ||
        !isfinite(scale) || !agps_in(zero, -128, 127))
        return AGPS_EINVAL;
    for (int v = 0; v < 256; v++) {
        const float steps = rintf(((float)v / 255.0f - mean) / deviation / scale);
        const float low = (float)(-128 - zero), high = (float)(127 - zero);
        const float clamped = steps < low ? low : steps > high ? high : steps;
        table[v] = (int8_t)((int)clamped + zero);
    }
    return AGPS_OK;
}

int agps_quantize_image(
    const uint8_t *x, int height, int width, int channels, int top, int left, int out_height,
    int out_width, const int8_t *tables, int reverse, int8_t *y)
{
    if (!image_sizes(height, width, channels) || !image_sizes(out_height, out_width, channels) ||
        !agps_in(top, 0, height - out_height) || !agps_in(left, 0, width - out_width))
        return AGPS_EINVAL;
    const size_t pixel = (size_t)channels;
    for (int r = 0; r < out_height; r++) {
        const uint8_t *row = x + ((size_t)(top + r) * (size_t)width + (size_t)left) * pixel;
        for (int k = 0; k < out_width; k++, row += pixel)
            for (size_t c = 0; c < pixel; c++)
                *y++ = tables[256 * c + row[reverse ? pixel - 1 - c : c]];
    }
    return AGPS_OK;
}
