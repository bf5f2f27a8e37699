/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sent, as a ledger keeps it:
 *
 *   packed = version octets whole blanks len hash mark-count *mark field-count *( name-length name hash )
 *
 * Counts and lengths are one octet each, the other numbers eight, as this machine has them: whoever keeps the
 * form keeps it here. It is read as if somebody else had written it.
 */
#include "probe/proto/original_form.h"

#include <assert.h>
#include <string.h>

#define VERSION 1

_Static_assert(ORIGINAL_MAX_FIELDS *(1 + ORIGINAL_MAX_NAME + 8) + ORIGINAL_MARKS * 8 + 64 <=
                   ORIGINAL_MAX_SIZE,
               "the largest one fits");

static void put(struct span *out, const void *data, size_t len)
{
    if (len)
        memcpy((char *)out->data + out->len, data, len);
    out->len += len;
}

static void put_octet(struct span *out, size_t number)
{
    unsigned char octet = (unsigned char)number;

    put(out, &octet, 1);
}

struct span original_write(struct arena *a, const struct original *o)
{
    const struct original_text *t = &o->text;
    struct span out = {arena_alloc(a, ORIGINAL_MAX_SIZE), 0};

    put_octet(&out, VERSION);
    put(&out, &o->octets, sizeof(o->octets));
    put_octet(&out, t->is_whole);
    put_octet(&out, t->has_blanks);
    put(&out, &t->len, sizeof(t->len));
    put(&out, &t->hash, sizeof(t->hash));
    put_octet(&out, t->mark_count);
    put(&out, t->marks, t->mark_count * sizeof(*t->marks));
    put_octet(&out, o->field_count);
    for (size_t i = 0; i < o->field_count; i++) {
        const struct original_field *f = &o->fields[i];
        put_octet(&out, f->name.len);
        put(&out, f->name.data, f->name.len);
        put(&out, &f->hash, sizeof(f->hash));
    }
    return out;
}

/* What is not there is nothing, and the form then wrong. */
struct reader {
    struct span left;
    bool failed;
};

static const char *get(struct reader *r, size_t len)
{
    const char *data = r->left.data;

    if (r->failed || len > r->left.len) {
        r->failed = true;
        return NULL;
    }
    r->left.data += len;
    r->left.len -= len;
    return data;
}

static void get_into(struct reader *r, void *to, size_t len)
{
    const char *data = get(r, len);

    if (data && len)
        memcpy(to, data, len);
}

static size_t get_octet(struct reader *r, size_t most)
{
    unsigned char octet = 0;

    get_into(r, &octet, 1);
    r->failed = r->failed || octet > most;
    return r->failed ? 0 : octet;
}

int original_read(struct span packed, struct original *o_r)
{
    struct reader r = {.left = packed};
    struct original o = {.octets = 0};
    struct original_text *t = &o.text;

    r.failed = get_octet(&r, VERSION) != VERSION;
    get_into(&r, &o.octets, sizeof(o.octets));
    t->is_whole = get_octet(&r, 1);
    t->has_blanks = get_octet(&r, 1);
    get_into(&r, &t->len, sizeof(t->len));
    get_into(&r, &t->hash, sizeof(t->hash));
    t->mark_count = get_octet(&r, ORIGINAL_MARKS);
    get_into(&r, t->marks, t->mark_count * sizeof(*t->marks));
    o.field_count = get_octet(&r, ORIGINAL_MAX_FIELDS);
    for (size_t i = 0; i < o.field_count; i++) {
        struct original_field *f = &o.fields[i];
        f->name.len = get_octet(&r, ORIGINAL_MAX_NAME);
        f->name.data = get(&r, f->name.len);
        get_into(&r, &f->hash, sizeof(f->hash));
    }
    if (r.failed || r.left.len)
        return -1;
    *o_r = o;
    return 0;
}
