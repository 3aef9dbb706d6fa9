#define _POSIX_C_SOURCE 200809L
#include "accelgen_turn.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at the status, where there is no interrupt. */
enum { POLL_NS = 20000 };

static uint32_t get(const agps_registers *r, uint32_t offset)
{
    return r->window != NULL ? r->window[offset / 4] : r->read(r->self, offset);
}

static void set(const agps_registers *r, uint32_t offset, uint32_t value)
{
    if (r->window != NULL)
        r->window[offset / 4] = value;
    else
        r->write(r->self, offset, value);
}

int64_t agps_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void agps_nap(void)
{
    const struct timespec t = {0, POLL_NS};
    nanosleep(&t, NULL);
}

static void begin(const agps_registers *r, uint32_t offset, uint32_t bytes)
{
    set(r, r->program_offset, offset);
    set(r, r->program_bytes, bytes);
    set(r, r->control, r->start | (r->wait != NULL ? r->irq_enable : 0));
}

int agps_start(const agps_registers *r, uint32_t offset, uint32_t bytes)
{
    const uint32_t status = get(r, r->status);
    if (status & r->busy)
        return AGPS_EBUSY;
    if (status & r->faults)
        return AGPS_EFAULT;
    begin(r, offset, bytes);
    return AGPS_OK;
}

/* Looks before it waits: an interrupt may have come already, and some come for nothing. */
int agps_wait(const agps_registers *r, int milliseconds)
{
    const int64_t end = agps_now_ms() + milliseconds;
    for (;;) {
        const uint32_t status = get(r, r->status);
        if (status & r->faults)
            return AGPS_EFAULT;
        if (status & r->done) {
            /* Only what was seen: a fault that comes now is the next one's to find. */
            set(r, r->status, r->done);
            return AGPS_OK;
        }
        const int64_t left = end - agps_now_ms();
        if (left < 0)
            return AGPS_ETIME;
        if (r->wait != NULL)
            r->wait(r->waiter, (int)left);
        else
            agps_nap();
    }
}

int agps_turn(const agps_registers *r, uint32_t offset, uint32_t bytes, int milliseconds)
{
    const int status = agps_wait(r, milliseconds);
    if (status == AGPS_OK)
        begin(r, offset, bytes);
    return status;
}

/* UIO counts interrupts; one is let through by writing 1. */
void agps_wait_uio(void *file, int milliseconds)
{
    const int uio = *(const int *)file;
    const uint32_t enable = 1;
    uint32_t count;
    struct pollfd fd = {.fd = uio, .events = POLLIN};
    if (write(uio, &enable, sizeof enable) != sizeof enable ||
        (poll(&fd, 1, milliseconds) == 1 && read(uio, &count, sizeof count) != sizeof count))
        agps_nap(); /* no such device: the status is polled */
}
