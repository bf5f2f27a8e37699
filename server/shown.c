/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A result never changes, but for its age: so the bytes before and behind that number are kept, and it is put
 * between. The number is found by its key, which stands in no string, where its quotes would be escaped. A
 * result with more than one age (that of a delivery), or a very long one, is not kept.
 */
#include "server/shown.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/render/render.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_KEPT 64
#define SHOWN_MOST ((size_t)64 * 1024) /* octets */
#define AGE_KEY    "\"age_ms\":"

struct entry {
    struct result *result; /* null: there is none */
    char *bytes;
    size_t len;
    size_t age_at;
    size_t age_len;
};

struct shown {
    struct entry ring[SHOWN_KEPT];
    size_t next;
};

static void clear(struct entry *e)
{
    result_unref(e->result);
    free(e->bytes);
    *e = (struct entry){0};
}

struct shown *shown_new(void)
{
    return mem_alloc(sizeof(struct shown));
}

void shown_free(struct shown *s)
{
    for (size_t i = 0; s != NULL && i < SHOWN_KEPT; i++)
        clear(&s->ring[i]);
    free(s);
}

size_t shown_count(const struct shown *s)
{
    size_t count = 0;

    for (size_t i = 0; i < SHOWN_KEPT; i++)
        count += s->ring[i].result != NULL;
    return count;
}

/* The number behind the next key from there on; its length, 0 when there is none. */
static size_t find_age(const char *bytes, size_t len, size_t from, size_t *at_r)
{
    static const size_t key_len = sizeof AGE_KEY - 1;
    const char *key = memmem(bytes + from, len - from, AGE_KEY, key_len);

    while (key != NULL) {
        size_t at = (size_t)(key - bytes) + key_len, digits = 0;
        while (at + digits < len && bytes[at + digits] >= '0' && bytes[at + digits] <= '9')
            digits++;
        *at_r = at;
        if (digits > 0)
            return digits;
        key = memmem(bytes + at, len - at, AGE_KEY, key_len);
    }
    return 0;
}

static void keep(struct shown *s, struct result *r, const char *bytes, size_t len)
{
    size_t at, other;
    size_t digits = len <= SHOWN_MOST ? find_age(bytes, len, 0, &at) : 0;

    if (digits == 0 || find_age(bytes, len, at + digits, &other) != 0)
        return;
    struct entry *e = &s->ring[s->next];
    s->next = (s->next + 1) % SHOWN_KEPT;
    clear(e);
    *e = (struct entry){result_ref(r), mem_alloc(len), len, at, digits};
    memcpy(e->bytes, bytes, len);
}

static const struct entry *find(const struct shown *s, const struct result *r)
{
    for (size_t i = 0; i < SHOWN_KEPT; i++)
        if (s->ring[i].result == r)
            return &s->ring[i];
    return NULL;
}

static void splice(struct buffer *out, const struct entry *e, int64_t now_us)
{
    size_t behind = e->age_at + e->age_len;

    buffer_put(out, e->bytes, e->age_at);
    buffer_printf(out, "%" PRId64, render_age_us(e->result, now_us) / CLOCK_US_PER_MS);
    buffer_put(out, e->bytes + behind, e->len - behind);
}

void shown_json(struct shown *s, struct buffer *out, struct result *r, int64_t now_us)
{
    const struct entry *e = s != NULL ? find(s, r) : NULL;
    size_t before = out->len;

    if (e != NULL) {
        splice(out, e, now_us);
        return;
    }
    json_result(out, r, now_us);
    if (s != NULL && !out->full)
        keep(s, r, out->data + before, out->len - before);
}
