/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what a message says itself: the hops it went (the newest stands on top), what was found about who
 * sent it (RFC 8601), its header. Anybody may have written any of it, so it is shown and believed in nothing;
 * each list and each text has a limit, and so have all texts together.
 */
#include "probe/proto/evidence.h"

#include "probe/base/clock.h"
#include "probe/proto/header.h"
#include "probe/proto/received.h"

#include <string.h>

#define MAX_NAME      128 /* octets of a field's name */
#define MAX_RECIPIENT 320

struct reader {
    struct arena *arena;
    struct span newest[EVIDENCE_MAX_HOPS]; /* values of Received, the newest first */
    const char **auth;
    size_t left; /* octets of texts that may yet be shown */
    struct evidence *out;
};

/* Less than all where the limits come first. */
static const char *show(struct reader *r, struct span value, size_t most)
{
    const char *text = header_show(r->arena, value, most < r->left ? most : r->left);
    size_t len = strlen(text);

    r->left -= len < r->left ? len : r->left;
    return text;
}

static void take(struct reader *r, const struct header_field *field)
{
    struct evidence *out = r->out;

    if (span_is_nocase(field->name, "Received")) {
        if (out->hop_total < EVIDENCE_MAX_HOPS)
            r->newest[out->hop_count++] = field->value;
        out->hop_total++;
    }
    if (span_is_nocase(field->name, "Authentication-Results") && out->auth_count < EVIDENCE_MAX_AUTH)
        r->auth[out->auth_count++] = show(r, field->value, EVIDENCE_MAX_TEXT);
    out->field_total++;
}

/* In the order that the message went, each with its way to the next. When it was seen counts in whole
 * seconds, as the dates do: else the last way would be the longest by half a second. */
static const struct evidence_hop *hops(struct reader *r, int64_t seen_wall_us)
{
    size_t count = r->out->hop_count;
    int64_t whole_us =
        seen_wall_us == CLOCK_NONE ? CLOCK_NONE : seen_wall_us / CLOCK_US_PER_S * CLOCK_US_PER_S;
    struct evidence_hop *list = arena_alloc(r->arena, (count + 1) * sizeof(*list));

    for (size_t i = 0; i < count; i++)
        received_read(r->arena, r->newest[count - 1 - i], &list[i]);
    for (size_t i = 0; i < count; i++) {
        int64_t next_us = i + 1 < count ? list[i + 1].at_wall_us : whole_us;
        if (list[i].at_wall_us != CLOCK_NONE && next_us != CLOCK_NONE)
            list[i].delay_us = next_us - list[i].at_wall_us;
    }
    return list;
}

/* As many as may be shown, from the top. */
static const struct evidence_field *fields(struct reader *r, struct span kept)
{
    struct evidence_field *list = arena_alloc(r->arena, EVIDENCE_MAX_FIELDS * sizeof(*list));
    struct header_field field;
    size_t *count = &r->out->field_count;

    for (; *count < EVIDENCE_MAX_FIELDS && r->left && header_next(&kept, &field) == 1; (*count)++) {
        list[*count].name = show(r, field.name, MAX_NAME);
        list[*count].value = show(r, field.value, EVIDENCE_MAX_TEXT);
    }
    return list;
}

void evidence_read(struct arena *a, struct span kept, size_t size, int64_t seen_wall_us,
                   struct evidence *evidence_r)
{
    struct reader r = {.arena = a, .left = EVIDENCE_MAX_ALL, .out = evidence_r};
    struct span rest = kept;
    struct header_field field;

    *evidence_r = (struct evidence){.size = size};
    r.auth = arena_alloc(a, EVIDENCE_MAX_AUTH * sizeof(*r.auth));
    while (header_next(&rest, &field) == 1)
        take(&r, &field);
    evidence_r->auth = r.auth;
    evidence_r->hops = hops(&r, seen_wall_us);
    evidence_r->fields = fields(&r, kept);
}

const char *evidence_recipient(struct arena *a, struct span kept)
{
    static const char *const names[] = {"X-Original-To", "Delivered-To", "Envelope-To"};
    struct header_field field;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (header_find(kept, names[i], &field) == 0)
            continue;
        struct span value = field.value;
        if (value.len >= 2 && *value.data == '<' && value.data[value.len - 1] == '>')
            value = (struct span){value.data + 1, value.len - 2};
        if (value.len && value.len <= MAX_RECIPIENT)
            return header_show(a, value, MAX_RECIPIENT);
    }
    return NULL;
}
