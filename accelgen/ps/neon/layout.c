/* NHWC to and from the accelerator's feature-memory order. */
#include <string.h>

#include "kernels.h"

/* Pixels at a time: their rows of NHWC stay in the first-level cache while all groups pass. */
enum { STRETCH = 8 };

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

int agps_from_feature_memory(const int8_t *map, const agps_layout *l, int8_t *nhwc)
{
    if (check(l) != AGPS_OK)
        return AGPS_EINVAL;
    const size_t pixels = (size_t)l->pixels, channels = (size_t)l->channels;
    const size_t lanes = (size_t)l->lanes, words = whole_words(l);
    for (size_t from = 0; from < pixels; from += STRETCH) {
        const size_t to = pixels - from < STRETCH ? pixels : from + STRETCH;
        for (size_t g = 0; g < words; g++)
            for (size_t p = from; p < to; p++)
                memcpy(nhwc + p * channels + g * 8, map + g * l->stride + p * 8, 8);
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
        const size_t to = pixels - from < STRETCH ? pixels : from + STRETCH;
        for (size_t g = 0; g < words; g++)
            for (size_t p = from; p < to; p++)
                memcpy(map + g * l->stride + p * 8, nhwc + p * channels + g * 8, 8);
    }
    for (size_t slot = words * lanes; slot < (size_t)l->groups * lanes; slot++) {
        const int channel = channel_at(l, slot);
        int8_t *to = map + slot / lanes * l->stride + slot % lanes;
        if (channel >= 0)
            for (size_t p = 0; p < pixels; p++)
                to[p * lanes] = nhwc[p * channels + (size_t)channel];
    }
    return AGPS_OK;
}
