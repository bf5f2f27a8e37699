/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery status notifications: a multipart/report (RFC 6522) whose parts are a text for people, what
 * happened (RFC 3464, or 6533 with its own types), and the message or its header. Only the parts of the
 * outermost level are looked at, and a part is taken as it stands, not decoded: what has to be found in it is
 * ASCII, and comes as it is in each encoding but base64. Bounces of other forms are report_plain.c's.
 */
#include "probe/proto/report.h"

#include "probe/base/text.h"
#include "probe/enhanced.h"
#include "probe/proto/header.h"
#include "probe/proto/report_plain.h"

#include <stdio.h>
#include <string.h>

#define MAX_PARTS    64
#define MAX_BOUNDARY 200 /* octets; RFC 2046 section 5.1.1 has 70 */
#define MAX_NAME     320 /* octets of a recipient, and of a host */

static bool is_report_type(struct arena *a, struct span value)
{
    struct span type;

    return span_is_nocase(header_word(value), "multipart/report") &&
           header_parameter(a, value, "report-type", &type) == 1 && span_is_nocase(type, "delivery-status");
}

/* The value of Content-Type where it is that of a report. */
static int find_type(struct arena *a, struct span kept, struct span *value_r)
{
    struct header_field field;

    if (header_find(kept, "Content-Type", &field) == 0 || !is_report_type(a, field.value))
        return 0;
    *value_r = field.value;
    return 1;
}

bool report_is_one(struct span kept)
{
    struct arena a = {0};
    struct span value;
    bool is_one = find_type(&a, kept, &value) == 1 || report_plain_kind(kept) != REPORT_NOT_PLAIN;

    arena_free(&a);
    return is_one;
}

bool report_may_be_one(struct span header)
{
    return report_plain_is_from_nobody(header) || report_is_one(header);
}

/* its parts */

struct parts {
    struct span rest;
    struct span boundary;
    bool closed; /* the last one was read */
};

enum delimiter { NO_DELIMITER, DELIMITER, CLOSE_DELIMITER };

/* delimiter = "--" boundary ["--"] *WSP */
static enum delimiter delimiter_of(struct span line, struct span boundary)
{
    struct span tail;

    if (line.len < boundary.len + 2 || memcmp(line.data, "--", 2) != 0 ||
        memcmp(line.data + 2, boundary.data, boundary.len) != 0)
        return NO_DELIMITER;
    tail = header_trim((struct span){line.data + boundary.len + 2, line.len - boundary.len - 2});
    if (tail.len == 0)
        return DELIMITER;
    return span_is(tail, "--") ? CLOSE_DELIMITER : NO_DELIMITER;
}

/* All up to the next delimiter, or to the end of what there is. */
static struct span next_part(struct parts *p)
{
    struct span part = {p->rest.data, 0};

    while (p->rest.len) {
        struct span line = header_line(&p->rest);
        enum delimiter d = delimiter_of(line, p->boundary);
        p->closed = d == CLOSE_DELIMITER;
        if (d != NO_DELIMITER)
            return part;
        part.len = (size_t)(p->rest.data - part.data);
    }
    p->closed = true;
    return part;
}

/* Those of a report: text moves behind the first delimiter. 0 = there is none. */
static int find_parts(struct arena *a, struct span kept, struct span type, struct parts *p_r)
{
    struct parts p = {.closed = false};

    if (!header_body(kept, &p.rest) || header_parameter(a, type, "boundary", &p.boundary) == 0 ||
        p.boundary.len == 0 || p.boundary.len > MAX_BOUNDARY)
        return 0;
    next_part(&p); /* what stands before the first */
    *p_r = p;
    return 1;
}

/* what happened */

static const char *const actions[] = {"relayed", "delivered", "expanded", "delayed", "failed"};

/* How bad it is, from 1; 0 = no such action. */
static size_t rank_of(struct span action)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (span_is_nocase(action, actions[i]))
            return i + 1;
    return 0;
}

/* Behind "rfc822;" and the like. */
static struct span without_type(struct span value)
{
    const char *sign = value.len ? memchr(value.data, ';', value.len) : NULL;
    size_t len = sign ? (size_t)(sign - value.data) + 1 : 0;

    return header_trim((struct span){value.data + len, value.len - len});
}

static const char *name_of(struct arena *a, struct span value)
{
    struct span name = without_type(value);

    return name.len ? header_show(a, name, MAX_NAME) : NULL;
}

static const char *status_of(struct arena *a, struct span value)
{
    struct enhanced code;
    size_t len;

    value = header_word(value);
    return enhanced_parse(value, &code, &len) == 1 ? arena_dup_span(a, value) : NULL;
}

/* Fields of one group, which stand up to an empty line. */
struct group {
    size_t rank;
    struct bounce bounce;
    struct span final; /* recipient */
};

static void take(struct arena *a, struct group *g, const struct header_field *f)
{
    struct bounce *b = &g->bounce;

    if (span_is_nocase(f->name, "Action"))
        g->rank = rank_of(header_word(f->value));
    else if (span_is_nocase(f->name, "Status"))
        b->status = status_of(a, f->value);
    else if (span_is_nocase(f->name, "Diagnostic-Code") && f->value.len)
        b->diagnostic = header_show(a, f->value, EVIDENCE_MAX_TEXT);
    else if (span_is_nocase(f->name, "Original-Recipient"))
        b->recipient = name_of(a, f->value);
    else if (span_is_nocase(f->name, "Final-Recipient"))
        g->final = f->value;
}

/* per-recipient-fields */
static struct group read_group(struct arena *a, struct span *text)
{
    struct group g = {.rank = 0};
    struct header_field field;

    while (header_next(text, &field) == 1)
        take(a, &g, &field);
    if (!g.bounce.recipient && g.final.data)
        g.bounce.recipient = name_of(a, g.final);
    return g;
}

/* What is found in a report. */
struct found {
    struct group worst;
    const char *reporter;
    bool has_token;
    char token[MESSAGE_TOKEN_SIZE];
};

static void take_token(struct found *found, struct span message)
{
    if (!found->has_token)
        found->has_token = message_token_of(message, found->token) == 1;
}

/* An envelope's id may be a token. */
static void take_envelope_id(struct arena *a, struct found *found, struct span id)
{
    if (id.len < MESSAGE_TOKEN_SIZE)
        take_token(found, span_of(arena_printf(a, "X-Ehlod-Token: %s\r\n\r\n", arena_dup_span(a, id))));
}

/* delivery-status-content = per-message-fields 1*( CRLF per-recipient-fields ) */
static void take_status(struct arena *a, struct found *found, struct span text)
{
    struct header_field field;
    struct span rest = text;

    while (header_next(&rest, &field) == 1) {
        if (span_is_nocase(field.name, "Reporting-MTA"))
            found->reporter = name_of(a, field.value);
        if (span_is_nocase(field.name, "Original-Envelope-Id"))
            take_envelope_id(a, found, field.value);
    }
    while (rest.len) {
        struct group g = read_group(a, &rest);
        if (g.rank > found->worst.rank)
            found->worst = g;
    }
}

static bool is_type(struct span type, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_is_nocase(type, names[i]))
            return true;
    return false;
}

static void take_part(struct arena *a, struct found *found, struct span part)
{
    static const char *const status[] = {"message/delivery-status", "message/global-delivery-status"};
    static const char *const returned[] = {"message/rfc822", "message/global", "text/rfc822-headers",
                                           "message/global-headers"};
    struct header_field field;
    struct span body;

    if (header_find(part, "Content-Type", &field) == 0 || !header_body(part, &body))
        return;
    struct span type = header_word(field.value);
    if (is_type(type, status, sizeof(status) / sizeof(status[0])))
        take_status(a, found, body);
    else if (is_type(type, returned, sizeof(returned) / sizeof(returned[0])))
        take_token(found, body);
}

int report_read(struct arena *a, struct span kept, char token_r[MESSAGE_TOKEN_SIZE], struct bounce *bounce_r)
{
    struct found found = {.has_token = false};
    struct parts parts;
    struct span type;

    if (find_type(a, kept, &type) == 0)
        return report_plain_read(a, kept, token_r, bounce_r);
    if (find_parts(a, kept, type, &parts) == 0)
        return 0;
    for (size_t i = 0; i < MAX_PARTS && !parts.closed; i++)
        take_part(a, &found, next_part(&parts));
    if (!found.has_token || !found.worst.rank)
        return 0;
    memcpy(token_r, found.token, MESSAGE_TOKEN_SIZE);
    *bounce_r = found.worst.bounce;
    bounce_r->action = actions[found.worst.rank - 1];
    bounce_r->reporter = found.reporter;
    return 1;
}
