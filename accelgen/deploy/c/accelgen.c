#include "accelgen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accelgen_regs.h"

enum { TIMEOUT_MS = 10000, ABORT_MS = 1000, NAME_BYTES = 4096 };
#define FAULTS (ACCELGEN_STATUS_ERROR | ACCELGEN_STATUS_ABORTED)
#define CLEARED (ACCELGEN_STATUS_DONE | FAULTS)

struct accelgen {
    accelgen_board board;
    agps_frame *frame;
    const agps_facts *facts;
    agps_registers registers;
    char where[NAME_BYTES];
    int running; /* place, or -1 */
    size_t part; /* of the frame that runs */
};

static char error[512] = "";

const char *accelgen_error(void)
{
    return error;
}

static int fail(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, sizeof error, format, arguments);
    va_end(arguments);
    return status;
}

/* Registers. */

static uint32_t get(const accelgen *a, uint32_t offset)
{
    return a->board.read(a->board.self, offset);
}

static void set(const accelgen *a, uint32_t offset, uint32_t value)
{
    a->board.write(a->board.self, offset, value);
}

static int fault(const accelgen *a)
{
    static const char *const masters[] = {"none", "program", "load", "store"};
    static const struct {
        uint32_t number;
        const char *text;
    } causes[] = {
        {ACCELGEN_CAUSE_READ_RESPONSE, "AXI error: a read was refused"},
        {ACCELGEN_CAUSE_WRITE_RESPONSE, "AXI error: a write was refused"},
        {ACCELGEN_CAUSE_OUTSIDE, "an access outside the image was stopped"},
        {ACCELGEN_CAUSE_COMMAND, "the program is damaged: a command makes no sense"},
        {ACCELGEN_CAUSE_ABORTED, "the frame was aborted"},
    };
    const uint32_t word = get(a, ACCELGEN_REG_CAUSE);
    const uint32_t cause = word & ((1u << ACCELGEN_CAUSE_MASTER_BIT) - 1);
    const uint32_t master = word >> ACCELGEN_CAUSE_MASTER_BIT;
    const char *text = "unknown cause";
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].number == cause)
            text = causes[i].text;
    return fail(
        ACCELGEN_EFAULT, "%s at address 0x%x (master: %s, cause %u)", text,
        get(a, ACCELGEN_REG_ERROR_ADDRESS), master < 4 ? masters[master] : "unknown", cause);
}

static int abort_frame(const accelgen *a)
{
    set(a, ACCELGEN_REG_CONTROL, ACCELGEN_CONTROL_ABORT);
    const int64_t end = agps_now_ms() + ABORT_MS;
    while (get(a, ACCELGEN_REG_STATUS) & ACCELGEN_STATUS_BUSY) {
        if (agps_now_ms() > end)
            return fail(
                ACCELGEN_EHARDWARE,
                "the memory does not answer (the accelerator is busy after an abort): reset the PL, "
                "or load the bitstream again");
        agps_nap();
    }
    set(a, ACCELGEN_REG_STATUS, CLEARED);
    set(a, ACCELGEN_REG_CONTROL, ACCELGEN_CONTROL_RESET);
    return ACCELGEN_OK;
}

/* Files. */

static uint8_t *read_file(const char *where, const char *name, size_t *bytes)
{
    char path[NAME_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s", where, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail(ACCELGEN_EPACKAGE, "cannot open %s", path);
        return NULL;
    }
    uint8_t *data = NULL;
    long size = -1;
    if (fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size >= 0 && fseek(file, 0, SEEK_SET) == 0 && (data = malloc((size_t)size + 1)) != NULL &&
        fread(data, 1, (size_t)size, file) != (size_t)size) {
        free(data);
        data = NULL;
    }
    fclose(file);
    *bytes = (size_t)size;
    if (data == NULL)
        fail(ACCELGEN_EPACKAGE, "cannot read %s", path);
    return data;
}

static uint32_t crc32_of(const uint8_t *data, size_t bytes)
{
    uint32_t table[256], crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (size_t i = 0; i < bytes; i++)
        crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return ~crc;
}

/* The image. */

static int check_hardware(const accelgen *a)
{
    const uint32_t id = get(a, ACCELGEN_REG_ID), config = get(a, ACCELGEN_REG_CONFIG);
    if (id != ACCELGEN_ID)
        return fail(
            ACCELGEN_EHARDWARE, "no accelgen accelerator here: id is 0x%x, not 0x%x", id,
            ACCELGEN_ID);
    if (config != a->facts->config_crc)
        return fail(
            ACCELGEN_EHARDWARE,
            "the bitstream's configuration is 0x%08x, the program is for 0x%08x: build one again",
            config, a->facts->config_crc);
    return ACCELGEN_OK;
}

static int load(accelgen *a)
{
    int status = check_hardware(a);
    if (status != ACCELGEN_OK)
        return status;
    size_t bytes, at = 0;
    uint8_t *program = read_file(a->where, "program.bin", &bytes);
    if (program == NULL)
        return ACCELGEN_EPACKAGE;
    if (crc32_of(program, bytes) != a->facts->program_crc)
        status = fail(ACCELGEN_EPACKAGE, "program.bin is damaged: its checksum is another");
    for (size_t i = 0; i < a->facts->sections && status == ACCELGEN_OK; i++) {
        const agps_span *s = &a->facts->section[i];
        if (s->bytes > bytes - at) {
            status = fail(ACCELGEN_EPACKAGE, "program.bin is shorter than frame.bin says");
            break;
        }
        memcpy(a->board.memory + s->offset, program + at, s->bytes);
        a->board.flush(a->board.self, s->offset, s->bytes);
        at += s->bytes;
    }
    free(program);
    set(a, ACCELGEN_REG_BASE_LOW, (uint32_t)a->board.address);
    set(a, ACCELGEN_REG_BASE_HIGH, (uint32_t)(a->board.address >> 32));
    set(a, ACCELGEN_REG_IMAGE_BYTES, (uint32_t)a->facts->image_bytes);
    return status;
}

static int open_frame(accelgen *a)
{
    size_t bytes;
    uint8_t *file = read_file(a->where, "frame.bin", &bytes);
    if (file == NULL)
        return ACCELGEN_EPACKAGE;
    const int status = agps_frame_create(file, bytes, 1, &a->frame);
    free(file);
    if (status != AGPS_OK)
        return fail(ACCELGEN_EPACKAGE, "frame.bin is damaged, or of another accelgen");
    a->facts = agps_frame_facts(a->frame);
    if (a->facts->image_bytes > a->board.bytes)
        return fail(
            ACCELGEN_ESYSTEM, "the image takes %llu bytes, the board's memory has %zu",
            (unsigned long long)a->facts->image_bytes, a->board.bytes);
    if (a->board.address % 4096 != 0)
        return fail(ACCELGEN_ESYSTEM, "the memory does not begin at a multiple of 4096");
    return ACCELGEN_OK;
}

int accelgen_open(accelgen **opened, const accelgen_board *board, const char *where)
{
    *opened = NULL;
    accelgen *a = calloc(1, sizeof *a);
    if (a == NULL || strlen(where) >= NAME_BYTES) {
        free(a);
        return fail(ACCELGEN_ESYSTEM, "out of memory, or a name that is too long");
    }
    a->board = *board;
    a->registers = (agps_registers){
        .status = ACCELGEN_REG_STATUS, .control = ACCELGEN_REG_CONTROL,
        .program_offset = ACCELGEN_REG_PROGRAM_OFFSET,
        .program_bytes = ACCELGEN_REG_PROGRAM_BYTES, .busy = ACCELGEN_STATUS_BUSY,
        .done = ACCELGEN_STATUS_DONE, .faults = FAULTS, .start = ACCELGEN_CONTROL_START,
        .irq_enable = ACCELGEN_CONTROL_IRQ_ENABLE, .window = board->window, .self = board->self,
        .read = board->read, .write = board->write, .wait = board->wait, .waiter = board->self};
    a->running = -1;
    strcpy(a->where, where);
    int status = open_frame(a);
    if (status == ACCELGEN_OK)
        status = load(a);
    if (status != ACCELGEN_OK) {
        agps_frame_destroy(a->frame);
        free(a);
        return status;
    }
    *opened = a;
    return ACCELGEN_OK;
}

void accelgen_close(accelgen *a)
{
    if (a == NULL)
        return;
    if (a->running >= 0)
        abort_frame(a);
    if (a->board.close != NULL)
        a->board.close(a->board.self);
    agps_frame_destroy(a->frame);
    free(a);
}

int accelgen_recover(accelgen *a)
{
    a->running = -1;
    const int status = abort_frame(a);
    return status == ACCELGEN_OK ? load(a) : status;
}

/* Frames. */

static int hand_over(accelgen *a, size_t index, int status, int place)
{
    if (index >= a->facts->inputs)
        return fail(
            ACCELGEN_EARGUMENT, "there is no input %zu: the network has %zu", index,
            a->facts->inputs);
    if (status != AGPS_OK ||
        agps_frame_hand_over_at(a->frame, index, a->board.memory, place) != AGPS_OK)
        return fail(ACCELGEN_EARGUMENT, "place is 0 or 1, not %d", place);
    const agps_span *input = &a->facts->input_of[index].place[place];
    a->board.flush(a->board.self, input->offset, input->bytes);
    return ACCELGEN_OK;
}

int accelgen_put_at(accelgen *a, size_t index, const float *x, int planes, int place)
{
    return hand_over(a, index, agps_frame_input_at(a->frame, index, x, planes, place), place);
}

int accelgen_put_int8_at(accelgen *a, size_t index, const int8_t *x, int place)
{
    return hand_over(a, index, agps_frame_input_int8_at(a->frame, index, x, place), place);
}

int accelgen_put(accelgen *a, const float *x, int planes, int place)
{
    return accelgen_put_at(a, 0, x, planes, place);
}

int accelgen_put_int8(accelgen *a, const int8_t *x, int place)
{
    return accelgen_put_int8_at(a, 0, x, place);
}

static int is_place(int place)
{
    if (place != 0 && place != 1)
        return fail(ACCELGEN_EARGUMENT, "place is 0 or 1, not %d", place);
    return ACCELGEN_OK;
}

/* Of a call of the library that starts a program, waits for one, or both. */
static int told(accelgen *a, int status, int running, int milliseconds)
{
    switch (status) {
    case AGPS_OK:
        a->running = running;
        return ACCELGEN_OK;
    case AGPS_EBUSY:
        return fail(ACCELGEN_EBUSY, "the accelerator is busy: wait for its frame, or recover");
    case AGPS_ETIME:
        return fail(ACCELGEN_ETIME, "not done after %d ms; recover ends it", milliseconds);
    default:
        return fault(a);
    }
}

static agps_span program_of(const accelgen *a, size_t part, int place)
{
    agps_span program = {0, 0};
    agps_frame_program(a->frame, part, place, &program);
    return program;
}

static int start_part(accelgen *a, size_t part, int place)
{
    const agps_span program = program_of(a, part, place);
    const int status = told(
        a, agps_start(&a->registers, (uint32_t)program.offset, (uint32_t)program.bytes), place, 0);
    if (status == ACCELGEN_OK)
        a->part = part;
    return status;
}

/* The processor's work after the part that is done, then the next part. */
static int go_on(accelgen *a)
{
    const int place = a->running;
    agps_span map;
    for (size_t i = 0; agps_frame_map(a->frame, a->part, i, place, &map); i++)
        a->board.invalidate(a->board.self, map.offset, map.bytes);
    if (agps_frame_between(a->frame, a->board.memory, a->part, place) != AGPS_OK)
        return fail(ACCELGEN_EPACKAGE, "the library refuses frame.bin's numbers");
    for (size_t i = 0; agps_frame_written(a->frame, a->part, i, place, &map); i++)
        a->board.flush(a->board.self, map.offset, map.bytes);
    return start_part(a, a->part + 1, place);
}

/* Until the frame's last part runs. */
static int wait_for_last(accelgen *a, int milliseconds)
{
    if (a->running < 0)
        return fail(ACCELGEN_EARGUMENT, "no frame was started");
    int status = ACCELGEN_OK;
    while (status == ACCELGEN_OK && a->part + 1 < a->facts->parts) {
        status = told(a, agps_wait(&a->registers, milliseconds), a->running, milliseconds);
        if (status == ACCELGEN_OK)
            status = go_on(a);
    }
    return status;
}

int accelgen_start(accelgen *a, int place)
{
    if (is_place(place) != ACCELGEN_OK)
        return ACCELGEN_EARGUMENT;
    return start_part(a, 0, place);
}

int accelgen_wait(accelgen *a, int milliseconds)
{
    const int status = wait_for_last(a, milliseconds);
    if (status != ACCELGEN_OK)
        return status;
    return told(a, agps_wait(&a->registers, milliseconds), -1, milliseconds);
}

int accelgen_turn(accelgen *a, int place, int milliseconds)
{
    if (is_place(place) != ACCELGEN_OK)
        return ACCELGEN_EARGUMENT;
    int status = wait_for_last(a, milliseconds);
    if (status != ACCELGEN_OK)
        return status;
    const agps_span program = program_of(a, 0, place);
    status = agps_turn(
        &a->registers, (uint32_t)program.offset, (uint32_t)program.bytes, milliseconds);
    status = told(a, status, place, milliseconds);
    if (status == ACCELGEN_OK)
        a->part = 0;
    return status;
}

int accelgen_collect(accelgen *a, int place)
{
    if ((place != 0 && place != 1) || place == a->running)
        return fail(ACCELGEN_EARGUMENT, "there is no frame at place %d, or it is running", place);
    agps_span map;
    for (size_t i = 0; agps_frame_map(a->frame, a->facts->parts - 1, i, place, &map); i++)
        a->board.invalidate(a->board.self, map.offset, map.bytes);
    if (agps_frame_finish(a->frame, a->board.memory, place) != AGPS_OK)
        return fail(ACCELGEN_EPACKAGE, "the library refuses frame.bin's numbers");
    return ACCELGEN_OK;
}

int accelgen_run(accelgen *a, const float *x, int planes)
{
    if (a->facts->inputs > 1)
        return fail(
            ACCELGEN_EARGUMENT,
            "the network has %zu inputs: accelgen_put_at each, then accelgen_start", a->facts->inputs);
    int status = accelgen_put(a, x, planes, 0);
    if (status == ACCELGEN_OK)
        status = accelgen_start(a, 0);
    if (status == ACCELGEN_OK)
        status = accelgen_wait(a, TIMEOUT_MS);
    return status == ACCELGEN_OK ? accelgen_collect(a, 0) : status;
}

const agps_output *accelgen_output(const accelgen *a, size_t index)
{
    return agps_frame_output(a->frame, index);
}

const agps_facts *accelgen_facts(const accelgen *a)
{
    return a->facts;
}

uint32_t accelgen_cycles(const accelgen *a)
{
    return get(a, ACCELGEN_REG_CYCLES);
}
