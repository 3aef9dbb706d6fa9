/* frame.bin to memory. Its format is in accelgen/ps/frame_file.py. Nothing in it is trusted. */
#include <stdlib.h>
#include <string.h>

#include "frame.h"

#define MAGIC UINT64_C(0x324D415246474341)         /* "ACGFRAM2" */
#define MAGIC_SEVERAL UINT64_C(0x334D415246474341) /* "ACGFRAM3": several inputs */

typedef struct {
    const uint8_t *at;
    size_t words; /* left */
    int bad;
    agps_frame *frame;
    size_t constants, values;
    const uint8_t **constant;
    uint64_t *constant_bytes, *value_bytes;
    uint8_t **value;
} reader;

static int64_t word(reader *r)
{
    int64_t value = 0;
    if (r->words == 0) {
        r->bad = 1;
        return 0;
    }
    memcpy(&value, r->at, sizeof value);
    r->at += sizeof value;
    r->words--;
    return value;
}

static int64_t within(reader *r, int64_t low, int64_t high)
{
    const int64_t value = word(r);
    if (agps_in(value, low, high))
        return value;
    r->bad = 1;
    return low;
}

static float real(reader *r)
{
    const uint32_t bits = (uint32_t)within(r, 0, UINT32_MAX);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A number of things that take at least a word each, and room for them. */
static size_t several(reader *r, size_t size, void **room)
{
    const size_t count = (size_t)within(r, 0, (int64_t)r->words);
    *room = calloc(count + 1, size);
    if (*room == NULL)
        r->bad = 2;
    return *room == NULL ? 0 : count;
}

static agps_span span(reader *r, uint64_t end)
{
    agps_span s = {(uint64_t)within(r, 0, MOST), (uint64_t)within(r, 0, MOST)};
    if (s.offset + s.bytes > end)
        r->bad = 1;
    return s;
}

/* Operand `number` of at least `bytes`: a value, or (from -1 down) a constant. */
static void *operand(reader *r, int64_t number, uint64_t bytes, int written)
{
    const int64_t constant = -1 - number;
    if (number >= 0 && number < (int64_t)r->values && r->value_bytes[number] >= bytes)
        return r->value[number];
    if (!written && constant >= 0 && constant < (int64_t)r->constants &&
        r->constant_bytes[constant] >= bytes)
        return (void *)(uintptr_t)r->constant[constant]; /* only read */
    r->bad = 1;
    return NULL;
}

static void read_map(reader *r, agps_map *map, uint64_t image_bytes)
{
    agps_layout *l = &map->layout;
    l->pixels = (int)within(r, 1, 1 << 24);
    l->channels = (int)within(r, 1, 1 << 24);
    l->lanes = (int)within(r, 1, 1 << 10);
    l->groups = (int)within(r, 1, 1 << 20);
    l->stride = (size_t)within(r, 1, MOST);
    const int64_t slots = word(r), room = (int64_t)l->groups * l->lanes;
    if (slots != 0)
        l->slots = operand(r, slots, (uint64_t)room * sizeof *l->slots, 0);
    for (int64_t i = 0; i < room && l->slots != NULL && !r->bad; i++)
        r->bad |= !agps_in(l->slots[i], -1, l->channels - 1);
    r->bad |= l->slots == NULL && room < l->channels;
    r->bad |= (int64_t)l->pixels * l->channels > MOST;
    r->bad |= l->stride / (size_t)l->lanes < (size_t)l->pixels;
    for (int k = 0; k < 2; k++) {
        map->offset[k] = (uint64_t)within(r, 0, MOST);
        r->bad |= map->offset[k] + (uint64_t)l->groups * l->stride > image_bytes;
    }
}

static void read_constants(reader *r)
{
    r->constants = several(r, sizeof *r->constant, (void **)&r->constant);
    r->constant_bytes = calloc(r->constants + 1, sizeof *r->constant_bytes);
    if (r->constant_bytes == NULL) {
        r->bad = 2;
        return;
    }
    for (size_t i = 0; i < r->constants && !r->bad; i++) {
        const uint64_t bytes = (uint64_t)within(r, 0, (int64_t)r->words * 8);
        const size_t words = (bytes + 7) / 8;
        if (words > r->words) {
            r->bad = 1;
            return;
        }
        r->constant[i] = r->at;
        r->constant_bytes[i] = bytes;
        r->at += words * 8;
        r->words -= words;
    }
}

static void read_values(reader *r)
{
    r->values = several(r, sizeof *r->value, (void **)&r->value);
    r->value_bytes = calloc(r->values + 1, sizeof *r->value_bytes);
    if (r->value_bytes == NULL)
        r->bad = 2;
    for (size_t i = 0; i < r->values && !r->bad; i++)
        r->value_bytes[i] = (uint64_t)within(r, 1, MOST);
}

/* Of a frame in parts each place has values of its own: those of a frame that is not collected yet
 * stay when the next one's parts run. */
static void place_values(reader *r)
{
    agps_frame *f = r->frame;
    size_t total = 0;
    for (size_t i = 0; i < r->values; i++)
        total += (r->value_bytes[i] + 63) / 64 * 64;
    f->second = f->facts.parts > 1 ? total : 0;
    f->values = malloc(total + f->second + 1);
    if (f->values == NULL) {
        r->bad = 2;
        return;
    }
    uint8_t *at = f->values;
    for (size_t i = 0; i < r->values; at += (r->value_bytes[i++] + 63) / 64 * 64)
        r->value[i] = at;
}

static int indices_within(const agps_step *step)
{
    const int32_t *from = step->operand[1], *to = step->operand[2];
    for (int64_t i = 0; i < step->n[0]; i++)
        if (!agps_in(from[i], 0, step->n[2] - 1) || !agps_in(to[i], 0, step->n[3] - 1))
            return 0;
    return 1;
}

static void read_step(reader *r, size_t index)
{
    agps_step *step = &r->frame->step[index];
    uint64_t bytes[STEP_OPERANDS] = {0};
    step->kernel = (agps_step_kernel)within(r, AGPS_STEP_FC, AGPS_STEP_LAST);
    for (int i = 0; i < STEP_INTEGERS; i++)
        step->n[i] = within(r, INT32_MIN, UINT32_MAX);
    const int operands = agps_operand_bytes(step->kernel, step->n, bytes);
    r->bad |= operands == 0;
    for (int i = 0; i < STEP_OPERANDS; i++) {
        const int64_t number = word(r);
        if (i < operands)
            step->operand[i] = operand(r, number, bytes[i], i == operands - 1);
    }
    if (!r->bad && step->kernel == AGPS_STEP_GATHER)
        r->bad = !indices_within(step);
    if (!r->bad && step->kernel == AGPS_STEP_INNER_AVERAGE) {
        const int32_t *window = step->operand[1];
        r->bad = (int64_t)window[0] * window[1] != step->n[7];
    }
    if (step->kernel != AGPS_STEP_FC || r->bad)
        return;
    const int outputs = (int)step->n[0], inputs = (int)step->n[1];
    int8_t *packed = r->frame->packed[index] = malloc(agps_packed_bytes(outputs, inputs) + 1);
    if (packed == NULL)
        r->bad = 2;
    else
        r->bad = agps_pack(step->operand[1], outputs, inputs, packed) != AGPS_OK;
}

static void read_output(reader *r, agps_output *output)
{
    const int64_t name = word(r), values = word(r);
    output->type = (int)within(r, AGPS_FLOAT32, AGPS_INT64);
    output->count = (size_t)within(r, 1, MOST);
    output->name = operand(r, name, 1, 0);
    if (output->name != NULL && name < 0)
        r->bad |= memchr(output->name, 0, r->constant_bytes[-1 - name]) == NULL;
    output->values = operand(r, values, agps_output_bytes(output), 0);
}

static void read_input(reader *r, agps_input *input, agps_entry *entry)
{
    const agps_layout *layout = &entry->map.layout;
    entry->scale = real(r);
    entry->zero = (int)within(r, -128, 127);
    const int64_t pixels = within(r, 1, 1 << 24), channels = within(r, 1, 1 << 24);
    input->planes = (int)within(r, 0, 1);
    read_map(r, &entry->map, r->frame->facts.image_bytes);
    r->bad |= pixels * channels != (int64_t)layout->pixels * layout->channels;
    r->bad |= !(entry->scale > 0);
    input->pixels = (size_t)pixels;
    input->channels = (size_t)channels;
    for (int k = 0; k < 2; k++) {
        const uint64_t bytes = (uint64_t)layout->groups * layout->stride;
        input->place[k] = (agps_span){entry->map.offset[k], bytes};
        entry->ready[k] = calloc(r->bad ? 1 : bytes, 1);
        if (entry->ready[k] == NULL)
            r->bad = 2;
    }
}

static const char *read_name(reader *r)
{
    const int64_t number = word(r);
    const char *name = operand(r, number, 1, 0);
    if (name != NULL && number < 0)
        r->bad |= memchr(name, 0, r->constant_bytes[-1 - number]) == NULL;
    r->bad |= number >= 0;
    return name;
}

static void read_inputs(reader *r, int listed)
{
    agps_frame *f = r->frame;
    agps_facts *facts = &f->facts;
    const size_t count = listed ? (size_t)within(r, 2, (int64_t)r->words) : 1;
    f->input = calloc(count, sizeof *f->input);
    f->entry = calloc(count, sizeof *f->entry);
    if (f->input == NULL || f->entry == NULL) {
        r->bad = 2;
        return;
    }
    facts->inputs = count;
    size_t most = 1;
    for (size_t i = 0; i < count && !r->bad; i++) {
        if (listed)
            f->input[i].name = read_name(r);
        read_input(r, &f->input[i], &f->entry[i]);
        const size_t elements = f->input[i].pixels * f->input[i].channels;
        if (!r->bad && elements > most)
            most = elements;
    }
    facts->input_of = f->input;
    facts->input_pixels = f->input->pixels;
    facts->input_channels = f->input->channels;
    facts->planes = f->input->planes;
    memcpy(facts->input, f->input->place, sizeof facts->input);
    f->pixels = malloc(most);
    if (f->pixels == NULL)
        r->bad = 2;
}

static void read_facts(reader *r)
{
    agps_facts *facts = &r->frame->facts;
    facts->config_crc = (uint32_t)within(r, 0, UINT32_MAX);
    facts->program_crc = (uint32_t)within(r, 0, UINT32_MAX);
    facts->image_bytes = (uint64_t)within(r, 1, MOST);
    facts->sections = several(r, sizeof(agps_span), (void **)&r->frame->section);
    facts->section = r->frame->section;
    for (size_t i = 0; i < facts->sections; i++)
        r->frame->section[i] = span(r, facts->image_bytes);
    facts->parts = several(r, sizeof(agps_part), (void **)&r->frame->part);
    r->bad |= facts->parts == 0;
    agps_part all = {0};
    for (size_t i = 0; i < facts->parts && !r->bad; i++) {
        for (int k = 0; k < 2; k++)
            all.program[k] = span(r, facts->image_bytes);
        all.reads += (size_t)within(r, 0, MOST);
        all.steps += (size_t)within(r, 0, MOST);
        const int64_t writes = within(r, 0, MOST);
        r->bad |= i + 1 == facts->parts && writes != 0;
        all.writes += (size_t)writes;
        r->frame->part[i] = all;
    }
}

/* Maps of which each has a value, read from it or written to it. */
static size_t read_maps(reader *r, agps_map **maps, int written)
{
    const size_t count = several(r, sizeof **maps, (void **)maps);
    for (size_t i = 0; i < count && !r->bad; i++) {
        agps_map *map = &(*maps)[i];
        const int64_t value = word(r);
        read_map(r, map, r->frame->facts.image_bytes);
        const uint64_t bytes = (uint64_t)map->layout.pixels * (uint64_t)map->layout.channels;
        map->value = operand(r, value, bytes, written);
    }
    return count;
}

static void read_all(reader *r)
{
    agps_frame *f = r->frame;
    const uint64_t magic = (uint64_t)word(r);
    r->bad |= magic != MAGIC && magic != MAGIC_SEVERAL;
    read_constants(r);
    read_values(r);
    if (r->bad)
        return;
    read_facts(r);
    if (!r->bad)
        place_values(r);
    read_inputs(r, magic == MAGIC_SEVERAL);
    if (r->bad)
        return;
    f->reads = read_maps(r, &f->read, 1);
    f->steps = several(r, sizeof *f->step, (void **)&f->step);
    f->packed = calloc(f->steps + 1, sizeof *f->packed);
    if (f->packed == NULL)
        r->bad = 2;
    for (size_t i = 0; i < f->steps && !r->bad; i++)
        read_step(r, i);
    f->writes = read_maps(r, &f->write, 0);
    const agps_part *last = &f->part[f->facts.parts - 1];
    r->bad |= last->reads != f->reads || last->steps != f->steps || last->writes != f->writes;
    f->facts.outputs = several(r, sizeof *f->output, (void **)&f->output);
    f->result = calloc(f->facts.outputs + 1, sizeof *f->result);
    if (f->result == NULL)
        r->bad = 2;
    for (size_t i = 0; i < f->facts.outputs && !r->bad; i++) {
        read_output(r, &f->output[i]);
        f->result[i] = f->output[i].values;
    }
    r->bad |= r->words != 0;
}

int agps_frame_create(const void *file, size_t bytes, int threads, agps_frame **frame)
{
    *frame = NULL;
    if (bytes % 8 != 0 || !agps_in(threads, 1, AGPS_MAX_THREADS))
        return AGPS_EINVAL;
    agps_frame *f = calloc(1, sizeof *f);
    if (f == NULL)
        return AGPS_ENOMEM;
    f->file = malloc(bytes + 1);
    reader r = {.at = f->file, .words = bytes / 8, .frame = f};
    if (f->file == NULL)
        r.bad = 2;
    else {
        memcpy(f->file, file, bytes);
        read_all(&r);
    }
    if (!r.bad && threads > 1 && (f->pool = agps_pool_create(threads)) == NULL)
        r.bad = 2;
    free(r.constant);
    free(r.constant_bytes);
    free(r.value);
    free(r.value_bytes);
    if (r.bad) {
        agps_frame_destroy(f);
        return r.bad & 2 ? AGPS_ENOMEM : AGPS_EINVAL;
    }
    *frame = f;
    return AGPS_OK;
}

void agps_frame_destroy(agps_frame *frame)
{
    if (frame == NULL)
        return;
    for (size_t i = 0; i < frame->steps && frame->packed != NULL; i++)
        free(frame->packed[i]);
    free(frame->packed);
    free(frame->file);
    free(frame->values);
    free(frame->pixels);
    for (size_t i = 0; i < frame->facts.inputs; i++)
        for (int k = 0; k < 2; k++)
            free(frame->entry[i].ready[k]);
    free(frame->entry);
    free(frame->input);
    free(frame->section);
    free(frame->part);
    free(frame->read);
    free(frame->write);
    free(frame->result);
    free(frame->step);
    free(frame->output);
    if (frame->pool != NULL)
        agps_pool_destroy(frame->pool);
    free(frame);
}
