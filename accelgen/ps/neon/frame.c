/* What the processor does for a frame, before and after the accelerator. */
#include <string.h>

#include "frame.h"

const agps_facts *agps_frame_facts(const agps_frame *frame)
{
    return &frame->facts;
}

int agps_frame_map(const agps_frame *frame, size_t index, int place, agps_span *map)
{
    if (index >= frame->reads || !agps_in(place, 0, 1))
        return 0;
    const agps_map *read = &frame->read[index];
    *map = (agps_span){
        read->offset[place], (uint64_t)read->layout.groups * read->layout.stride};
    return 1;
}

const agps_output *agps_frame_output(const agps_frame *frame, size_t index)
{
    return index < frame->facts.outputs ? &frame->output[index] : NULL;
}

int agps_frame_input_int8(agps_frame *frame, const int8_t *x, int place)
{
    if (!agps_in(place, 0, 1))
        return AGPS_EINVAL;
    return agps_to_feature_memory(x, &frame->input.layout, frame->ready[place]);
}

int agps_frame_input(agps_frame *frame, const float *x, int planes, int place)
{
    const size_t pixels = frame->facts.input_pixels, channels = frame->facts.input_channels;
    int status;
    if (planes)
        status = agps_quantize_planes(
            x, (int)pixels, (int)channels, frame->scale, frame->zero, frame->pixels);
    else
        status = agps_quantize(x, pixels * channels, frame->scale, frame->zero, frame->pixels);
    return status == AGPS_OK ? agps_frame_input_int8(frame, frame->pixels, place) : status;
}

int agps_frame_hand_over(const agps_frame *frame, void *image, int place)
{
    if (!agps_in(place, 0, 1))
        return AGPS_EINVAL;
    const agps_span *input = &frame->facts.input[place];
    memcpy((uint8_t *)image + input->offset, frame->ready[place], input->bytes);
    return AGPS_OK;
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

static int run_fc(const agps_frame *f, size_t index)
{
    const agps_step *s = &f->step[index];
    const int64_t *n = s->n;
    void *const *o = s->operand;
    const agps_requant q = {o[2], o[3], o[4], (int)n[2], (int)n[3], (int)n[4]};
    return agps_fc(o[0], f->packed[index], (int)n[0], (int)n[1], &q, o[5], f->pool);
}

static int run_step(const agps_frame *f, size_t index)
{
    const agps_step *s = &f->step[index];
    const int64_t *n = s->n;
    void *const *o = s->operand;
    switch (s->kernel) {
    case AGPS_STEP_FC:
        return run_fc(f, index);
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
    case AGPS_STEP_GATHER:
        run_gather(s);
        return AGPS_OK;
    }
    return AGPS_EINVAL;
}

int agps_frame_finish(agps_frame *frame, const void *image, int place)
{
    if (!agps_in(place, 0, 1))
        return AGPS_EINVAL;
    int status = AGPS_OK;
    for (size_t i = 0; i < frame->reads && status == AGPS_OK; i++) {
        const agps_map *map = &frame->read[i];
        status = agps_from_feature_memory(
            (const int8_t *)image + map->offset[place], &map->layout, map->value);
    }
    for (size_t i = 0; i < frame->steps && status == AGPS_OK; i++)
        status = run_step(frame, i);
    return status;
}
