/*
 * fake_board PACKAGE FRAMES: the C driver against registers that answer, and know what a frame is.
 *
 * FRAMES: uint64 frames, bytes of the input's map, of all output maps together, floats of the input,
 * bytes of all outputs; then per frame the input (floats), its map, the output maps, the outputs.
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
    uint32_t values[REGISTERS];
    uint8_t *dram, *cached; /* what the accelerator sees, and what the processor does */
    size_t bytes;
    const agps_facts *facts;
    const accelgen *driver;
    agps_span map[2][8];
    size_t maps;
    const uint8_t *input, *output; /* maps of the frame that is to come */
    uint32_t fault;
    int looks, wrong_inputs, waits, closed;
} fake;

static uint32_t *at(fake *f, uint32_t offset)
{
    return &f->values[offset / 4];
}

static void end_frame(fake *f)
{
    if (f->fault != 0) {
        *at(f, ACCELGEN_REG_STATUS) = ACCELGEN_STATUS_ERROR;
        *at(f, ACCELGEN_REG_CAUSE) = f->fault | 2u << ACCELGEN_CAUSE_MASTER_BIT;
        *at(f, ACCELGEN_REG_ERROR_ADDRESS) = 0xC000;
        f->fault = 0;
        return;
    }
    const int place = *at(f, ACCELGEN_REG_PROGRAM_OFFSET) == f->facts->program[1].offset;
    const agps_span *input = &f->facts->input[place];
    CHECK(*at(f, ACCELGEN_REG_PROGRAM_OFFSET) == f->facts->program[place].offset);
    CHECK(*at(f, ACCELGEN_REG_PROGRAM_BYTES) == f->facts->program[place].bytes);
    CHECK(*at(f, ACCELGEN_REG_IMAGE_BYTES) == f->facts->image_bytes);
    f->wrong_inputs += memcmp(f->dram + input->offset, f->input, input->bytes) != 0;
    const uint8_t *from = f->output;
    for (size_t i = 0; i < f->maps; from += f->map[place][i++].bytes)
        memcpy(f->dram + f->map[place][i].offset, from, f->map[place][i].bytes);
    *at(f, ACCELGEN_REG_STATUS) = ACCELGEN_STATUS_DONE;
}

static uint32_t get(void *self, uint32_t offset)
{
    fake *f = self;
    if (offset == ACCELGEN_REG_STATUS && *at(f, offset) & ACCELGEN_STATUS_BUSY && --f->looks == 0)
        end_frame(f);
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
        f->looks = f->looks == NEVER ? NEVER : LOOKS;
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
    uint64_t count, map, outputs, floats, results;
    const uint8_t *data;
    size_t stride;
} frames;

static const float *floats_of(const frames *all, uint64_t i)
{
    return (const float *)(all->data + i * all->stride);
}

/* The hardware expects frame `i` next. */
static void expect(fake *f, const frames *all, uint64_t i)
{
    f->input = all->data + i * all->stride + all->floats * sizeof(float);
    f->output = f->input + all->map;
}

static int is_right(const accelgen *a, const frames *all, uint64_t i)
{
    const uint8_t *want = all->data + i * all->stride + all->floats * sizeof(float) + all->map +
                          all->outputs;
    for (size_t k = 0; k < accelgen_facts(a)->outputs; k++) {
        const agps_output *y = accelgen_output(a, k);
        const size_t bytes = y->count * (y->type == AGPS_FLOAT32 ? 4 : 1);
        if (memcmp(want, y->values, bytes) != 0)
            return 0;
        want += bytes;
    }
    return accelgen_output(a, accelgen_facts(a)->outputs) == NULL;
}

static void run_all(accelgen *a, fake *f, const frames *all)
{
    CHECK(accelgen_turn(a, 0, 1) == ACCELGEN_EARGUMENT);
    CHECK(accelgen_put(a, floats_of(all, 0), accelgen_facts(a)->planes, 0) == ACCELGEN_OK);
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
        CHECK(accelgen_put(a, floats_of(all, i + 1), accelgen_facts(a)->planes, !place) == 0);
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
    CHECK(accelgen_run(a, floats_of(all, 0), accelgen_facts(a)->planes) == ACCELGEN_OK);
    CHECK(is_right(a, all, 0) && f->wrong_inputs == 0);
}

static void faults(accelgen *a, fake *f, const frames *all)
{
    const float *x = floats_of(all, 0);
    const int planes = accelgen_facts(a)->planes;
    for (uint32_t cause = 1; cause <= 6; cause++) {
        f->fault = cause;
        CHECK(accelgen_run(a, x, planes) == ACCELGEN_EFAULT);
        CHECK(strstr(accelgen_error(), "at address 0xc000 (master: load") != NULL);
        CHECK(accelgen_run(a, x, planes) == ACCELGEN_EFAULT);
        check_recovered(a, f, all);
        CHECK(accelgen_start(a, 0) == ACCELGEN_OK);
        f->fault = cause;
        CHECK(accelgen_turn(a, 1, 1000) == ACCELGEN_EFAULT);
        CHECK(!(*at(f, ACCELGEN_REG_STATUS) & ACCELGEN_STATUS_BUSY));
        check_recovered(a, f, all);
    }
    f->looks = NEVER;
    CHECK(accelgen_start(a, 1) == ACCELGEN_OK);
    CHECK(accelgen_start(a, 0) == ACCELGEN_EBUSY);
    CHECK(accelgen_wait(a, 5) == ACCELGEN_ETIME);
    CHECK(accelgen_turn(a, 0, 5) == ACCELGEN_ETIME);
    f->looks = LOOKS;
    check_recovered(a, f, all);
    CHECK(accelgen_wait(a, 5) == ACCELGEN_EARGUMENT);
    CHECK(accelgen_put(a, x, planes, 2) == ACCELGEN_EARGUMENT);
    CHECK(accelgen_start(a, -1) == ACCELGEN_EARGUMENT);
    CHECK(accelgen_collect(a, 2) == ACCELGEN_EARGUMENT);
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

static void find_maps(fake *f, const char *where)
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
    for (int place = 0; place < 2; place++)
        for (f->maps = 0; agps_frame_map(frame, f->maps, place, &f->map[place][f->maps]);)
            f->maps++;
    agps_frame_destroy(frame);
}

int main(int argc, char **argv)
{
    static fake f;
    frames all;
    CHECK(argc == 3);
    FILE *file = fopen(argv[2], "rb");
    CHECK(file != NULL && fread(&all, sizeof(uint64_t), 5, file) == 5);
    all.stride = all.floats * sizeof(float) + all.map + all.outputs + all.results;
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
    find_maps(&f, argv[1]);
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
        faults(a, &f, &all);
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
