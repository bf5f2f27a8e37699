/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells whether a message came as it was sent. Of a body the text is compared, which has no blanks at the end
 * of a line and no empty lines at the end; a hash is kept at each of a few lengths, so that a message of
 * which only the beginning is there can be compared as far as that goes. How long it is as a whole is
 * compared too.
 */
#include "probe/proto/original_form.h"

#include "probe/base/text.h"
#include "probe/proto/header.h"

#include <string.h>
#include <strings.h>

#define MAX_READ ((size_t)128 * 1024) /* octets of a letter: a header of 64 KiB, and as much of its body */
#define SLACK    4                    /* octets: empty lines at the end */

#define HASH_START UINT64_C(14695981039346656037)

static uint64_t hash_add(uint64_t hash, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

/* the text of a body */

static void text_add(struct original_text *t, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        t->hash = hash_add(t->hash, data + i, 1);
        t->len++;
        if (t->mark_count < ORIGINAL_MARKS && t->len == (uint64_t)ORIGINAL_MARK_FIRST << t->mark_count)
            t->marks[t->mark_count++] = t->hash;
    }
}

static size_t without_blanks(struct span line)
{
    while (line.len && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t'))
        line.len--;
    return line.len;
}

static struct original_text text_read(struct span body, bool is_whole)
{
    struct original_text t = {.is_whole = is_whole, .hash = HASH_START};

    while (body.len) {
        struct span line = header_line(&body);
        bool is_ended = line.data + line.len < body.data;
        size_t len = without_blanks(line);
        t.has_blanks = t.has_blanks || len < line.len;
        line.len = len;
        for (; line.len && t.line_ends; t.line_ends--)
            text_add(&t, "\r\n", 2);
        text_add(&t, line.data, line.len);
        t.line_ends += is_ended;
    }
    return t;
}

/* its header */

/* For mail servers, which take them away or write their own. */
static bool is_compared(struct span name)
{
    static const char *const others[] = {"Return-Path", "Bcc", "Resent-Bcc", "Content-Length"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (span_is_nocase(name, others[i]))
            return false;
    return name.len <= ORIGINAL_MAX_NAME;
}

static uint64_t hash_value(struct arena *a, struct span value)
{
    struct span line = header_unfold(a, value);

    return hash_add(HASH_START, line.data, line.len);
}

static bool is_same_name(struct span a, struct span b)
{
    return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

/* what is sent */

/* Undoes what the wire needs: doubled dots, the lone one at the end. */
struct unstuffer {
    char *out;
    size_t len;
    bool at_start; /* of a line */
    bool dotted;   /* its dot was left out */
    bool over;
};

static void unstuff(struct unstuffer *u, struct span piece)
{
    for (size_t i = 0; i < piece.len && u->len < MAX_READ && !u->over; i++) {
        char c = piece.data[i];
        if (u->dotted && c == '\r') {
            u->over = true;
        } else if (u->at_start && c == '.') {
            u->dotted = true;
        } else {
            u->out[u->len++] = c;
            u->dotted = false;
        }
        u->at_start = c == '\n';
    }
}

static struct span letter_text(struct arena *a, const struct plan_letter *letter, bool *is_whole_r)
{
    size_t octets = plan_letter_octets(letter);
    struct unstuffer u = {.at_start = true};

    u.out = arena_alloc(a, octets < MAX_READ ? octets + 1 : MAX_READ);
    unstuff(&u, letter->wire);
    for (size_t i = 0; i < letter->rest_count && u.len < MAX_READ; i++)
        unstuff(&u, letter->rest[i]);
    *is_whole_r = u.over;
    return (struct span){u.out, u.len};
}

struct span original_pack(struct arena *a, const struct plan_letter *letter)
{
    struct original o = {.octets = 0};
    struct header_field field;
    bool is_whole;
    struct span text = letter_text(a, letter, &is_whole), rest = text, body;

    while (o.field_count < ORIGINAL_MAX_FIELDS && header_next(&rest, &field) == 1)
        if (is_compared(field.name))
            o.fields[o.field_count++] = (struct original_field){field.name, hash_value(a, field.value)};
    if (!header_body(text, &body))
        body = (struct span){text.data + text.len, 0};
    o.text = text_read(body, is_whole);
    size_t head = text.len - body.len;
    o.octets = is_whole ? body.len : letter->octets > head ? letter->octets - head : 0;
    return original_write(a, &o);
}

/* what came */

/* Blanks that were left out may be gone. Behind what was read there may be others, but hardly where there
 * were none before. */
static bool are_octets_other(const struct original *o, uint64_t octets)
{
    const struct original_text *t = &o->text;
    uint64_t least = t->is_whole ? t->len : t->has_blanks ? 0 : o->octets;

    if (!t->is_whole && o->octets == 0) /* not known */
        return false;
    return octets > o->octets + SLACK || octets + SLACK < least;
}

static bool is_body_other(const struct original *o, struct span body, uint64_t octets)
{
    bool is_whole = body.len >= octets;
    struct original_text now = text_read(body, is_whole);

    for (size_t i = 0; i < now.mark_count && i < o->text.mark_count; i++)
        if (now.marks[i] != o->text.marks[i])
            return true;
    if (is_whole && o->text.is_whole)
        return now.len != o->text.len || now.hash != o->text.hash;
    if (o->text.is_whole && now.len > o->text.len)
        return true;
    return are_octets_other(o, octets);
}

/* Takes fields that are still there out of the list. */
static void match(struct arena *a, struct original *o, struct span kept)
{
    struct header_field field;

    while (header_next(&kept, &field) == 1) {
        uint64_t hash = 0;
        bool is_hashed = false;
        for (size_t i = 0; i < o->field_count; i++) {
            struct original_field *f = &o->fields[i];
            if (!f->name.len || !is_same_name(f->name, field.name))
                continue;
            hash = is_hashed ? hash : hash_value(a, field.value);
            is_hashed = true;
            if (hash != f->hash)
                continue;
            f->name.len = 0;
            break;
        }
    }
}

static bool is_told(const struct original *o, size_t field)
{
    for (size_t i = 0; i < field; i++)
        if (is_same_name(o->fields[i].name, o->fields[field].name))
            return true;
    return false;
}

size_t original_compare(struct arena *a, struct span packed, struct span kept, size_t size,
                        const char *const **changes_r)
{
    const char **changes = arena_alloc(a, EVIDENCE_MAX_CHANGES * sizeof(*changes));
    struct original o;
    struct span body;
    size_t count = 0;

    *changes_r = changes;
    if (original_read(packed, &o) < 0 || !header_body(kept, &body))
        return 0; /* a header that is cut off may have been as it was */
    match(a, &o, kept);
    for (size_t i = 0; i < o.field_count && count < EVIDENCE_MAX_CHANGES - 1; i++)
        if (o.fields[i].name.len && !is_told(&o, i))
            changes[count++] =
                arena_printf(a, "header %s", text_show(a, o.fields[i].name, ORIGINAL_MAX_NAME));
    size_t head = kept.len - body.len;
    if (is_body_other(&o, body, size > head ? size - head : 0))
        changes[count++] = "body";
    return count;
}
