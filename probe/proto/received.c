/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads Received (RFC 5321 section 4.4) by its words rather than its grammar, which few servers keep to:
 *
 *   Stamp  = [from Domain [comments]] [by Domain [comments]] [via x] [with x] [id x] [for x] ";" date-time
 *
 * The word behind one of these is its value, whatever it is; the next of them ends it, unless it stands in a
 * comment. Each counts where it comes first.
 */
#include "probe/proto/received.h"

#include "probe/base/clock.h"
#include "probe/proto/date.h"
#include "probe/proto/header.h"
#include "probe/proto/lexeme.h"

#include <string.h>

#define MOST 256 /* octets of a text: names of hosts have at most 255 */

enum clause { FROM, BY, WITH, OTHER, CLAUSE_COUNT, NO_CLAUSE = CLAUSE_COUNT };

struct reader {
    enum clause in;
    bool fresh;        /* its word was the last one */
    unsigned comments; /* of FROM, so far */
    struct span texts[CLAUSE_COUNT];
    const char *date; /* what is behind the last semicolon; null = there is none */
};

static enum clause clause_of(struct span word)
{
    static const struct {
        const char *word;
        enum clause clause;
    } words[] = {{"from", FROM}, {"by", BY},     {"with", WITH}, {"via", OTHER},
                 {"id", OTHER},  {"for", OTHER}, {"tls", OTHER}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (span_is_nocase(word, words[i].word))
            return words[i].clause;
    return NO_CLAUSE;
}

static void add(struct reader *r, struct span text)
{
    struct span *to = &r->texts[r->in];

    if (!to->data)
        *to = text;
    to->len = (size_t)(text.data + text.len - to->data);
}

/* One that was there before is read over. */
static void begin(struct reader *r, enum clause clause)
{
    r->in = clause == OTHER || r->texts[clause].data ? NO_CLAUSE : clause;
    r->fresh = true;
}

/* Of the client: up to its address, "(mail.example.org [192.0.2.7])", or two, "(HELO mail) (192.0.2.7)". What
 * stands behind is about TLS. */
static void add_comment(struct reader *r, struct span comment)
{
    add(r, comment);
    r->comments++;
    if (memchr(comment.data, '[', comment.len) || r->comments == 2)
        r->in = NO_CLAUSE;
}

static void take(struct reader *r, struct lexeme l)
{
    bool was_fresh = r->fresh;

    r->fresh = false;
    if (l.kind == LEXEME_SIGN && *l.text.data == ';') {
        r->in = NO_CLAUSE;
        r->date = l.text.data + 1;
    } else if (l.kind == LEXEME_COMMENT && r->in != FROM) {
        r->in = NO_CLAUSE;
    } else if (l.kind == LEXEME_WORD && !was_fresh && clause_of(l.text) != NO_CLAUSE) {
        begin(r, clause_of(l.text));
    } else if (l.kind == LEXEME_COMMENT) {
        add_comment(r, l.text);
    } else if (r->in != NO_CLAUSE) {
        add(r, l.text);
        if (r->in == BY)
            r->in = NO_CLAUSE;
    }
}

/* Behind the last semicolon outside of comments; else, where one was never closed, behind the last. */
static int64_t date_of(const struct reader *r, struct span value)
{
    const char *end = value.data + value.len;
    const char *last = value.len ? memrchr(value.data, ';', value.len) : NULL;
    int64_t wall_us;

    if (r->date && date_read((struct span){r->date, (size_t)(end - r->date)}, &wall_us) == 0)
        return wall_us;
    if (last && date_read((struct span){last + 1, (size_t)(end - last - 1)}, &wall_us) == 0)
        return wall_us;
    return CLOCK_NONE;
}

static const char *show(struct arena *a, struct span text)
{
    return text.len ? header_show(a, text, MOST) : NULL;
}

void received_read(struct arena *a, struct span value, struct evidence_hop *hop_r)
{
    struct reader r = {.in = NO_CLAUSE};
    struct span rest = value;
    struct lexeme l;

    while ((l = lexeme_next(&rest)).kind != LEXEME_END)
        take(&r, l);
    hop_r->by = show(a, r.texts[BY]);
    hop_r->from = show(a, r.texts[FROM]);
    hop_r->with = show(a, r.texts[WITH]);
    hop_r->at_wall_us = date_of(&r, value);
    hop_r->delay_us = CLOCK_NONE;
}
