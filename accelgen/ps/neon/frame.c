/* What the processor does for a frame, before and after the accelerator. */
#include <string.h>

#include "frame.h"

const agps_facts *agps_frame_facts(const agps_frame *frame)
{
    return &frame->facts;
}

int agps_frame_program(const agps_frame *frame, size_t part, int place, agps_span *program)
{
    if (part >= frame->facts.parts || !agps_in(place, 0, 1))
        return 0;
    *program = frame->part[part].program[place];
    return 1;
}

static agps_span span_of(const agps_map *map, int place)
{
    return (agps_span){map->offset[place], (uint64_t)map->layout.groups * map->layout.stride};
}

int agps_frame_map(const agps_frame *frame, size_t part, size_t index, int place, agps_span *map)
{
    if (part >= frame->facts.parts || !agps_in(place, 0, 1))
        return 0;
    const size_t first = part > 0 ? frame->part[part - 1].reads : 0;
    if (index >= frame->part[part].reads - first)
        return 0;
    *map = span_of(&frame->read[first + index], place);
    return 1;
}

int agps_frame_written(
    const agps_frame *frame, size_t part, size_t index, int place, agps_span *map)
{
    if (part >= frame->facts.parts || !agps_in(place, 0, 1))
        return 0;
    const size_t first = part > 0 ? frame->part[part - 1].writes : 0;
    if (index >= frame->part[part].writes - first)
        return 0;
    *map = span_of(&frame->write[first + index], place);
    return 1;
}

const agps_output *agps_frame_output(const agps_frame *frame, size_t index)
{
    return index < frame->facts.outputs ? &frame->output[index] : NULL;
}

size_t agps_output_bytes(const agps_output *output)
{
    static const size_t each[] = {4, 1, 1, 8};
    return output->count * each[output->type];
}

int agps_frame_input_int8_at(agps_frame *frame, size_t index, const int8_t *x, int place)
{
    if (index >= frame->facts.inputs || !agps_in(place, 0, 1))
        return AGPS_EINVAL;
    const agps_entry *entry = &frame->entry[index];
    return agps_to_feature_memory(x, &entry->map.layout, entry->ready[place]);
}

int agps_frame_input_at(agps_frame *frame, size_t index, const float *x, int planes, int place)
{
    if (index >= frame->facts.inputs)
        return AGPS_EINVAL;
    const agps_entry *entry = &frame->entry[index];
    const size_t pixels = frame->input[index].pixels, channels = frame->input[index].channels;
    int status;
    if (planes)
        status = agps_quantize_planes(
            x, (int)pixels, (int)channels, entry->scale, entry->zero, frame->pixels);
    else
        status = agps_quantize(x, pixels * channels, entry->scale, entry->zero, frame->pixels);
    return status == AGPS_OK ? agps_frame_input_int8_at(frame, index, frame->pixels, place) : status;
}

int agps_frame_input_int8(agps_frame *frame, const int8_t *x, int place)
{
    return agps_frame_input_int8_at(frame, 0, x, place);
}

int agps_frame_input(agps_frame *frame, const float *x, int planes, int place)
{
    return agps_frame_input_at(frame, 0, x, planes, place);
}

int agps_frame_hand_over_at(const agps_frame *frame, size_t index, void *image, int place)
{
    if (index >= frame->facts.inputs || !agps_in(place, 0, 1))
        return AGPS_EINVAL;
    const agps_span *input = &frame->input[index].place[place];
    memcpy((uint8_t *)image + input->offset, frame->entry[index].ready[place], input->bytes);
    return AGPS_OK;
}

int agps_frame_hand_over(const agps_frame *frame, void *image, int place)
{
    int status = AGPS_OK;
    for (size_t i = 0; i < frame->facts.inputs && status == AGPS_OK; i++)
        status = agps_frame_hand_over_at(frame, i, image, place);
    return status;
}

/* An operand at `place`: constants are the same at both. */
static void *at_place(const agps_frame *f, const void *operand, int place)
{
    const uintptr_t at = (uintptr_t)operand, first = (uintptr_t)f->values;
    const int is_value = at >= first && at - first < f->second;
    return (void *)(at + (is_value && place ? f->second : 0));
}

static float real(int64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static int run_softmax(const agps_step *s)
{
    const int64_t *n = s->n;
    const size_t rows = (size_t)n[0], count = (size_t)n[1];
    int status = AGPS_OK;
    for (size_t i = 0; i < rows && status == AGPS_OK; i++) {
        float *y = (float *)s->operand[1] + i * count;
        if (s->kernel == AGPS_STEP_SOFTMAX)
            status = agps_softmax((const float *)s->operand[0] + i * count, count, y);
        else
            status = agps_softmax_int8(
                (const int8_t *)s->operand[0] + i * count, count, (int)n[2], real(n[3]), y);
    }
    return status;
}

static void run_gather(const agps_step *s)
{
    const size_t count = (size_t)s->n[0];
    const int32_t *from = s->operand[1], *to = s->operand[2];
    if (s->n[1] == 1) {
        const int8_t *x = s->operand[0];
        int8_t *y = s->operand[3];
        for (size_t i = 0; i < count; i++)
            y[to[i]] = x[from[i]];
    } else {
        const float *x = s->operand[0];
        float *y = s->operand[3];
        for (size_t i = 0; i < count; i++)
            y[to[i]] = x[from[i]];
    }
}

static int run_choice(const agps_step *s)
{
    const int64_t *n = s->n;
    const agps_choice q = {(size_t)n[0], (size_t)n[1], (size_t)n[2], (int)n[3], (int)n[4]};
    if (s->kernel == AGPS_STEP_CHOOSE)
        return agps_choose(s->operand[0], &q, s->operand[1]);
    return agps_choose_int8(s->operand[0], &q, s->operand[1]);
}

static int run_fc(const agps_frame *f, const agps_step *s, size_t index)
{
    const int64_t *n = s->n;
    void *const *o = s->operand;
    const agps_requant q = {o[2], o[3], o[4], (int)n[2], (int)n[3], (int)n[4]};
    if (n[5])
        return agps_fc_wide(o[0], f->packed[index], (int)n[0], (int)n[1], o[2], o[5], f->pool);
    return agps_fc(o[0], f->packed[index], (int)n[0], (int)n[1], &q, o[5], f->pool);
}

static int run_bilinear(const agps_step *s, agps_pool *pool)
{
    const int64_t *n = s->n;
    void *const *o = s->operand;
    agps_average q;
    if (n[5]) {
        const int32_t *const given = o[3];
        q = (agps_average){given[0], given[1], given[2], given[3]};
    }
    return agps_bilinear(
        o[0], (int)n[0], (int)n[1], (int)n[2], o[1], (int)n[3], o[2], (int)n[4],
        n[5] ? &q : NULL, n[5] ? o[4] : o[3], pool);
}

static int run_step(const agps_frame *f, size_t index, int place)
{
    agps_step here = f->step[index];
    for (int i = 0; i < STEP_OPERANDS; i++)
        here.operand[i] = at_place(f, here.operand[i], place);
    const agps_step *s = &here;
    const int64_t *n = s->n;
    void *const *o = s->operand;
    switch (s->kernel) {
    case AGPS_STEP_FC:
        return run_fc(f, s, index);
    case AGPS_STEP_TABLE:
        return agps_table(o[0], (size_t)n[0], o[1], o[2]);
    case AGPS_STEP_ADD: {
        const agps_sum q = {(int32_t)n[1], (int32_t)n[2], (int32_t)n[3], (int)n[4],
                            (int)n[5],     (int)n[6],     (int)n[7]};
        return agps_add(o[0], o[1], (size_t)n[0], &q, o[2]);
    }
    case AGPS_STEP_SCALE: {
        const agps_scaling q = {(int)n[2], (int)n[3], (int32_t)n[4], (int)n[5], (int)n[6]};
        return agps_scale(o[0], o[1], (int)n[0], (int)n[1], &q, o[2]);
    }
    case AGPS_STEP_AVERAGE: {
        const agps_average q = {(int)n[2], (int32_t)n[3], (int)n[4], (int)n[5]};
        return agps_global_average(o[0], (int)n[0], (int)n[1], &q, o[1]);
    }
    case AGPS_STEP_SOFTMAX_INT8:
    case AGPS_STEP_SOFTMAX:
        return run_softmax(s);
    case AGPS_STEP_DEQUANTIZE:
        agps_dequantize(o[0], (size_t)n[0], (int)n[1], real(n[2]), o[1]);
        return AGPS_OK;
    case AGPS_STEP_DEQUANTIZE_INT32:
        for (int64_t i = 0; i < n[0]; i++)
            agps_dequantize_int32(
                (const int32_t *)o[0] + i * n[1], o[1], (size_t)n[1], (float *)o[2] + i * n[1]);
        return AGPS_OK;
    case AGPS_STEP_GATHER:
        run_gather(s);
        return AGPS_OK;
    case AGPS_STEP_CHOOSE_INT8:
    case AGPS_STEP_CHOOSE:
        return run_choice(s);
    case AGPS_STEP_INNER_AVERAGE: {
        const agps_inner_pool q = {(int)n[0], (int)n[1], (int)n[2], (int)n[3], (int)n[4],
                                   (int)n[5], (int)n[6], o[1],      o[2],      o[3]};
        return agps_inner_average(o[0], &q, o[4], f->pool);
    }
    case AGPS_STEP_MULTIPLY: {
        const agps_scaling q = {(int)n[1], (int)n[2], (int32_t)n[3], (int)n[4], (int)n[5]};
        return agps_multiply(o[0], o[1], (size_t)n[0], &q, o[2], f->pool);
    }
    case AGPS_STEP_BILINEAR:
        return run_bilinear(s, f->pool);
    default:
        return agps_plain_step(s->kernel, n, o, f->pool);
    }
}

/* Reads the maps of `part` and runs its steps. */
static int run_part(const agps_frame *f, const uint8_t *image, size_t part, int place)
{
    const agps_part none = {0}, *before = part > 0 ? &f->part[part - 1] : &none;
    int status = AGPS_OK;
    for (size_t i = before->reads; i < f->part[part].reads && status == AGPS_OK; i++) {
        const agps_map *map = &f->read[i];
        status = agps_from_feature_memory(
            (const int8_t *)image + map->offset[place], &map->layout,
            at_place(f, map->value, place));
    }
    for (size_t i = before->steps; i < f->part[part].steps && status == AGPS_OK; i++)
        status = run_step(f, i, place);
    return status;
}

int agps_frame_between(agps_frame *frame, void *image, size_t part, int place)
{
    if (part + 1 >= frame->facts.parts || !agps_in(place, 0, 1))
        return AGPS_EINVAL;
    int status = run_part(frame, image, part, place);
    const size_t first = part > 0 ? frame->part[part - 1].writes : 0;
    for (size_t i = first; i < frame->part[part].writes && status == AGPS_OK; i++) {
        const agps_map *map = &frame->write[i];
        status = agps_to_feature_memory(
            at_place(frame, map->value, place), &map->layout,
            (int8_t *)image + map->offset[place]);
    }
    return status;
}

int agps_frame_finish(agps_frame *frame, const void *image, int place)
{
    if (!agps_in(place, 0, 1))
        return AGPS_EINVAL;
    const int status = run_part(frame, image, frame->facts.parts - 1, place);
    return status == AGPS_OK ? agps_frame_results(frame, place) : status;
}

int agps_frame_results(agps_frame *frame, int place)
{
    if (!agps_in(place, 0, 1))
        return AGPS_EINVAL;
    for (size_t i = 0; i < frame->facts.outputs; i++)
        frame->output[i].values = at_place(frame, frame->result[i], place);
    return AGPS_OK;
}
