/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A result never changes, and neither does what a view makes of it, but for ages: so a view is written once
 * as a template (server/render/age.h), of which the text between its ages is kept. What a view makes of
 * several results is kept by all of them. When there is no room, what was not asked for the longest goes;
 * what is very large is never kept, and what is not is, however many loops share the room. A result with
 * deliveries is found again where it is the same one: server/letters.c.
 */
#include "server/shown.h"

#include "probe/base/mem.h"
#include "server/gzip.h"

#include <stdlib.h>
#include <string.h>

/* What is asked for; the set is of one result where it is not shown as a set. */
struct ask {
    const struct view *view;
    const struct render_set *set;
    bool whole;
};

/* An age: it stands at that offset of the bytes. */
struct hole {
    size_t at;
    int64_t past_us;
};

/* A template, taken apart. */
struct parts {
    char *bytes;
    size_t len;
    struct hole *holes;
    size_t hole_count;
};

struct entry {
    const struct view *view; /* null: there is none */
    bool whole;
    size_t min_pass;
    struct result **results;
    size_t count;
    struct parts parts;
    size_t size;
};

/* What is looked through stands by itself, close together: of each entry its first result (null where it has
 * none, or is none), and when it was asked for last (0: it is none). */
struct shown {
    const struct result *firsts[SHOWN_KEPT];
    uint64_t used[SHOWN_KEPT];
    struct entry entries[SHOWN_KEPT];
    size_t bytes;
    size_t most;
    size_t last_len; /* of what was made last: the next is about as long */
    uint64_t clock;  /* counts what was asked for */
};

/* ---- templates ---- */

static void parts_free(struct parts *p)
{
    free(p->bytes);
    free(p->holes);
}

/* Takes the template's memory: what stays moves up to where the marks were. Without ages it is whole: packed,
 * it may hold any octets. */
static void take_apart(const struct buffer *template, bool ages, struct parts *parts_r)
{
    struct span bytes = buffer_span(template);
    struct parts p = {.bytes = template->data};
    size_t from = 0, at, len;
    int64_t past_us;

    while (ages && (len = age_find(bytes, from, &at, &past_us)) > 0) {
        memmove(p.bytes + p.len, bytes.data + from, at - from);
        p.len += at - from;
        p.holes = mem_resize(p.holes, (p.hole_count + 1) * sizeof *p.holes);
        p.holes[p.hole_count++] = (struct hole){p.len, past_us};
        from = at + len;
    }
    if (bytes.len > from)
        memmove(p.bytes + p.len, bytes.data + from, bytes.len - from);
    p.len += bytes.len - from;
    p.bytes = mem_resize(p.bytes, p.len + 1);
    *parts_r = p;
}

static void put_together(struct buffer *out, const struct parts *p, age_tell *tell, int64_t now_us)
{
    char age[RENDER_NUMBER_SIZE];
    size_t from = 0;

    buffer_expect(out, p->len + p->hole_count * sizeof age);
    for (size_t i = 0; i < p->hole_count; i++) {
        buffer_put(out, p->bytes + from, p->holes[i].at - from);
        tell(p->holes[i].past_us, now_us, age);
        buffer_puts(out, age);
        from = p->holes[i].at;
    }
    buffer_put(out, p->bytes + from, p->len - from);
}

static void write_view(const struct ask *ask, struct buffer *out, int64_t now_us)
{
    if (ask->whole)
        ask->view->set(out, ask->set, now_us);
    else
        ask->view->one(out, ask->set->results[0], now_us);
    if (ask->view->packed && !out->full && gzip_pack(out) != 0)
        out->full = true;
}

/* ---- what is kept ---- */

static void drop(struct shown *s, size_t i)
{
    struct entry *e = &s->entries[i];

    for (size_t r = 0; r < e->count; r++)
        result_unref(e->results[r]);
    free(e->results);
    parts_free(&e->parts);
    s->bytes -= e->size;
    s->used[i] = 0;
    s->firsts[i] = NULL;
    *e = (struct entry){0};
}

/* A free place, or else that which was not asked for the longest. */
static size_t oldest(const struct shown *s)
{
    size_t oldest = 0;

    for (size_t i = 1; i < SHOWN_KEPT; i++)
        if (s->used[i] < s->used[oldest])
            oldest = i;
    return oldest;
}

static size_t oldest_kept(const struct shown *s)
{
    size_t oldest = SHOWN_KEPT;

    for (size_t i = 0; i < SHOWN_KEPT; i++)
        if (s->used[i] > 0 && (oldest == SHOWN_KEPT || s->used[i] < s->used[oldest]))
            oldest = i;
    return oldest;
}

static const struct result *first_of(const struct ask *ask)
{
    return ask->set->count > 0 ? ask->set->results[0] : NULL;
}

static size_t results_size(const struct ask *ask)
{
    size_t size = ask->set->count * sizeof(struct result *);

    for (size_t i = 0; i < ask->set->count && size <= SHOWN_MOST_OF_ONE; i++)
        size += result_size(ask->set->results[i]);
    return size;
}

static size_t size_of(const struct ask *ask, const struct parts *p)
{
    return results_size(ask) + p->len + p->hole_count * sizeof *p->holes;
}

/* Takes the parts. */
static void keep(struct shown *s, const struct ask *ask, struct parts *parts)
{
    size_t size = size_of(ask, parts);

    if (size > SHOWN_MOST_OF_ONE) {
        parts_free(parts);
        return;
    }
    while (s->bytes + size > s->most)
        drop(s, oldest_kept(s));
    size_t i = oldest(s);
    if (s->used[i] > 0)
        drop(s, i);
    struct entry *e = &s->entries[i];
    *e = (struct entry){.view = ask->view,
                        .whole = ask->whole,
                        .min_pass = ask->set->min_pass,
                        .results = mem_alloc((ask->set->count + 1) * sizeof(struct result *)),
                        .count = ask->set->count,
                        .parts = *parts,
                        .size = size};
    for (size_t r = 0; r < e->count; r++) /* a view only reads it; its count is not what it shows */
        e->results[r] = result_ref((struct result *)(uintptr_t)ask->set->results[r]);
    s->firsts[i] = first_of(ask);
    s->used[i] = ++s->clock;
    s->bytes += size;
}

static bool is_of(const struct entry *e, const struct ask *ask)
{
    return e->view == ask->view && e->whole == ask->whole && e->count == ask->set->count &&
           e->min_pass == ask->set->min_pass &&
           memcmp(e->results, ask->set->results, e->count * sizeof(struct result *)) == 0;
}

/* SHOWN_KEPT: it is not there. */
static size_t find(const struct shown *s, const struct ask *ask)
{
    const struct result *first = first_of(ask);

    for (size_t i = 0; i < SHOWN_KEPT; i++)
        if (s->firsts[i] == first && is_of(&s->entries[i], ask))
            return i;
    return SHOWN_KEPT;
}

/* ---- showing ---- */

/* Where there is hardly room, a view leaves things out, and its template may leave out others. One without an
 * age for each result has done so. */
static bool is_whole(const struct ask *ask, const struct buffer *template, const struct parts *parts)
{
    return !template->full && template->len < template->limit / 2 &&
           (ask->view->tell == NULL || parts->hole_count >= ask->set->count);
}

static void make(struct shown *s, const struct ask *ask, struct buffer *out, int64_t now_us)
{
    bool ages = ask->view->tell != NULL;
    struct buffer template;
    struct parts parts;

    buffer_init(&template, out->limit - out->len);
    buffer_expect(&template, s->last_len);
    write_view(ask, &template, ages ? AGE_NO_MOMENT : now_us);
    take_apart(&template, ages, &parts);
    s->last_len = template.len;
    if (is_whole(ask, &template, &parts)) {
        put_together(out, &parts, ask->view->tell, now_us);
        keep(s, ask, &parts);
    } else {
        parts_free(&parts);
        write_view(ask, out, now_us);
    }
}

static void show(struct shown *s, const struct ask *ask, struct buffer *out, int64_t now_us)
{
    size_t i = s != NULL ? find(s, ask) : SHOWN_KEPT;

    if (i < SHOWN_KEPT) {
        s->used[i] = ++s->clock;
        put_together(out, &s->entries[i].parts, ask->view->tell, now_us);
    } else if (s != NULL && !out->full && results_size(ask) <= SHOWN_MOST_OF_ONE) {
        make(s, ask, out, now_us);
    } else {
        write_view(ask, out, now_us);
    }
}

void shown_one(struct shown *s, const struct view *view, struct buffer *out, const struct result *r,
               int64_t now_us)
{
    const struct result *const results[] = {r};

    show(s, &(struct ask){view, &(struct render_set){.results = results, .count = 1}, false}, out, now_us);
}

void shown_set(struct shown *s, const struct view *view, struct buffer *out, const struct render_set *set,
               int64_t now_us)
{
    show(s, &(struct ask){view, set, true}, out, now_us);
}

/* ---- life ---- */

struct shown *shown_new(unsigned loops)
{
    struct shown *s = mem_alloc(sizeof *s);

    s->most = SHOWN_MOST / loops > SHOWN_MOST_OF_ONE ? SHOWN_MOST / loops : SHOWN_MOST_OF_ONE;
    return s;
}

void shown_free(struct shown *s)
{
    for (size_t i = 0; s != NULL && i < SHOWN_KEPT; i++)
        drop(s, i);
    free(s);
}

size_t shown_count(const struct shown *s)
{
    size_t count = 0;

    for (size_t i = 0; i < SHOWN_KEPT; i++)
        count += s->used[i] > 0;
    return count;
}

size_t shown_bytes(const struct shown *s)
{
    return s->bytes;
}
