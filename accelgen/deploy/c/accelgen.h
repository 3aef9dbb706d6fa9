/*
 * Driver of a generated accelerator, in C. The same machine as driver/ in Python: docs/package.md
 * of accelgen has the contract. Not thread-safe; input and image belong to the accelerator object.
 *
 *     accelgen_board board;
 *     accelgen *a;
 *     if (accelgen_open_linux(&board, &devices) || accelgen_open(&a, &board, "package") ||
 *         accelgen_run(a, x, 1))
 *         fprintf(stderr, "%s\n", accelgen_error());
 *     const agps_output *y = accelgen_output(a, 0);
 */
#ifndef ACCELGEN_H
#define ACCELGEN_H

#include <stddef.h>
#include <stdint.h>

#include "accelgen_ps.h"
#include "accelgen_turn.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ACCELGEN_OK = 0,
    ACCELGEN_EPACKAGE = -1,  /* files are missing, damaged, or of another accelgen */
    ACCELGEN_EHARDWARE = -2, /* no accelerator, or one of another configuration */
    ACCELGEN_EBUSY = -3,     /* a frame is running */
    ACCELGEN_EFAULT = -4,    /* the frame failed: accelgen_recover() */
    ACCELGEN_ETIME = -5,     /* it is not done in time: accelgen_recover() */
    ACCELGEN_EARGUMENT = -6, /* a call out of turn, or an argument out of range */
    ACCELGEN_ESYSTEM = -7    /* memory, devices */
};

/* What the driver needs of a board. `self` is handed to every function. */
typedef struct {
    void *self;
    uint32_t (*read)(void *self, uint32_t offset); /* registers */
    void (*write)(void *self, uint32_t offset, uint32_t value);
    /* The registers' memory, where they are memory of this process; NULL: by read and write. */
    volatile uint32_t *window;
    /* Until the interrupt or the time is over, or sooner. NULL: the status is polled. */
    void (*wait)(void *self, int milliseconds);
    /* Cleans, or drops, the cache's copy of a part of the image. */
    void (*flush)(void *self, size_t offset, size_t bytes);
    void (*invalidate)(void *self, size_t offset, size_t bytes);
    void (*close)(void *self); /* may be NULL */
    uint8_t *memory;           /* contiguous, as this processor sees it */
    uint64_t address;          /* as the accelerator sees it; a multiple of 4096 */
    size_t bytes;
} accelgen_board;

typedef struct accelgen accelgen;

/* Opens the package of directory `where` on `board` (which is copied, and closed with it), and
 * loads it. On an error *a is NULL and the board is still open. */
int accelgen_open(accelgen **a, const accelgen_board *board, const char *where);
/* Ends what runs. */
void accelgen_close(accelgen *a);

/* The input into `place` (0 or 1): floats, channel after channel if `planes`, else pixel after
 * pixel; or the quantized map, pixel after pixel. accelgen_facts() says how many. */
int accelgen_put(accelgen *a, const float *x, int planes, int place);
int accelgen_put_int8(accelgen *a, const int8_t *x, int place);
/* The same of input `index`, for a network with several: each is put before accelgen_start.
 * `input_of` of accelgen_facts() has their order, names and sizes. */
int accelgen_put_at(accelgen *a, size_t index, const float *x, int planes, int place);
int accelgen_put_int8_at(accelgen *a, size_t index, const int8_t *x, int place);
/* Starts the frame of `place`. */
int accelgen_start(accelgen *a, int place);
/* Until the frame is done, or one of its programs takes more than `milliseconds`. A frame in parts
 * goes on in this call: the processor computes what lies between its programs, and starts them. */
int accelgen_wait(accelgen *a, int milliseconds);
/* accelgen_wait, then accelgen_start of `place`, with nothing between them. */
int accelgen_turn(accelgen *a, int place, int milliseconds);
/* What the accelerator left at `place`, through the last steps; then accelgen_output. */
int accelgen_collect(accelgen *a, int place);
const agps_output *accelgen_output(const accelgen *a, size_t index);

/* put, start, wait, collect at place 0; of a network with one input. */
int accelgen_run(accelgen *a, const float *x, int planes);

/* After an error: idle, the image as new; the next frame is right. */
int accelgen_recover(accelgen *a);

const agps_facts *accelgen_facts(const accelgen *a);
/* Cycles of the last frame; of a frame in parts those of its last program. */
uint32_t accelgen_cycles(const accelgen *a);
/* A sentence on the last error. */
const char *accelgen_error(void);

/* A Linux board without PYNQ: registers behind UIO or in physical memory, u-dma-buf for the image. */
typedef struct {
    const char *uio;        /* "/dev/uio0", or NULL: /dev/mem at `registers`, polled */
    uint64_t registers;     /* physical address, as in the design's address map */
    const char *memory;     /* "udmabuf0": a u-dma-buf that is large enough */
} accelgen_devices;
int accelgen_open_linux(accelgen_board *board, const accelgen_devices *devices);

#ifdef __cplusplus
}
#endif

#endif
