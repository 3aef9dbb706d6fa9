/* NHWC to and from the accelerator's feature-memory order. */
#include <string.h>

#include "kernels.h"

/* Pixels at a time: their rows of NHWC stay in the first-level cache while all groups pass.
 * Groups at a time: each is a stream of its own. */
enum { STRETCH = 16, FOUR = 4 };

static int check(const agps_layout *l)
{
    if (l->pixels < 1 || l->channels < 1 || l->lanes < 1 || l->groups < 1 ||
        l->stride / (size_t)l->lanes < (size_t)l->pixels)
        return AGPS_EINVAL;
    const int64_t room = (int64_t)l->groups * l->lanes;
    if (l->slots == NULL)
        return room >= l->channels ? AGPS_OK : AGPS_EINVAL;
    for (int64_t i = 0; i < room; i++)
        if (!agps_in(l->slots[i], -1, l->channels - 1))
            return AGPS_EINVAL;
    return AGPS_OK;
}

/* Channels in order, 8 lanes: whole words, as fast as the caches are. */
static size_t whole_words(const agps_layout *l)
{
    return l->slots == NULL && l->lanes == 8 ? (size_t)l->channels / 8 : 0;
}

static int channel_at(const agps_layout *l, size_t slot)
{
    if (l->slots != NULL)
        return l->slots[slot];
    return slot < (size_t)l->channels ? (int)slot : -1;
}

/* One word of each of up to four groups, pixel after pixel. */
LOOP static void gather(
    const int8_t *map, size_t stride, size_t groups, size_t pixels, int8_t *nhwc, size_t channels)
{
    if (groups < FOUR) {
        for (size_t g = 0; g < groups; g++)
            for (size_t p = 0; p < pixels; p++)
                memcpy(nhwc + p * channels + g * 8, map + g * stride + p * 8, 8);
        return;
    }
    const int8_t *a = map, *b = a + stride, *c = b + stride, *d = c + stride;
    for (size_t p = 0; p < pixels; p++, a += 8, b += 8, c += 8, d += 8, nhwc += channels) {
        int64_t t, u, v, w;
        memcpy(&t, a, 8);
        memcpy(&u, b, 8);
        memcpy(&v, c, 8);
        memcpy(&w, d, 8);
        memcpy(nhwc, &t, 8);
        memcpy(nhwc + 8, &u, 8);
        memcpy(nhwc + 16, &v, 8);
        memcpy(nhwc + 24, &w, 8);
    }
}

LOOP static void scatter(
    const int8_t *nhwc, size_t channels, size_t groups, size_t pixels, int8_t *map, size_t stride)
{
    if (groups < FOUR) {
        for (size_t g = 0; g < groups; g++)
            for (size_t p = 0; p < pixels; p++)
                memcpy(map + g * stride + p * 8, nhwc + p * channels + g * 8, 8);
        return;
    }
    int8_t *a = map, *b = a + stride, *c = b + stride, *d = c + stride;
    for (size_t p = 0; p < pixels; p++, a += 8, b += 8, c += 8, d += 8, nhwc += channels) {
        int64_t t, u, v, w;
        memcpy(&t, nhwc, 8);
        memcpy(&u, nhwc + 8, 8);
        memcpy(&v, nhwc + 16, 8);
        memcpy(&w, nhwc + 24, 8);
        memcpy(a, &t, 8);
        memcpy(b, &u, 8);
        memcpy(c, &v, 8);
        memcpy(d, &w, 8);
    }
}

/* The last group's words of channels in order: what follows a pixel's last channel is masked. */
LOOP static void fill_last(
    const int8_t *nhwc, size_t channels, size_t words, size_t pixels, int8_t *map)
{
    const size_t rest = channels - 8 * words;
    const uint8_t kept[8] = {255, rest > 1 ? 255 : 0, rest > 2 ? 255 : 0, rest > 3 ? 255 : 0,
                             rest > 4 ? 255 : 0, rest > 5 ? 255 : 0, rest > 6 ? 255 : 0, 0};
    /* So many pixels at the end have fewer than 8 bytes from their word to the map's end. */
    const size_t near = (8 - rest + channels - 1) / channels;
    const size_t whole = pixels > near ? pixels - near : 0;
    uint64_t mask, word;
    memcpy(&mask, kept, 8);
    const int8_t *from = nhwc + 8 * words;
    for (size_t p = 0; p < whole; p++, from += channels, map += 8) {
        memcpy(&word, from, 8);
        word &= mask;
        memcpy(map, &word, 8);
    }
    for (size_t p = whole; p < pixels; p++, from += channels, map += 8)
        for (size_t i = 0; i < rest; i++)
            map[i] = from[i];
}

int agps_from_feature_memory(const int8_t *map, const agps_layout *l, int8_t *nhwc)
{
    if (check(l) != AGPS_OK)
        return AGPS_EINVAL;
    const size_t pixels = (size_t)l->pixels, channels = (size_t)l->channels;
    const size_t lanes = (size_t)l->lanes, words = whole_words(l);
    for (size_t from = 0; from < pixels; from += STRETCH) {
        const size_t stretch = pixels - from < STRETCH ? pixels - from : STRETCH;
        for (size_t g = 0; g < words; g += FOUR)
            gather(
                map + g * l->stride + from * 8, l->stride, words - g < FOUR ? words - g : FOUR,
                stretch, nhwc + from * channels + g * 8, channels);
    }
    for (size_t slot = words * lanes; slot < (size_t)l->groups * lanes; slot++) {
        const int channel = channel_at(l, slot);
        const int8_t *from = map + slot / lanes * l->stride + slot % lanes;
        if (channel >= 0)
            for (size_t p = 0; p < pixels; p++)
                nhwc[p * channels + (size_t)channel] = from[p * lanes];
    }
    return AGPS_OK;
}

int agps_to_feature_memory(const int8_t *nhwc, const agps_layout *l, int8_t *map)
{
    if (check(l) != AGPS_OK)
        return AGPS_EINVAL;
    const size_t pixels = (size_t)l->pixels, channels = (size_t)l->channels;
    const size_t lanes = (size_t)l->lanes, words = whole_words(l);
    const size_t used = pixels * lanes;
    for (size_t g = 0; g < words; g++)
        memset(map + g * l->stride + used, 0, l->stride - used);
    memset(map + words * l->stride, 0, ((size_t)l->groups - words) * l->stride);
    for (size_t from = 0; from < pixels; from += STRETCH) {
        const size_t stretch = pixels - from < STRETCH ? pixels - from : STRETCH;
        for (size_t g = 0; g < words; g += FOUR)
            scatter(
                nhwc + from * channels + g * 8, channels, words - g < FOUR ? words - g : FOUR,
                stretch, map + g * l->stride + from * 8, l->stride);
    }
    size_t slot = words * lanes;
    if (l->slots == NULL && lanes == 8 && channels % 8 != 0) {
        fill_last(nhwc, channels, words, pixels, map + words * l->stride);
        slot += lanes;
    }
    for (; slot < (size_t)l->groups * lanes; slot++) {
        const int channel = channel_at(l, slot);
        int8_t *to = map + slot / lanes * l->stride + slot % lanes;
        if (channel >= 0)
            for (size_t p = 0; p < pixels; p++)
                to[p * lanes] = nhwc[p * channels + (size_t)channel];
    }
    return AGPS_OK;
}
