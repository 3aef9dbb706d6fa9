/* A frame as it is in memory: frame_file.c makes it from frame.bin, frame.c runs it. */
#ifndef ACCELGEN_PS_FRAME_H
#define ACCELGEN_PS_FRAME_H

#include "kernels.h"

/* Numbers of the kernels in the file: accelgen/ps/frame_file.py has the same. */
typedef enum {
    AGPS_STEP_FC = 1,
    AGPS_STEP_TABLE,
    AGPS_STEP_ADD,
    AGPS_STEP_SCALE,
    AGPS_STEP_AVERAGE,
    AGPS_STEP_SOFTMAX_INT8,
    AGPS_STEP_SOFTMAX,
    AGPS_STEP_DEQUANTIZE,
    AGPS_STEP_GATHER,
    AGPS_STEP_BILINEAR,
    AGPS_STEP_MULTIPLY,
    AGPS_STEP_INNER_AVERAGE,
    AGPS_STEP_CHOOSE_INT8,
    AGPS_STEP_CHOOSE,
    AGPS_STEP_NORMALIZE,
    AGPS_STEP_RESPONSE,
    AGPS_STEP_LOCAL_NORM,
    AGPS_STEP_SOFTEN,
    AGPS_STEP_CHANNEL_MAX,
    AGPS_STEP_UNPOOL,
    AGPS_STEP_DEFORM,
    AGPS_STEP_DEQUANTIZE_INT32,
    AGPS_STEP_JOIN_BYTES,
    AGPS_STEP_LAST = AGPS_STEP_JOIN_BYTES
} agps_step_kernel;

/* Most of anything: sums and products of two stay far below 2^63. */
#define MOST ((int64_t)1 << 30)

enum { STEP_INTEGERS = 8, STEP_OPERANDS = 6 };

typedef struct {
    agps_step_kernel kernel;
    int64_t n[STEP_INTEGERS];
    void *operand[STEP_OPERANDS]; /* only the last is written */
} agps_step;

/* Bytes of each operand of a step; the count of operands, or 0 when a size makes no sense. */
int agps_operand_bytes(agps_step_kernel kernel, const int64_t n[], uint64_t bytes[STEP_OPERANDS]);

/* Steps from AGPS_STEP_NORMALIZE on: they need nothing but their integers and operands. */
int agps_plain_step(
    agps_step_kernel kernel, const int64_t n[], void *const operand[], agps_pool *pool);

/* A map in the image: where it is at each place, and its order. */
typedef struct {
    agps_layout layout;
    uint64_t offset[2];
    int8_t *value; /* NHWC; not of an input's */
} agps_map;

/* An input's way into the image. */
typedef struct {
    agps_map map;
    int8_t *ready[2]; /* of each place, as it will be in the image */
    float scale;
    int zero;
} agps_entry;

/* A part of the frame, and where what is done after it ends among all maps and steps. */
typedef struct {
    agps_span program[2];
    size_t reads, steps, writes;
} agps_part;

struct agps_frame {
    uint8_t *file;    /* a copy: constants stay in it */
    uint8_t *values;  /* all tensors, one after the other; pointers are to those of place 0 */
    size_t second;    /* bytes from there to place 1's; 0: a frame of one part has them once */
    int8_t *pixels;   /* an input, NHWC */
    agps_entry *entry;
    agps_input *input;
    agps_span *section;
    agps_part *part;
    agps_map *read, *write;
    agps_step *step;
    agps_output *output;
    const void **result; /* values of each output at place 0 */
    size_t reads, steps, writes;
    int8_t **packed; /* weights of fully connected layers, one for each step or NULL */
    agps_pool *pool;
    agps_facts facts;
};

#endif
