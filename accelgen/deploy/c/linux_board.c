/* Registers behind UIO (with its interrupt) or /dev/mem, the image in a u-dma-buf. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accelgen.h"
#include "accelgen_regs.h"

typedef struct {
    volatile uint32_t *registers;
    uint8_t *memory;
    size_t bytes;
    int uio; /* -1: there is none */
    /* u-dma-buf's files: first byte, size and direction of what is synchronised, and the orders. */
    int sync_offset, sync_size, sync_direction, for_cpu, for_device;
} linux_board;

static uint32_t get(void *self, uint32_t offset)
{
    return ((linux_board *)self)->registers[offset / 4];
}

static void set(void *self, uint32_t offset, uint32_t value)
{
    ((linux_board *)self)->registers[offset / 4] = value;
}

static void wait_irq(void *self, int milliseconds)
{
    agps_wait_uio(&((linux_board *)self)->uio, milliseconds);
}

static void put_number(int file, size_t value)
{
    char text[32];
    const int length = snprintf(text, sizeof text, "%zu", value);
    if (pwrite(file, text, (size_t)length, 0) != length)
        perror("u-dma-buf: cannot synchronise");
}

static void synchronise(const linux_board *b, int order, size_t direction, size_t at, size_t bytes)
{
    put_number(b->sync_offset, at);
    put_number(b->sync_size, bytes);
    put_number(b->sync_direction, direction);
    put_number(order, 1);
}

static void flush(void *self, size_t offset, size_t bytes)
{
    const linux_board *board = self;
    synchronise(board, board->for_device, 1, offset, bytes); /* 1: to the device */
}

static void invalidate(void *self, size_t offset, size_t bytes)
{
    const linux_board *board = self;
    synchronise(board, board->for_cpu, 2, offset, bytes); /* 2: from the device */
}

static void close_board(void *self)
{
    linux_board *board = self;
    const int files[] = {
        board->uio, board->sync_offset, board->sync_size, board->sync_direction, board->for_cpu,
        board->for_device};
    if (board->registers != NULL)
        munmap((void *)(uintptr_t)board->registers, ACCELGEN_WINDOW_BYTES);
    if (board->memory != NULL)
        munmap(board->memory, board->bytes);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] >= 0)
            close(files[i]);
    free(board);
}

static int attribute(const char *memory, const char *name, int flags)
{
    char path[256];
    snprintf(path, sizeof path, "/sys/class/u-dma-buf/%s/%s", memory, name);
    return open(path, flags | O_CLOEXEC);
}

static uint64_t number_of(const char *memory, const char *name)
{
    char text[64] = "";
    const int file = attribute(memory, name, O_RDONLY);
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) < 0)
            text[0] = 0;
        close(file);
    }
    return strtoull(text, NULL, 0);
}

static void *map_file(int file, size_t bytes, uint64_t offset)
{
    if (file < 0)
        return NULL;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)offset);
    return at == MAP_FAILED ? NULL : at;
}

static int open_memory(linux_board *board, const char *memory)
{
    char path[256];
    snprintf(path, sizeof path, "/dev/%s", memory);
    board->bytes = (size_t)number_of(memory, "size");
    const int file = open(path, O_RDWR | O_CLOEXEC); /* without O_SYNC: cached */
    if (file >= 0 && board->bytes > 0)
        board->memory = map_file(file, board->bytes, 0);
    if (file >= 0)
        close(file);
    board->sync_offset = attribute(memory, "sync_offset", O_WRONLY);
    board->sync_size = attribute(memory, "sync_size", O_WRONLY);
    board->sync_direction = attribute(memory, "sync_direction", O_WRONLY);
    board->for_cpu = attribute(memory, "sync_for_cpu", O_WRONLY);
    board->for_device = attribute(memory, "sync_for_device", O_WRONLY);
    return board->memory != NULL && board->sync_offset >= 0 && board->sync_size >= 0 &&
           board->sync_direction >= 0 && board->for_cpu >= 0 && board->for_device >= 0;
}

static int open_registers(linux_board *board, const accelgen_devices *devices)
{
    if (devices->uio != NULL) {
        board->uio = open(devices->uio, O_RDWR | O_CLOEXEC);
        board->registers = map_file(board->uio, ACCELGEN_WINDOW_BYTES, 0);
    } else {
        const int file = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
        board->registers = map_file(file, ACCELGEN_WINDOW_BYTES, devices->registers);
        if (file >= 0)
            close(file);
    }
    return board->registers != NULL;
}

int accelgen_open_linux(accelgen_board *made, const accelgen_devices *devices)
{
    linux_board *board = calloc(1, sizeof *board);
    if (board == NULL)
        return ACCELGEN_ESYSTEM;
    board->uio = board->sync_offset = board->sync_size = -1;
    board->sync_direction = board->for_cpu = board->for_device = -1;
    if (!open_registers(board, devices) || !open_memory(board, devices->memory)) {
        perror("accelgen: cannot open the registers, or the u-dma-buf");
        close_board(board);
        return ACCELGEN_ESYSTEM;
    }
    *made = (accelgen_board){
        .self = board, .read = get, .write = set, .window = board->registers,
        .wait = devices->uio ? wait_irq : NULL,
        .flush = flush, .invalidate = invalidate, .close = close_board, .memory = board->memory,
        .address = number_of(devices->memory, "phys_addr"), .bytes = board->bytes};
    return ACCELGEN_OK;
}
