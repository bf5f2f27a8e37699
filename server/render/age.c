/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How old something is, in the words of each view, and templates in which that is left open. What is found in
 * a template was written here: a number that is none ends the search.
 */
#include "server/render/age.h"

#include "probe/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENTH_US (CLOCK_US_PER_S / 10)

static bool is_open(int64_t past_us, int64_t now_us, char out_r[RENDER_NUMBER_SIZE])
{
    if (now_us != AGE_NO_MOMENT)
        return false;
    snprintf(out_r, RENDER_NUMBER_SIZE, "%c%" PRId64 "%c", AGE_MARK, past_us, AGE_MARK);
    return true;
}

void age_seconds(int64_t past_us, int64_t now_us, char out_r[RENDER_NUMBER_SIZE])
{
    if (!is_open(past_us, now_us, out_r))
        render_seconds(render_since_us(past_us, now_us) / TENTH_US * TENTH_US, out_r);
}

void age_milliseconds(int64_t past_us, int64_t now_us, char out_r[RENDER_NUMBER_SIZE])
{
    if (!is_open(past_us, now_us, out_r))
        snprintf(out_r, RENDER_NUMBER_SIZE, "%" PRId64, render_since_us(past_us, now_us) / CLOCK_US_PER_MS);
}

size_t age_find(struct span bytes, size_t from, size_t *at_r, int64_t *past_us_r)
{
    const char *mark = memchr(bytes.data + from, AGE_MARK, bytes.len - from);
    char *end;

    if (mark == NULL)
        return 0;
    int64_t past_us = strtoll(mark + 1, &end, 10);
    if (end == mark + 1 || *end != AGE_MARK)
        return 0;
    *at_r = (size_t)(mark - bytes.data);
    *past_us_r = past_us;
    return (size_t)(end + 1 - mark);
}
