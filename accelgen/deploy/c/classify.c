/*
 * classify PACKAGE INPUT [UIO|ADDRESS [UDMABUF]]: the five largest of a network's first output.
 *
 * For networks of one input. INPUT is float32 as the ONNX model takes it: an .npy file (version 1, C order), or raw.
 * UIO is a device (/dev/uio0); ADDRESS the registers' physical address (0xA0000000), through /dev/mem.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accelgen.h"

static float *read_input(const char *path, size_t count)
{
    FILE *file = fopen(path, "rb");
    unsigned char head[10] = {0};
    float *x = malloc(count * sizeof *x);
    if (file == NULL || x == NULL)
        goto bad;
    if (fread(head, 1, sizeof head, file) == sizeof head && memcmp(head, "\x93NUMPY\1", 7) == 0) {
        const long header = head[8] | head[9] << 8;
        char text[256] = "";
        if (fread(text, 1, sizeof text - 1, file) == 0 || strstr(text, "'<f4'") == NULL ||
            strstr(text, "'fortran_order': False") == NULL ||
            fseek(file, 10 + header, SEEK_SET) != 0)
            goto bad;
    } else if (fseek(file, 0, SEEK_SET) != 0)
        goto bad;
    if (fread(x, sizeof *x, count, file) != count || fgetc(file) != EOF)
        goto bad;
    fclose(file);
    return x;
bad:
    if (file != NULL)
        fclose(file);
    free(x);
    fprintf(stderr, "%s: not %zu values of float32\n", path, count);
    return NULL;
}

static float value(const agps_output *y, size_t i)
{
    if (y->type == AGPS_FLOAT32)
        return ((const float *)y->values)[i];
    if (y->type == AGPS_INT64)
        return (float)((const int64_t *)y->values)[i];
    return y->type == AGPS_INT8 ? (float)((const int8_t *)y->values)[i]
                                : (float)((const uint8_t *)y->values)[i];
}

static void print_top(const agps_output *y)
{
    size_t shown[5];
    for (size_t n = 0; n < 5 && n < y->count; n++) {
        size_t best = y->count;
        for (size_t i = 0; i < y->count; i++) {
            int taken = 0;
            for (size_t k = 0; k < n; k++)
                taken |= shown[k] == i;
            if (!taken && (best == y->count || value(y, i) > value(y, best)))
                best = i;
        }
        shown[n] = best;
        printf("%10.4f  %zu\n", (double)value(y, best), best);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s PACKAGE INPUT [UIO|ADDRESS [UDMABUF]]\n", argv[0]);
        return 2;
    }
    const char *where = argc > 3 ? argv[3] : "/dev/uio0";
    const accelgen_devices devices = {
        .uio = where[0] == '/' ? where : NULL,
        .registers = where[0] == '/' ? 0 : strtoull(where, NULL, 0),
        .memory = argc > 4 ? argv[4] : "udmabuf0"};
    accelgen_board board;
    accelgen *a = NULL;
    if (accelgen_open_linux(&board, &devices) != ACCELGEN_OK)
        return 1;
    if (accelgen_open(&a, &board, argv[1]) != ACCELGEN_OK) {
        fprintf(stderr, "%s\n", accelgen_error());
        board.close(board.self);
        return 1;
    }
    const agps_facts *facts = accelgen_facts(a);
    float *x = NULL;
    if (facts->inputs > 1)
        fprintf(stderr, "this network has %zu inputs: accelgen_put_at takes them\n", facts->inputs);
    else
        x = read_input(argv[2], facts->input_pixels * facts->input_channels);
    int status = x == NULL ? ACCELGEN_EARGUMENT : accelgen_run(a, x, facts->planes);
    if (x != NULL && status != ACCELGEN_OK)
        fprintf(stderr, "%s\n", accelgen_error());
    if (status == ACCELGEN_OK) {
        print_top(accelgen_output(a, 0));
        printf("%u cycles\n", accelgen_cycles(a));
    }
    free(x);
    accelgen_close(a);
    return status == ACCELGEN_OK ? 0 : 1;
}
