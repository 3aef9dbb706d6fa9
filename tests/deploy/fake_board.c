/*
 * fake_board PACKAGE FRAMES: the C driver against registers that answer, and know what a frame is.
 *
 * FRAMES: uint64 frames, parts of each, floats of the input, bytes of all outputs; per part how many
 * maps it reads and how many it leaves, and of each the offset at both places and its bytes; then per
 * frame the input (floats), all maps of all parts, the outputs, up to a multiple of 8 bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accelgen.h"
#include "accelgen_regs.h"

enum { LOOKS = 2, NEVER = 1 << 30, REGISTERS = ACCELGEN_WINDOW_BYTES / 4 };

#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition, accelgen_error()); \
            exit(1);                                                                        \
        }                                                                                   \
    } while (0)

typedef struct {
    uint64_t offset[2], bytes;
} map;

typedef struct {
    size_t reads, leaves;
    map maps[16]; /* first those it reads */
    agps_span program[2];
    size_t first; /* byte of its maps among a frame's */
} part;

typedef struct {
    uint32_t values[REGISTERS];
    uint8_t *dram, *cached; /* what the accelerator sees, and what the processor does */
    size_t bytes;
    const agps_facts *facts;
    const accelgen *driver;
    part part[4];
    size_t parts;
    const uint8_t *maps; /* of the frame that is to come */
    uint32_t fault;
    size_t odd; /* the part that has the fault, or never ends */
    int never, looks, wrong_inputs, waits, closed;
} fake;

static uint32_t *at(fake *f, uint32_t offset)
{
    return &f->values[offset / 4];
}

/* Which program the registers say. */
static const part *running(fake *f, int *place)
{
    for (size_t i = 0; i < f->parts; i++)
        for (*place = 0; *place < 2; ++*place)
            if (f->part[i].program[*place].offset == *at(f, ACCELGEN_REG_PROGRAM_OFFSET))
                return &f->part[i];
    CHECK(!"no such program");
    return NULL;
}

static void end_program(fake *f)
{
    int place;
    const part *p = running(f, &place);
    if (f->fault != 0 && p == &f->part[f->odd]) {
        *at(f, ACCELGEN_REG_STATUS) = ACCELGEN_STATUS_ERROR;
        *at(f, ACCELGEN_REG_CAUSE) = f->fault | 2u << ACCELGEN_CAUSE_MASTER_BIT;
        *at(f, ACCELGEN_REG_ERROR_ADDRESS) = 0xC000;
        f->fault = 0;
        return;
    }
    CHECK(*at(f, ACCELGEN_REG_PROGRAM_BYTES) == p->program[place].bytes);
    CHECK(*at(f, ACCELGEN_REG_IMAGE_BYTES) == f->facts->image_bytes);
    const uint8_t *from = f->maps + p->first;
    for (size_t i = 0; i < p->reads + p->leaves; from += p->maps[i++].bytes) {
        uint8_t *here = f->dram + p->maps[i].offset[place];
        if (i < p->reads)
            f->wrong_inputs += memcmp(here, from, p->maps[i].bytes) != 0;
        else
            memcpy(here, from, p->maps[i].bytes);
    }
    *at(f, ACCELGEN_REG_STATUS) = ACCELGEN_STATUS_DONE;
}

static uint32_t get(void *self, uint32_t offset)
{
    fake *f = self;
    if (offset == ACCELGEN_REG_STATUS && *at(f, offset) & ACCELGEN_STATUS_BUSY && --f->looks == 0)
        end_program(f);
    return *at(f, offset);
}

static void set(void *self, uint32_t offset, uint32_t value)
{
    fake *f = self;
    uint32_t *status = at(f, ACCELGEN_REG_STATUS);
    if (offset == ACCELGEN_REG_STATUS)
        *status &= ~(value & ~ACCELGEN_STATUS_BUSY);
    else if (offset != ACCELGEN_REG_CONTROL) {
        CHECK(!(*status & ACCELGEN_STATUS_BUSY));
        *at(f, offset) = value;
    } else if (value & ACCELGEN_CONTROL_ABORT)
        *status = ACCELGEN_STATUS_ABORTED;
    else if (value & ACCELGEN_CONTROL_START) {
        *status = ACCELGEN_STATUS_BUSY;
        int place;
        f->looks = f->never && running(f, &place) == &f->part[f->odd] ? NEVER : LOOKS;
    }
}

static void wait_irq(void *self, int milliseconds)
{
    (void)milliseconds;
    ((fake *)self)->waits++;
}

static void flush(void *self, size_t offset, size_t bytes)
{
    fake *f = self;
    CHECK(offset + bytes <= f->bytes);
    memcpy(f->dram + offset, f->cached + offset, bytes);
}

static void invalidate(void *self, size_t offset, size_t bytes)
{
    fake *f = self;
    CHECK(offset + bytes <= f->bytes);
    memcpy(f->cached + offset, f->dram + offset, bytes);
}

static void close_board(void *self)
{
    ((fake *)self)->closed++;
}

typedef struct {
    uint64_t count, parts, floats, results;
    const uint8_t *data;
    size_t maps, stride;
} frames;

static const float *floats_of(const frames *all, uint64_t i)
{
    return (const float *)(all->data + i * all->stride);
}

/* The hardware expects frame `i` next. */
static void expect(fake *f, const frames *all, uint64_t i)
{
    f->maps = all->data + i * all->stride + all->floats * sizeof(float);
}

static int is_right(const accelgen *a, const frames *all, uint64_t i)
{
    const uint8_t *want = all->data + i * all->stride + all->floats * sizeof(float) + all->maps;
    for (size_t k = 0; k < accelgen_facts(a)->outputs; k++) {
        const agps_output *y = accelgen_output(a, k);
        const size_t bytes = agps_output_bytes(y);
        if (memcmp(want, y->values, bytes) != 0)
            return 0;
        want += bytes;
    }
    return accelgen_output(a, accelgen_facts(a)->outputs) == NULL;
}

/* All inputs of a frame, one after the other. */
static int put(accelgen *a, const float *x, int place)
{
    const agps_facts *facts = accelgen_facts(a);
    int status = ACCELGEN_OK;
    if (facts->inputs == 1)
        return accelgen_put(a, x, facts->planes, place);
    for (size_t i = 0; i < facts->inputs && status == ACCELGEN_OK; i++) {
        const agps_input *input = &facts->input_of[i];
        CHECK(input->name != NULL && input->name[0] != 0);
        status = accelgen_put_at(a, i, x, input->planes, place);
        x += input->pixels * input->channels;
    }
    CHECK(accelgen_put_at(a, facts->inputs, x, 1, place) == ACCELGEN_EARGUMENT);
    return status;
}

static int run(accelgen *a, const float *x)
{
    if (accelgen_facts(a)->inputs == 1)
        return accelgen_run(a, x, accelgen_facts(a)->planes);
    CHECK(accelgen_run(a, x, 1) == ACCELGEN_EARGUMENT);
    CHECK(strstr(accelgen_error(), "accelgen_put_at each") != NULL);
    int status = put(a, x, 0);
    if (status == ACCELGEN_OK)
        status = accelgen_start(a, 0);
    if (status == ACCELGEN_OK)
        status = accelgen_wait(a, 1000);
    return status == ACCELGEN_OK ? accelgen_collect(a, 0) : status;
}

static void run_all(accelgen *a, fake *f, const frames *all)
{
    CHECK(accelgen_turn(a, 0, 1) == ACCELGEN_EARGUMENT);
    CHECK(put(a, floats_of(all, 0), 0) == ACCELGEN_OK);
    expect(f, all, 0);
    CHECK(accelgen_start(a, 0) == ACCELGEN_OK);
    for (uint64_t i = 0; i < all->count; i++) {
        const int place = (int)(i & 1);
        CHECK(accelgen_collect(a, place) == ACCELGEN_EARGUMENT);
        if (i > 0) {
            CHECK(accelgen_collect(a, !place) == ACCELGEN_OK);
            CHECK(is_right(a, all, i - 1));
        }
        if (i + 1 == all->count)
            break;
        CHECK(put(a, floats_of(all, i + 1), !place) == 0);
        CHECK(accelgen_turn(a, !place, 1000) == ACCELGEN_OK);
        expect(f, all, i + 1);
    }
    CHECK(accelgen_wait(a, 1000) == ACCELGEN_OK);
    CHECK(accelgen_collect(a, (int)((all->count - 1) & 1)) == ACCELGEN_OK);
    CHECK(is_right(a, all, all->count - 1));
    CHECK(f->wrong_inputs == 0);
}

static void check_recovered(accelgen *a, fake *f, const frames *all)
{
    memset(f->dram, 0xEE, f->bytes);
    CHECK(accelgen_recover(a) == ACCELGEN_OK);
    CHECK(memcmp(f->dram, f->cached, accelgen_facts(a)->section[0].bytes) == 0);
    expect(f, all, 0);
    CHECK(run(a, floats_of(all, 0)) == ACCELGEN_OK);
    CHECK(is_right(a, all, 0) && f->wrong_inputs == 0);
}

static void faults(accelgen *a, fake *f, const frames *all)
{
    const float *x = floats_of(all, 0);
    for (uint32_t cause = 1; cause <= 6; cause++) {
        f->fault = cause;
        CHECK(run(a, x) == ACCELGEN_EFAULT);
        CHECK(strstr(accelgen_error(), "at address 0xc000 (master: load") != NULL);
        CHECK(run(a, x) == ACCELGEN_EFAULT);
        check_recovered(a, f, all);
        CHECK(accelgen_start(a, 0) == ACCELGEN_OK);
        f->fault = cause;
        CHECK(accelgen_turn(a, 1, 1000) == ACCELGEN_EFAULT);
        CHECK(!(*at(f, ACCELGEN_REG_STATUS) & ACCELGEN_STATUS_BUSY));
        check_recovered(a, f, all);
    }
    CHECK(put(a, x, 1) == ACCELGEN_OK);
    f->never = 1;
    CHECK(accelgen_start(a, 1) == ACCELGEN_OK);
    CHECK(accelgen_start(a, 0) == ACCELGEN_EBUSY);
    CHECK(accelgen_wait(a, 5) == ACCELGEN_ETIME);
    CHECK(accelgen_turn(a, 0, 5) == ACCELGEN_ETIME);
    f->never = 0;
    check_recovered(a, f, all);
    CHECK(accelgen_wait(a, 5) == ACCELGEN_EARGUMENT);
    CHECK(put(a, x, 2) == ACCELGEN_EARGUMENT);
    CHECK(accelgen_start(a, -1) == ACCELGEN_EARGUMENT);
    CHECK(accelgen_collect(a, 2) == ACCELGEN_EARGUMENT);
}

/* Two frames wait to be collected: nothing of the first is lost. */
static void both_places(accelgen *a, fake *f, const frames *all)
{
    for (int place = 0; place < 2; place++)
        CHECK(put(a, floats_of(all, (uint64_t)place), place) == 0);
    expect(f, all, 0);
    CHECK(accelgen_start(a, 0) == ACCELGEN_OK);
    CHECK(accelgen_turn(a, 1, 1000) == ACCELGEN_OK);
    expect(f, all, 1);
    CHECK(accelgen_wait(a, 1000) == ACCELGEN_OK);
    for (int i = 0; i < 4; i++) {
        CHECK(accelgen_collect(a, i & 1) == ACCELGEN_OK);
        CHECK(is_right(a, all, (uint64_t)(i & 1)));
    }
}

static void wrong_hardware(const accelgen_board *board, fake *f, const char *where)
{
    accelgen *a;
    accelgen_board small = *board, crooked = *board;
    small.bytes = 4096;
    crooked.address += 64;
    CHECK(accelgen_open(&a, &small, where) == ACCELGEN_ESYSTEM && a == NULL);
    CHECK(accelgen_open(&a, &crooked, where) == ACCELGEN_ESYSTEM && a == NULL);
    CHECK(accelgen_open(&a, board, "no/such/directory") == ACCELGEN_EPACKAGE && a == NULL);
    *at(f, ACCELGEN_REG_CONFIG) ^= 1;
    CHECK(accelgen_open(&a, board, where) == ACCELGEN_EHARDWARE && a == NULL);
    *at(f, ACCELGEN_REG_CONFIG) ^= 1;
    *at(f, ACCELGEN_REG_ID) ^= 1;
    CHECK(accelgen_open(&a, board, where) == ACCELGEN_EHARDWARE && a == NULL);
    *at(f, ACCELGEN_REG_ID) ^= 1;
}

static void find_programs(fake *f, const char *where)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/frame.bin", where);
    FILE *file = fopen(path, "rb");
    static uint8_t data[1 << 24];
    CHECK(file != NULL);
    const size_t bytes = fread(data, 1, sizeof data, file);
    fclose(file);
    agps_frame *frame;
    CHECK(agps_frame_create(data, bytes, 1, &frame) == AGPS_OK);
    CHECK(agps_frame_facts(frame)->parts == f->parts);
    for (size_t i = 0; i < f->parts; i++)
        for (int place = 0; place < 2; place++)
            CHECK(agps_frame_program(frame, i, place, &f->part[i].program[place]));
    agps_frame_destroy(frame);
}

static void read_parts(fake *f, frames *all, FILE *file)
{
    f->parts = all->parts;
    for (size_t i = 0; i < f->parts; i++) {
        uint64_t counts[2];
        part *p = &f->part[i];
        CHECK(fread(counts, sizeof *counts, 2, file) == 2);
        p->first = all->maps;
        p->reads = counts[0];
        p->leaves = counts[1];
        CHECK(fread(p->maps, sizeof(map), p->reads + p->leaves, file) == p->reads + p->leaves);
        for (size_t k = 0; k < p->reads + p->leaves; k++)
            all->maps += p->maps[k].bytes;
    }
}

int main(int argc, char **argv)
{
    static fake f;
    frames all = {0};
    CHECK(argc == 3);
    FILE *file = fopen(argv[2], "rb");
    CHECK(file != NULL && fread(&all, sizeof(uint64_t), 4, file) == 4);
    read_parts(&f, &all, file);
    all.stride = all.floats * sizeof(float) + all.maps + all.results;
    all.stride = (all.stride + 7) / 8 * 8;
    uint8_t *data = malloc(all.count * all.stride);
    CHECK(data != NULL && fread(data, all.stride, all.count, file) == all.count);
    fclose(file);
    all.data = data;
    f.bytes = 1 << 25;
    f.dram = malloc(f.bytes);
    f.cached = malloc(f.bytes);
    CHECK(f.dram != NULL && f.cached != NULL);
    *at(&f, ACCELGEN_REG_ID) = ACCELGEN_ID;
    *at(&f, ACCELGEN_REG_CONFIG) = ACCELGEN_CONFIG_CRC;
    find_programs(&f, argv[1]);
    accelgen_board board = {
        .self = &f, .read = get, .write = set, .flush = flush, .invalidate = invalidate,
        .close = close_board, .memory = f.cached, .address = 0x800010000, .bytes = f.bytes};
    wrong_hardware(&board, &f, argv[1]);
    for (int irq = 0; irq < 2; irq++) {
        accelgen *a;
        board.wait = irq ? wait_irq : NULL;
        CHECK(accelgen_open(&a, &board, argv[1]) == ACCELGEN_OK);
        f.facts = accelgen_facts(a);
        run_all(a, &f, &all);
        both_places(a, &f, &all);
        for (f.odd = 0; f.odd < f.parts; f.odd++)
            faults(a, &f, &all);
        f.odd = 0;
        CHECK(accelgen_start(a, 0) == ACCELGEN_OK);
        accelgen_close(a);
        CHECK(f.closed == irq + 1 && !(*at(&f, ACCELGEN_REG_STATUS) & ACCELGEN_STATUS_BUSY));
        CHECK((f.waits > 0) == irq);
    }
    free(data);
    free(f.dram);
    free(f.cached);
    printf("%s: all right\n", agps_implementation());
    return 0;
}
