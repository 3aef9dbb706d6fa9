/*
 * Dot products for Cortex-A53 without SDOT: smull and smlal add two products in 16 bits (weights
 * are never -128, so 2 * 128 * 127 fits), sadalp adds pairs of those into 32 bits.
 */
#include "kernels.h"

#if AGPS_NEON

#include <arm_neon.h>

/*
 * One pixel: every weight is loaded for one product, so what matters is where loads go. A 64-bit
 * load into a vector register takes an issue slot of its own beside 128-bit arithmetic; a load
 * into an integer register does not, and the `ins` that moves it into a vector goes along with
 * another row's vector load. This is in assembly because the order is the point: from intrinsics
 * GCC 12 copies registers between smull and smlal2 and comes to 42 % of the issue-bound rate, 59 %
 * with its schedulers switched off; this to 76 % (accelgen/ps/loops.py counts).
 *
 * Row i of a block (16 of them: two halves of 8 outputs) takes 5 cycles. Two rows ahead its
 * weights are loaded, one row ahead their upper half is inserted, two rows behind its products
 * are added up.
 */
#define ROW(sum, behind, t, w, w1, w2, h1, h2, from, offset, x, beside_sum, beside_product)      \
    "smull " t ".8h, " w ".8b, " x ".8b\n"                                                       \
    "ldr " h2 ", [" from ", #" #offset " + 8]\n"                                                 \
    "ldr d" w2 ", [" from ", #" #offset "]\n"                                                    \
    "ins v" w1 ".d[1], " h1 "\n"                                                                 \
    "sadalp %[" sum "].4s, " behind ".8h\n" beside_sum                                           \
    "smlal2 " t ".8h, " w ".16b, " x ".16b\n" beside_product
#define EVEN0(sum, behind, from, offset, x, s, p)                                                \
    ROW(sum, behind, "v28", "v24", "25", "26", "%[h1]", "%[h0]", from, offset, x, s, p)
#define ODD1(sum, behind, from, offset, x, s, p)                                                 \
    ROW(sum, behind, "v29", "v25", "26", "27", "%[h0]", "%[h1]", from, offset, x, s, p)
#define EVEN2(sum, behind, from, offset, x, s, p)                                                \
    ROW(sum, behind, "v30", "v26", "27", "24", "%[h1]", "%[h0]", from, offset, x, s, p)
#define ODD3(sum, behind, from, offset, x, s, p)                                                 \
    ROW(sum, behind, "v31", "v27", "24", "25", "%[h0]", "%[h1]", from, offset, x, s, p)
#define PREFETCH(offset) "prfm pldl1strm, [%[panel], #" #offset "]\n"

void agps_dot8(const int8_t *x, const int8_t *panel, size_t blocks, int32_t sums[PANEL])
{
    int32x4_t a0 = vdupq_n_s32(0), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
    const int8_t *next, *after;
    int64_t h0, h1, hx;
    __asm__ volatile(
        "ldp d24, d0, [%[panel]]\n"
        "ins v24.d[1], v0.d[0]\n"
        "ldr d25, [%[panel], #16]\n"
        "ldr %[h1], [%[panel], #24]\n"
        "ldr q0, [%[x]]\n"
        "movi v30.4s, #0\n"
        "movi v31.4s, #0\n"
        ".p2align 4\n"
        "1:\n"
        EVEN0("a6", "v30", "%[panel]", 32, "v0", "ldr %[hx], [%[x], #24]\n", PREFETCH(1024))
        ODD1("a7", "v31", "%[panel]", 48, "v0", "subs %[blocks], %[blocks], #1\n", PREFETCH(1088))
        EVEN2("a0", "v28", "%[panel]", 64, "v0", "add %[next], %[panel], #256\n", "")
        "ldr d1, [%[x], #16]\n"
        ODD3("a1", "v29", "%[panel]", 80, "v0", "add %[after], %[x], #32\n", "")
        EVEN0("a2", "v30", "%[panel]", 96, "v0", "csel %[next], %[panel], %[next], eq\n", "")
        "ins v1.d[1], %[hx]\n"
        ODD1("a3", "v31", "%[panel]", 112, "v0", "csel %[x], %[x], %[after], eq\n", "")
        EVEN2("a4", "v28", "%[panel]", 128, "v0", "", "")
        ODD3("a5", "v29", "%[panel]", 144, "v0", PREFETCH(1152), "")
        EVEN0("a6", "v30", "%[panel]", 160, "v1", "ldr %[hx], [%[x], #8]\n", PREFETCH(1216))
        ODD1("a7", "v31", "%[panel]", 176, "v1", "", "")
        EVEN2("a0", "v28", "%[panel]", 192, "v1", "", "")
        "ldr d0, [%[x]]\n"
        ODD3("a1", "v29", "%[panel]", 208, "v1", "", "")
        EVEN0("a2", "v30", "%[panel]", 224, "v1", "", "")
        "ins v0.d[1], %[hx]\n"
        ODD1("a3", "v31", "%[panel]", 240, "v1", "", "")
        EVEN2("a4", "v28", "%[next]", 0, "v1", "mov %[panel], %[next]\n", "")
        ODD3("a5", "v29", "%[next]", 16, "v1", "", "b.ne 1b\n")
        "sadalp %[a6].4s, v30.8h\n"
        "sadalp %[a7].4s, v31.8h\n"
        : [a0] "+w"(a0), [a1] "+w"(a1), [a2] "+w"(a2), [a3] "+w"(a3), [a4] "+w"(a4),
          [a5] "+w"(a5), [a6] "+w"(a6), [a7] "+w"(a7), [x] "+r"(x), [panel] "+r"(panel),
          [blocks] "+r"(blocks), [next] "=&r"(next), [after] "=&r"(after), [h0] "=&r"(h0),
          [h1] "=&r"(h1), [hx] "=&r"(hx)
        :
        : "v0", "v1", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory");
    const int32x4_t low = vpaddq_s32(vpaddq_s32(a0, a1), vpaddq_s32(a2, a3));
    const int32x4_t high = vpaddq_s32(vpaddq_s32(a4, a5), vpaddq_s32(a6, a7));
    vst1q_s32(sums, vaddq_s32(vld1q_s32(sums), low));
    vst1q_s32(sums + 4, vaddq_s32(vld1q_s32(sums + 4), high));
}

/* 4 pixels, 4 outputs: `rows` is the panel from the first of those outputs. */
static void dot4x4(
    const int8_t *x, size_t stride, const int8_t *rows, size_t halves, int32_t *sums)
{
    int32x4_t a[QUAD][4];
    for (int p = 0; p < QUAD; p++)
        for (int r = 0; r < 4; r++)
            a[p][r] = vdupq_n_s32(0);
    for (; halves > 0; halves--, x += HALF, rows += PANEL * HALF) {
        int8x16_t v[QUAD];
        for (int p = 0; p < QUAD; p++)
            v[p] = vld1q_s8(x + stride * (size_t)p);
        for (int r = 0; r < 4; r++) {
            const int8x16_t w = vld1q_s8(rows + HALF * r);
            for (int p = 0; p < QUAD; p++) {
                const int16x8_t products = vmull_s8(vget_low_s8(w), vget_low_s8(v[p]));
                a[p][r] = vpadalq_s16(a[p][r], vmlal_high_s8(products, w, v[p]));
            }
        }
    }
    for (int p = 0; p < QUAD; p++, sums += PANEL) {
        const int32x4_t low = vpaddq_s32(a[p][0], a[p][1]), high = vpaddq_s32(a[p][2], a[p][3]);
        vst1q_s32(sums, vaddq_s32(vld1q_s32(sums), vpaddq_s32(low, high)));
    }
}

void agps_dot8x4(
    const int8_t *x, size_t stride, const int8_t *panel, size_t blocks,
    int32_t sums[QUAD * PANEL])
{
    dot4x4(x, stride, panel, 2 * blocks, sums);
    dot4x4(x, stride, panel + 4 * HALF, 2 * blocks, sums + 4);
}

#endif
