/*
 * The accelerator's registers: start a program, wait for its end, and from one to the next.
 *
 * Between two frames the accelerator stands still, so agps_turn does nothing but register accesses.
 */
#ifndef ACCELGEN_TURN_H
#define ACCELGEN_TURN_H

#include <stdint.h>

#include "accelgen_ps.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    AGPS_EBUSY = -3,  /* a program runs */
    AGPS_EFAULT = -4, /* a program failed: the registers say why; nothing was acknowledged */
    AGPS_ETIME = -5   /* it is not done in time, and runs on */
};

typedef struct {
    /* Offsets of registers, and masks of their bits. `faults`: error and aborted. */
    uint32_t status, control, program_offset, program_bytes;
    uint32_t busy, done, faults, start, irq_enable;
    /* The registers' memory; NULL: they are behind `read` and `write`, which are given `self`. */
    volatile uint32_t *window;
    void *self;
    uint32_t (*read)(void *self, uint32_t offset);
    void (*write)(void *self, uint32_t offset, uint32_t value);
    /* Until the interrupt or the time is over, or sooner. NULL: the status is polled. */
    void (*wait)(void *waiter, int milliseconds);
    void *waiter;
} agps_registers;

/* Starts the program of `bytes` at `offset` in the image. AGPS_EBUSY; AGPS_EFAULT: the last one
 * failed and nobody recovered. */
int agps_start(const agps_registers *r, uint32_t offset, uint32_t bytes);
/* Until the program is done; takes the interrupt back. AGPS_EFAULT, AGPS_ETIME. */
int agps_wait(const agps_registers *r, int milliseconds);
/* agps_wait, then the next program's start. On an error nothing was started. */
int agps_turn(const agps_registers *r, uint32_t offset, uint32_t bytes, int milliseconds);

/* Milliseconds of a clock that nobody sets. */
int64_t agps_now_ms(void);
/* The pause between two looks at the status, where there is no interrupt. */
void agps_nap(void);

/* For `wait`, `waiter` pointing to an int: the file of a UIO device that has the interrupt. */
void agps_wait_uio(void *file, int milliseconds);

#ifdef __cplusplus
}
#endif

#endif
