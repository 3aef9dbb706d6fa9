/*
 * Int8 kernels for the processor beside the accelerator: fully connected layers, pooling,
 * squeeze-and-excite, element by element operations, softmax, layout changes, image input.
 *
 * NEON on AArch64 (written for Cortex-A53), portable C elsewhere or with AGPS_PORTABLE defined;
 * both give the same bits. Maps are NHWC with batch 1: pixel after pixel, each `channels` bytes.
 * Pointers need no alignment unless their type is wider than a byte. Nothing is read or written
 * outside the sizes stated. `y` may be equal to `x` (or `a`) in functions that work element by
 * element (agps_table, agps_add, agps_scale); elsewhere buffers must not overlap.
 *
 * Functions return AGPS_OK, or AGPS_EINVAL (an argument is outside what is stated here; nothing
 * was written) or AGPS_ENOMEM (no memory for scratch space).
 *
 * Arithmetic: requantize is clamp((((acc + bias) * M + (1 << (s - 1))) >> s) + zero, low, high)
 * in exact integers, >> rounding down; 0 <= M < 2^17, 1 <= s <= 47.
 */
#ifndef ACCELGEN_PS_H
#define ACCELGEN_PS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { AGPS_OK = 0, AGPS_EINVAL = -1, AGPS_ENOMEM = -2 };

/* Most inputs of one output: 131,072 products of 128 * 127 stay below 2^31. */
enum { AGPS_MAX_INPUTS = 131072, AGPS_MAX_THREADS = 4 };

/* "neon" or "portable". */
const char *agps_implementation(void);

/* Threads. A pool of 1 to 4, the caller's thread included; NULL when it cannot be made. Functions
 * that take a pool take NULL as well: the caller's thread alone. One call at a time per pool. */
typedef struct agps_pool agps_pool;
agps_pool *agps_pool_create(int threads);
void agps_pool_destroy(agps_pool *pool);

/* Requantization, one bias, multiplier and shift per channel; -128 <= low <= high <= 127. */
typedef struct {
    const int32_t *bias;
    const int32_t *multiplier;
    const int32_t *shift;
    int zero, low, high;
} agps_requant;

/* y[p][c] = requantize(acc[p][c]). */
int agps_requantize(
    const int32_t *acc, int pixels, int channels, const agps_requant *q, int8_t *y);

/* Fully connected layers.
 *
 * Weights are packed once: outputs in panels of 8, inputs in blocks of 32, zeros where the last
 * panel or block is not full. `weights[o][i]` must not be -128 (two products must fit 16 bits). */
size_t agps_packed_bytes(int outputs, int inputs); /* 0: sizes are out of range */
int agps_pack(const int8_t *weights, int outputs, int inputs, int8_t *packed);

/* y[o] = requantize(sum over i of x[i] * weights[o][i]). */
int agps_fc(
    const int8_t *x, const int8_t *packed, int outputs, int inputs, const agps_requant *q,
    int8_t *y, agps_pool *pool);

/* y[o] = sum over i of x[i] * weights[o][i] + bias[o], saturated: what leaves a network as it is. */
int agps_fc_wide(
    const int8_t *x, const int8_t *packed, int outputs, int inputs, const int32_t *bias,
    int32_t *y, agps_pool *pool);

/* agps_fc for every pixel: x[p][i], y[p][o]; a 1x1 convolution. */
int agps_gemm(
    const int8_t *x, const int8_t *packed, int pixels, int outputs, int inputs,
    const agps_requant *q, int8_t *y, agps_pool *pool);

/* y[i] = table[x[i] + 128]. */
int agps_table(const int8_t *x, size_t count, const int8_t table[256], int8_t *y);

/* y[i] = clamp(((a[i] * multiplier_a + b[i] * multiplier_b + offset) >> shift) + zero, low, high);
 * multipliers in [-2^17, 2^17), shift in [1, 31]. */
typedef struct {
    int32_t multiplier_a, multiplier_b, offset;
    int shift, zero, low, high;
} agps_sum;
int agps_add(const int8_t *a, const int8_t *b, size_t count, const agps_sum *q, int8_t *y);

/* y[p][c] = clamp((((x[p][c] - x_zero) * (s[c] - s_zero) * M + (1 << (n-1))) >> n) + zero). */
typedef struct {
    int x_zero, s_zero;
    int32_t multiplier;
    int shift, zero;
} agps_scaling;
int agps_scale(
    const int8_t *x, const int8_t *s, int pixels, int channels, const agps_scaling *q, int8_t *y);

/* The same of two maps: y[i] = clamp((((x[i] - x_zero) * (s[i] - s_zero) * M + (1 << (n-1))) >> n)
 * + zero). */
int agps_multiply(
    const int8_t *x, const int8_t *s, size_t count, const agps_scaling *q, int8_t *y,
    agps_pool *pool);

/* y[c] = clamp((((sum over p of x[p][c] - pixels * input_zero) * M + (1 << (n-1))) >> n) + zero);
 * at most 2^23 pixels. */
typedef struct {
    int input_zero;
    int32_t multiplier;
    int shift, zero;
} agps_average;
int agps_global_average(
    const int8_t *x, int pixels, int channels, const agps_average *q, int8_t *y);

/* Squeeze-and-excite: average, fully connected to `hidden`, table, fully connected back to
 * `channels`, table, scale. A table that is NULL is left out. x and y may be equal. */
typedef struct {
    agps_average squeeze;
    int hidden;
    const int8_t *packed1, *packed2;
    agps_requant q1, q2;
    const int8_t *table1, *table2;
    agps_scaling scale;
} agps_se_block;
int agps_se(
    const int8_t *x, int pixels, int channels, const agps_se_block *se, int8_t *y,
    agps_pool *pool);

/* Bilinear: rows[r] and columns[v] are positions in 1/2048 pixels, in [0, 2048 * (size - 1)]; of each
 * i = position >> 11, f = position & 2047, j = min(i + 1, size - 1).
 * c[r][v] = x[r][i] * (2048 - f) + x[r][j] * f along columns, then
 * s[r][v] = c[i][v] * (2048 - f) + c[j][v] * f along rows, and
 * y = clamp((((s - input_zero * 2^22) * M + (1 << (n-1))) >> n) + zero); without q, y has the scale
 * of x: (s + 2^21) >> 22. Sizes up to 32,768. */
int agps_bilinear(
    const int8_t *x, int height, int width, int channels, const int32_t *rows, int out_height,
    const int32_t *columns, int out_width, const agps_average *q, int8_t *y, agps_pool *pool);

/* Average of the n pixels that count under the kernel, one at least: those of the map, and of as
 * many rows and columns around it as are counted, whose x is input_zero:
 * y = clamp(((sum of (x - input_zero) * multipliers[n-1] + half) >> shifts[n-1]) + zero).
 * `window` is kernel, stride (height, width each), padding above and to the left, and what is
 * counted above, to the left, below, to the right; as many multipliers and shifts as the kernel has
 * pixels. */
typedef struct {
    int height, width, channels, out_height, out_width, input_zero, zero;
    const int32_t *window, *multipliers, *shifts;
} agps_inner_pool;
int agps_inner_average(const int8_t *x, const agps_inner_pool *q, int8_t *y, agps_pool *pool);

/* Numbers brought to mean 0 and one variance. `means` of them, each of `count` numbers: with a `row`
 * of 1 those lie together, else in rows of `row`, of which each mean has the same row / means.
 * d = count * x - sum(x), v = (count * sum(x * x) - sum(x)^2 << 8) + epsilon; of the largest e with
 * v << 2e below 2^60, r = (M << 43) / isqrt(v << 2e), rounding down;
 * y = clamp(((d * r + half) >> min(n + 39 - e, 62)) + zero). Count up to 65,536, epsilon in
 * [1, 2^58]. With `given` not 0, given - 129 stands for the mean: d = count * (x - it),
 * v = (count * sum((x - it)^2) << 8) + epsilon. */
typedef struct {
    int means, count, row;
    int64_t epsilon;
    int32_t multiplier;
    int shift, zero, given;
} agps_norm;
int agps_normalize(const int8_t *x, const agps_norm *q, int8_t *y, agps_pool *pool);

/* Of each channel g = isqrt(sum over p of (x[p][c] - input_zero)^2 << 26), rounding down;
 * r = (M * channels << 28) / (sum of all g + epsilon); y[c] = clamp(((g * r + half) >>
 * min(n + 28, 62)) + zero). Up to 65,536 pixels and 32,768 channels; epsilon in [1, 2^40]. */
typedef struct {
    int pixels, channels, input_zero;
    int64_t epsilon;
    int32_t multiplier;
    int shift, zero;
} agps_responses;
int agps_response(const int8_t *x, const agps_responses *q, int8_t *y);

/* s = sum of (x[p][k] - input_zero)^2, k from (size - 1) / 2 channels before c to size / 2 behind
 * it; e the least with s >> e below 128, i = 64 * e + (s >> e), f = s % 2^e;
 * m = factors[i] + (((factors[i + 1] - factors[i]) * f) >> e);
 * y[p][c] = clamp((((x[p][c] - input_zero) * m + half) >> n) + zero). Size up to 1,024; `count`
 * factors in [0, 2^30), as many as the largest sum needs; n in [1, 60]. */
typedef struct {
    int pixels, channels, size, input_zero, shift, zero, count;
    const int32_t *factors;
} agps_local;
int agps_local_norm(const int8_t *x, const agps_local *q, int8_t *y, agps_pool *pool);

/* Softmax of each pixel, in integers: p = powers[largest - x], r = (M << 40) / sum of p,
 * y = clamp(((p * r + half) >> (n + 40)) + zero). 256 powers in [0, 2^20], powers[0] = 2^20; n in
 * [1, 22]; up to 65,536 channels. */
typedef struct {
    int pixels, channels;
    int32_t multiplier;
    int shift, zero;
    const int32_t *powers;
} agps_weights;
int agps_soften(const int8_t *x, const agps_weights *q, int8_t *y, agps_pool *pool);

/* y[i] = offset + the int32 whose byte k, the lowest first, is x[k][i], k from 0 to 3; modulo
 * 2^32. */
int agps_join_bytes(const int8_t *x, size_t count, int32_t offset, int32_t *y);

/* y[p] = the largest of x[p][0], x[p][1], ... */
int agps_channel_max(const int8_t *x, int pixels, int channels, int8_t *y);

/* Of each kernel of `like` (height, width, channels), one beside the other, the first pixel that is
 * the largest of its channel becomes the pixel of x (height / kernel_h, width / kernel_w, channels,
 * rounded down), all others `value`. Up to 255 pixels under the kernel. */
typedef struct {
    int height, width, channels, kernel_h, kernel_w, value;
} agps_unpooling;
int agps_unpool(
    const int8_t *x, const int8_t *like, const agps_unpooling *q, int8_t *y, agps_pool *pool);

/* What a deformable convolution multiplies by its weights, in 1/2048 pixels. Of tap t = ky * kernel_w
 * + kx of `taps`, of the channels of offset group g, n = g * taps + t, of output pixel (i, j):
 * row = ((i * stride_h - top + ky * dilation_h) << 11) + offsets[offset[i][j][2 * n] + 128],
 * column likewise by offset[i][j][2 * n + 1]; r = row >> 11, d = row & 2047, v = column >> 11,
 * e = column & 2047; f = factors[mask[i][j][n] + 128] (factors[0] without a mask) is shared out:
 * part(f, d) = (f * d + 1024) >> 11, lower = part(f, d), upper = f - lower, w1 = part(upper, e),
 * w0 = upper - w1, w3 = part(lower, e), w2 = lower - w3; y[i][j][c * taps + t] = clamp(((x[r][v]
 * * w0 + x[r][v + 1] * w1 + x[r + 1][v] * w2 + x[r + 1][v + 1] * w3 - f * x_zero + half) >> shift)
 * + zero), x_zero standing for pixels outside of x.
 * 256 offsets in [-2^29, 2^29]; 256 factors, or 1 without a mask (NULL), in [-2^14, 2^14]; shift in
 * [1, 30]; groups divide channels; all taps of all channels are at most 65,536; strides, dilations,
 * top and left up to 65,535, no window begins behind row or column 2^18. */
typedef struct {
    int height, width, channels, out_height, out_width;
    int kernel_h, kernel_w, stride_h, stride_w, top, left, dilation_h, dilation_w;
    int groups, x_zero, zero, shift;
    const int32_t *offsets, *factors;
} agps_deformation;
int agps_deform(
    const int8_t *x, const int8_t *offset, const int8_t *mask, const agps_deformation *q,
    int8_t *y, agps_pool *pool);

/* Softmax in float32, one defined order of operations (docs/ps.md); x without NaN and +inf.
 * agps_softmax_int8 first makes (x - zero) * scale of every x, agps_softmax_int32 x * its step. */
int agps_softmax(const float *x, size_t count, float *y);
int agps_softmax_int8(const int8_t *x, size_t count, int zero, float scale, float *y);
int agps_softmax_int32(const int32_t *x, size_t count, const float *steps, float *y);

/* Index of the largest element, the first if there are several; AGPS_EINVAL when count is 0. */
int agps_argmax_int8(const int8_t *x, size_t count);
int agps_argmax(const float *x, size_t count); /* without NaN */

/* y[o][i] is the k for which x[o][k][i], of [outer][count][inner], is the largest, or the smallest
 * if `least`; of several the first, or the last if `last`. x without NaN; no size is 0. */
typedef struct {
    size_t outer, count, inner;
    int least, last;
} agps_choice;
int agps_choose_int8(const int8_t *x, const agps_choice *q, int64_t *y);
int agps_choose(const float *x, const agps_choice *q, int64_t *y);

/* The accelerator's feature-memory order: channel group g, pixel p, lane l is byte
 * g * stride + p * lanes + l; slots[g * lanes + l] is the channel there, -1 a gap.
 * slots == NULL: channels in order, gaps only after the last. stride >= pixels * lanes. */
typedef struct {
    int pixels, channels, lanes, groups;
    size_t stride;
    const int32_t *slots;
} agps_layout;
int agps_from_feature_memory(const int8_t *map, const agps_layout *layout, int8_t *nhwc);
/* Writes all groups * stride bytes: gaps and the tail of each group become 0. */
int agps_to_feature_memory(const int8_t *nhwc, const agps_layout *layout, int8_t *map);

/* Images: uint8, height x width x channels (1 to 4), rows one after the other.
 *
 * Bilinear, half-pixel centres, edges repeated, no smoothing before shrinking. In 1/256 pixels,
 * position(d) = clamp((2 d + 1) * in * 128 / out - 128, 0, (in - 1) * 256), rounded down;
 * rows and columns blend as (a * (256 - f) + b * f), the sum + 32768 >> 16. Sizes up to 32,768. */
int agps_resize(
    const uint8_t *x, int height, int width, int channels, uint8_t *y, int out_height,
    int out_width);

/* table[v] = clamp(round_half_even(((v / 255 - mean) / deviation) / scale) + zero), all float32. */
int agps_image_table(float mean, float deviation, float scale, int zero, int8_t table[256]);

/* y[r][k][c] = tables[c][x[top + r][left + k][reverse ? channels - 1 - c : c]]: crop, normalise,
 * quantize; `reverse` turns BGR into RGB. The crop must lie inside the image. */
int agps_quantize_image(
    const uint8_t *x, int height, int width, int channels, int top, int left, int out_height,
    int out_width, const int8_t *tables, int reverse, int8_t *y);

/* y[i] = clamp(round_half_even(x[i] / scale) + zero), division in float32; x finite or infinite. */
int agps_quantize(const float *x, size_t count, float scale, int zero, int8_t *y);
/* The same from planes to pixels: y[p * channels + c] of x[c * pixels + p]. */
int agps_quantize_planes(
    const float *x, int pixels, int channels, float scale, int zero, int8_t *y);

/* A frame: the inputs' way into the image, and all that is left to do after the accelerator.
 *
 * Made from a package's frame.bin (docs/ps.md has its format). The image is the memory that
 * accelerator and processor share; it has two places for each input and for each output.
 * Input n + 1 may be made ready in one thread while frame n is finished in another: what is ready
 * waits outside the image, so that nobody has to think of caches meanwhile.
 *
 * A frame has one part or more, each a program of the accelerator with the processor's work after
 * it. Of a frame in parts, part after part: its program; agps_frame_between, but after the last
 * agps_frame_finish. The maps of agps_frame_map are to be dropped from the cache before that, those
 * of agps_frame_written to be cleaned from it before the next part's program. */
typedef struct agps_frame agps_frame;

/* `file` is not needed afterwards. AGPS_EINVAL: it is not a frame.bin that this library reads. */
int agps_frame_create(const void *file, size_t bytes, int threads, agps_frame **frame);
void agps_frame_destroy(agps_frame *frame);

typedef struct {
    uint64_t offset, bytes;
} agps_span;

/* An input of the model, and where it is in the image, by place. `name` is NULL where the file has
 * one input alone; `planes`: the model takes it channel after channel. */
typedef struct {
    const char *name;
    size_t pixels, channels;
    int planes;
    agps_span place[2];
} agps_input;

/* What the frame's file says of the image. `sections` of program.bin lie one after the other
 * there, at their offsets in the image; `input` (by place), `input_pixels`, `input_channels` and
 * `planes` are those of the first of `inputs`, which `input_of` lists in the model's order. */
typedef struct {
    uint32_t config_crc, program_crc;
    uint64_t image_bytes;
    size_t sections, outputs, parts;
    const agps_span *section;
    agps_span input[2];
    size_t input_pixels, input_channels;
    int planes;
    size_t inputs;
    const agps_input *input_of;
} agps_facts;
const agps_facts *agps_frame_facts(const agps_frame *frame);

/* The program of a part at `place`; 0 when there is none. */
int agps_frame_program(const agps_frame *frame, size_t part, int place, agps_span *program);
/* Maps at `place` that are read after `part`, one of them per index; 0 when there is none. */
int agps_frame_map(const agps_frame *frame, size_t part, size_t index, int place, agps_span *map);
/* The same of maps that agps_frame_between writes after `part`. */
int agps_frame_written(
    const agps_frame *frame, size_t part, size_t index, int place, agps_span *map);

/* Makes the input of `place` ready: of floats, channel after channel if `planes`, else pixel after
 * pixel; or of the quantized map, pixel after pixel. Of several inputs the first. */
int agps_frame_input(agps_frame *frame, const float *x, int planes, int place);
int agps_frame_input_int8(agps_frame *frame, const int8_t *x, int place);
/* The same of input `index`, in the model's order. */
int agps_frame_input_at(agps_frame *frame, size_t index, const float *x, int planes, int place);
int agps_frame_input_int8_at(agps_frame *frame, size_t index, const int8_t *x, int place);
/* What was made ready for `place` goes into the image: all inputs, or input `index`. */
int agps_frame_hand_over(const agps_frame *frame, void *image, int place);
int agps_frame_hand_over_at(const agps_frame *frame, size_t index, void *image, int place);

/* What the accelerator left at `place` after `part`, which is not the last, through its steps to
 * what the next part reads. */
int agps_frame_between(agps_frame *frame, void *image, size_t part, int place);
/* What the accelerator left at `place` through all steps to the model's outputs. */
int agps_frame_finish(agps_frame *frame, const void *image, int place);
/* The outputs are those of `place`, as agps_frame_finish leaves them there. It does this, too. */
int agps_frame_results(agps_frame *frame, int place);

/* The model's output `index`, in the model's order. Good until the next agps_frame_finish. NULL:
 * there is no such output. */
enum { AGPS_FLOAT32, AGPS_INT8, AGPS_UINT8, AGPS_INT64 };
typedef struct {
    const char *name;
    const void *values;
    int type;
    size_t count;
} agps_output;
const agps_output *agps_frame_output(const agps_frame *frame, size_t index);
/* Of all values of an output. */
size_t agps_output_bytes(const agps_output *output);

#ifdef __cplusplus
}
#endif

#endif
