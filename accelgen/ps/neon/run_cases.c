/*
 * run_cases JOBS RESULTS: runs many kernel calls in one process, so that an emulator starts once.
 *
 * JOBS, little endian: uint32 'AGPJ', uint32 cases; per case int32 kernel, threads, integers,
 * buffers; int64 each integer (a float as its bits); per buffer uint32 kind (0 input, 1 output,
 * 2 absent: a NULL pointer), uint32 size, uint32 slack, and an input's bytes.
 * RESULTS: per case, as soon as it has run, int32 'AGPR', int32 what the function returned, int32
 * number of the buffer (from 1) that was damaged - an input changed, or bytes beside a buffer - or
 * 0, and every output's bytes.
 *
 * A buffer ends `slack` bytes before a page that cannot be touched, so sizes and slacks decide its
 * alignment; between, before it, and in outputs lie known bytes. With the address sanitizer each
 * buffer is a heap block of its own that begins `slack` bytes late and ends exactly.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frame.h"

enum { MAX_INTEGERS = 32, MAX_BUFFERS = 16, GUARD = 128, FILL = 0xA5, PLAIN = 100 };
enum { INPUT, OUTPUT, ABSENT };

typedef struct {
    uint32_t kind, size, slack;
    uint8_t *block, *data, *copy;
    size_t block_bytes;
} buffer;

typedef struct {
    int32_t kernel, threads, integers, buffers;
    int64_t n[MAX_INTEGERS];
    buffer b[MAX_BUFFERS];
} call;

static void die(const char *why)
{
    fprintf(stderr, "run_cases: %s\n", why);
    exit(2);
}

static void get(FILE *from, void *to, size_t bytes)
{
    if (bytes > 0 && fread(to, bytes, 1, from) != 1)
        die("the job file ends too early");
}

#ifdef __SANITIZE_ADDRESS__
static void place(buffer *b)
{
    b->block_bytes = (size_t)b->slack + b->size;
    b->block = malloc(b->block_bytes > 0 ? b->block_bytes : 1);
    if (b->block == NULL)
        die("no memory");
    b->data = b->block + b->slack;
}

static void release(buffer *b)
{
    free(b->block);
    free(b->copy);
}
#else
static void place(buffer *b)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    b->block_bytes = (GUARD + (size_t)b->size + b->slack + page - 1) / page * page;
    b->block = mmap(
        NULL, b->block_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->block == MAP_FAILED || mprotect(b->block + b->block_bytes, page, PROT_NONE) != 0)
        die("no memory");
    b->data = b->block + b->block_bytes - b->slack - b->size;
}

static void release(buffer *b)
{
    munmap(b->block, b->block_bytes + (size_t)sysconf(_SC_PAGESIZE));
    free(b->copy);
}
#endif

static void read_buffer(FILE *jobs, buffer *b)
{
    get(jobs, &b->kind, 4);
    get(jobs, &b->size, 4);
    get(jobs, &b->slack, 4);
    if (b->kind == ABSENT)
        return;
    place(b);
    memset(b->block, FILL, b->block_bytes);
    if (b->kind == INPUT) {
        get(jobs, b->data, b->size);
        b->copy = malloc(b->size > 0 ? b->size : 1);
        if (b->copy == NULL)
            die("no memory");
        memcpy(b->copy, b->data, b->size);
    }
}

static int damaged(const buffer *b)
{
    if (b->kind == ABSENT)
        return 0;
    for (size_t i = 0; i < b->block_bytes; i++) {
        const uint8_t *at = b->block + i;
        if ((at < b->data || at >= b->data + b->size) && *at != FILL)
            return 1;
    }
    return b->kind == INPUT && memcmp(b->data, b->copy, b->size) != 0;
}

static float as_float(int64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

/* Arguments in the order of the functions' parameters; tests/ps and accelgen/ps/kernels.py agree
 * with this list. */
#define I(k) ((int)c->n[k])
#define S(k) ((size_t)c->n[k])
#define P(type, k) ((type *)(void *)c->b[k].data)

static agps_requant requant(const call *c, int integer, int at)
{
    return (agps_requant){
        P(int32_t, at), P(int32_t, at + 1), P(int32_t, at + 2), I(integer), I(integer + 1),
        I(integer + 2)};
}

/* Packed weights, with the same guards as arguments. */
static buffer packed_buffer(int outputs, int inputs)
{
    buffer b = {.kind = OUTPUT, .size = (uint32_t)agps_packed_bytes(outputs, inputs)};
    place(&b);
    memset(b.block, FILL, b.block_bytes);
    return b;
}

static int run_fc(const call *c, agps_pool *pool)
{
    /* n: pixels, outputs, inputs, zero, low, high; b: x, weights, bias, multiplier, shift, y */
    buffer b = packed_buffer(I(1), I(2));
    int8_t *const packed = (int8_t *)b.data;
    const agps_requant q = requant(c, 3, 2);
    int status = agps_pack(P(int8_t, 1), I(1), I(2), packed);
    if (status == AGPS_OK && I(0) == 1)
        status = agps_fc(P(int8_t, 0), packed, I(1), I(2), &q, P(int8_t, 5), pool);
    else if (status == AGPS_OK)
        status = agps_gemm(P(int8_t, 0), packed, I(0), I(1), I(2), &q, P(int8_t, 5), pool);
    release(&b);
    return status;
}

static int run_fc_wide(const call *c, agps_pool *pool)
{
    /* n: outputs, inputs; b: x, weights, bias, y */
    buffer b = packed_buffer(I(0), I(1));
    int8_t *const packed = (int8_t *)b.data;
    int status = agps_pack(P(int8_t, 1), I(0), I(1), packed);
    if (status == AGPS_OK)
        status = agps_fc_wide(
            P(int8_t, 0), packed, I(0), I(1), P(int32_t, 2), P(int32_t, 3), pool);
    release(&b);
    return status;
}

static int run_se(const call *c, agps_pool *pool)
{
    /* n: pixels, channels, hidden, average 4, zero low high, zero low high, scaling 5;
     * b: x, weights 1, bias, multiplier, shift, table 1, weights 2, ..., table 2, y */
    const int channels = I(1), hidden = I(2);
    buffer b1 = packed_buffer(hidden, channels), b2 = packed_buffer(channels, hidden);
    int8_t *const packed1 = (int8_t *)b1.data, *const packed2 = (int8_t *)b2.data;
    agps_se_block se = {
        .squeeze = {I(3), I(4), I(5), I(6)},
        .hidden = hidden,
        .packed1 = packed1,
        .packed2 = packed2,
        .q1 = requant(c, 7, 2),
        .q2 = requant(c, 10, 7),
        .table1 = P(int8_t, 5),
        .table2 = P(int8_t, 10),
        .scale = {I(13), I(14), I(15), I(16), I(17)},
    };
    int status = agps_pack(P(int8_t, 1), hidden, channels, packed1);
    if (status == AGPS_OK)
        status = agps_pack(P(int8_t, 6), channels, hidden, packed2);
    if (status == AGPS_OK)
        status = agps_se(P(int8_t, 0), I(0), channels, &se, P(int8_t, 11), pool);
    release(&b1);
    release(&b2);
    return status;
}

static int run_layout(const call *c, int back)
{
    /* n: pixels, channels, lanes, groups, stride; b: from, slots, to */
    const agps_layout layout = {I(0), I(1), I(2), I(3), S(4), P(int32_t, 1)};
    if (back)
        return agps_from_feature_memory(P(int8_t, 0), &layout, P(int8_t, 2));
    return agps_to_feature_memory(P(int8_t, 0), &layout, P(int8_t, 2));
}

/* A frame's input into a copy of the image, or its outputs out of it. */
static int run_frame(const call *c)
{
    /* n: what (0 finish, 1 pixels, 2 planes, 3 int8), place, threads;
     * b: file, image, x and the image afterwards; or file, image and the outputs */
    agps_frame *frame = NULL;
    int status = agps_frame_create(c->b[0].data, c->b[0].size, I(2), &frame);
    if (status == AGPS_OK && agps_frame_facts(frame)->image_bytes != c->b[1].size)
        status = AGPS_EINVAL;
    if (status == AGPS_OK && I(0) == 0) {
        status = agps_frame_finish(frame, c->b[1].data, I(1));
        for (size_t i = 0; i + 2 < (size_t)c->buffers && status == AGPS_OK; i++) {
            const agps_output *output = agps_frame_output(frame, i);
            if (output == NULL || agps_output_bytes(output) != c->b[i + 2].size)
                status = AGPS_EINVAL;
            else
                memcpy(c->b[i + 2].data, output->values, c->b[i + 2].size);
        }
    } else if (status == AGPS_OK) {
        memcpy(c->b[3].data, c->b[1].data, c->b[1].size);
        status = I(0) == 3 ? agps_frame_input_int8(frame, P(int8_t, 2), I(1))
                           : agps_frame_input(frame, P(float, 2), I(0) == 2, I(1));
        if (status == AGPS_OK)
            status = agps_frame_hand_over(frame, c->b[3].data, I(1));
    }
    agps_frame_destroy(frame);
    return status;
}

/* Kernels from PLAIN on: the steps of frame.bin that need nothing else. */
static int run_plain(const call *c, agps_pool *pool)
{
    uint64_t bytes[STEP_OPERANDS];
    void *operand[STEP_OPERANDS] = {0};
    const agps_step_kernel kernel = (agps_step_kernel)(c->kernel - PLAIN);
    if (agps_operand_bytes(kernel, c->n, bytes) != c->buffers)
        return AGPS_EINVAL;
    for (int i = 0; i < c->buffers; i++) {
        operand[i] = c->b[i].data;
        if (c->b[i].size < bytes[i])
            return AGPS_EINVAL;
    }
    return agps_plain_step(kernel, c->n, operand, pool);
}

static int run(const call *c, agps_pool *pool)
{
    int8_t *const y = P(int8_t, c->buffers - 1);
    switch (c->kernel) {
    case 1:
        return run_fc(c, pool);
    case 2: {
        const agps_requant q = requant(c, 2, 1);
        return agps_requantize(P(int32_t, 0), I(0), I(1), &q, y);
    }
    case 3:
        return agps_table(P(int8_t, 0), S(0), P(int8_t, 1), y);
    case 4: {
        const agps_sum q = {I(1), I(2), I(3), I(4), I(5), I(6), I(7)};
        return agps_add(P(int8_t, 0), P(int8_t, 1), S(0), &q, y);
    }
    case 5: {
        const agps_scaling q = {I(2), I(3), I(4), I(5), I(6)};
        return agps_scale(P(int8_t, 0), P(int8_t, 1), I(0), I(1), &q, y);
    }
    case 6: {
        const agps_average q = {I(2), I(3), I(4), I(5)};
        return agps_global_average(P(int8_t, 0), I(0), I(1), &q, y);
    }
    case 7:
        return run_se(c, pool);
    case 8:
        return agps_softmax(P(float, 0), S(0), P(float, 1));
    case 9:
        return agps_softmax_int8(P(int8_t, 0), S(0), I(1), as_float(c->n[2]), P(float, 1));
    case 10:
        return agps_argmax_int8(P(int8_t, 0), S(0));
    case 11:
        return agps_argmax(P(float, 0), S(0));
    case 12:
        return run_layout(c, 1);
    case 13:
        return run_layout(c, 0);
    case 14:
        return agps_resize(P(uint8_t, 0), I(0), I(1), I(2), P(uint8_t, 1), I(3), I(4));
    case 15:
        return agps_image_table(as_float(c->n[0]), as_float(c->n[1]), as_float(c->n[2]), I(3), y);
    case 16:
        return agps_quantize_image(
            P(uint8_t, 0), I(0), I(1), I(2), I(3), I(4), I(5), I(6), P(int8_t, 1), I(7), y);
    case 17:
        return agps_quantize(P(float, 0), S(0), as_float(c->n[1]), I(2), y);
    case 18:
        return agps_quantize_planes(P(float, 0), I(0), I(1), as_float(c->n[2]), I(3), y);
    case 19:
        return run_frame(c);
    case 21: {
        const agps_scaling q = {I(1), I(2), I(3), I(4), I(5)};
        return agps_multiply(P(int8_t, 0), P(int8_t, 1), S(0), &q, y, pool);
    }
    case 22: {
        const agps_inner_pool q = {I(0), I(1), I(2), I(3), I(4), I(5), I(6),
                                   P(int32_t, 1), P(int32_t, 2), P(int32_t, 3)};
        return agps_inner_average(P(int8_t, 0), &q, y, pool);
    }
    case 23:
    case 24: {
        const agps_choice q = {S(0), S(1), S(2), I(3), I(4)};
        return c->kernel == 23 ? agps_choose_int8(P(int8_t, 0), &q, P(int64_t, 1))
                               : agps_choose(P(float, 0), &q, P(int64_t, 1));
    }
    case 25:
        return run_fc_wide(c, pool);
    case 26:
        return agps_softmax_int32(P(int32_t, 0), S(0), P(float, 1), P(float, 2));
    case 20: {
        const int32_t *const given = P(int32_t, 3);
        agps_average q;
        if (given != NULL)
            q = (agps_average){given[0], given[1], given[2], given[3]};
        return agps_bilinear(
            P(int8_t, 0), I(0), I(1), I(2), P(int32_t, 1), I(3), P(int32_t, 2), I(4),
            given == NULL ? NULL : &q, y, pool);
    }
    default:
        if (c->kernel > PLAIN)
            return run_plain(c, pool);
        die("no such kernel");
    }
    return AGPS_EINVAL;
}

static void run_case(FILE *jobs, FILE *results)
{
    static call c;
    memset(&c, 0, sizeof c);
    get(jobs, &c.kernel, 16);
    if (c.integers < 0 || c.integers > MAX_INTEGERS || c.buffers < 1 || c.buffers > MAX_BUFFERS)
        die("a case has too many arguments");
    get(jobs, c.n, sizeof *c.n * (size_t)c.integers);
    for (int i = 0; i < c.buffers; i++)
        read_buffer(jobs, &c.b[i]);
    agps_pool *pool = c.threads > 0 ? agps_pool_create(c.threads) : NULL;
    int32_t answer[3] = {0x52504741, run(&c, pool), 0};
    agps_pool_destroy(pool);
    for (int i = 0; i < c.buffers; i++)
        if (answer[2] == 0 && damaged(&c.b[i]))
            answer[2] = i + 1;
    fwrite(answer, sizeof answer, 1, results);
    for (int i = 0; i < c.buffers; i++) {
        if (c.b[i].kind == OUTPUT)
            fwrite(c.b[i].data, 1, c.b[i].size, results);
        if (c.b[i].kind != ABSENT)
            release(&c.b[i]);
    }
    if (fflush(results) != 0)
        die("cannot write results");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--implementation") == 0) {
        puts(agps_implementation());
        return 0;
    }
    if (argc != 3)
        die("usage: run_cases JOBS RESULTS | --implementation");
    FILE *jobs = fopen(argv[1], "rb"), *results = fopen(argv[2], "wb");
    uint32_t head[2];
    if (jobs == NULL || results == NULL)
        die("cannot open the files");
    get(jobs, head, sizeof head);
    if (head[0] != 0x4A504741)
        die("not a job file");
    for (uint32_t i = 0; i < head[1]; i++)
        run_case(jobs, results);
    fclose(jobs);
    return fclose(results) == 0 ? 0 : 2;
}
