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
    AGPS_STEP_GATHER
} agps_step_kernel;

enum { STEP_INTEGERS = 8, STEP_OPERANDS = 6 };

typedef struct {
    agps_step_kernel kernel;
    int64_t n[STEP_INTEGERS];
    void *operand[STEP_OPERANDS]; /* only the last is written */
} agps_step;

/* A map in the image: where it is at each place, and its order. */
typedef struct {
    agps_layout layout;
    uint64_t offset[2];
    int8_t *value; /* NHWC; of a map that is read */
} agps_map;

struct agps_frame {
    uint8_t *file;    /* a copy: constants stay in it */
    uint8_t *values;  /* all tensors, one after the other */
    int8_t *pixels;   /* the input, NHWC */
    int8_t *ready[2]; /* the input of each place, as it will be in the image */
    agps_span *section;
    agps_map input, *read;
    agps_step *step;
    agps_output *output;
    size_t reads, steps;
    int8_t **packed; /* weights of fully connected layers, one for each step or NULL */
    float scale;
    int zero;
    agps_pool *pool;
    agps_facts facts;
};

#endif
