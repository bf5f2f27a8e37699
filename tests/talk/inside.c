/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a talk inside of TLS. */
#include "tests/talk/talk.h"

#include <string.h>

#define STEPS 4

/* What both sides say before the handshake, in the place of the talk's own EHLO. */
static void put_starttls(struct talk_event *at, const struct talk_event *ehlo)
{
    static const char offer[] = "250-mx.example.org\r\n250 STARTTLS\r\n";
    static const char ready[] = "220 2.0.0 Ready\r\n";
    const struct talk_event steps[STEPS] = {
        *ehlo,
        {.kind = TALK_SAY, .line = ehlo->line, .bytes = {offer, sizeof(offer) - 1}},
        {.kind = TALK_HEAR, .line = ehlo->line, .bytes = {"STARTTLS", 8}},
        {.kind = TALK_SAY, .line = ehlo->line, .bytes = {ready, sizeof(ready) - 1}},
    };

    memcpy(at, steps, sizeof(steps));
}

/* Whether it is where EHLO is said: before a dialogue's first line, which says its own behind the handshake.
 */
static bool is_ehlo(const struct talk *talk, struct span line)
{
    const struct plan_script *script = talk->plan.script;

    if (!script)
        return strncmp(line.data, "EHLO ", 5) == 0;
    for (size_t i = 0; i < script->count; i++)
        if (script->lines[i].phase == PHASE_STARTTLS)
            return false;
    return script->count && line.len + 2 == script->lines[0].wire.len &&
           memcmp(line.data, script->lines[0].wire.data, line.len) == 0;
}

/* The first thing that the client says; event_count when it is not EHLO. */
static size_t find_ehlo(const struct talk *talk)
{
    size_t i = 0;

    while (i < talk->event_count && (talk->events[i].kind == TALK_SAY || talk->events[i].kind == TALK_PAUSE ||
                                     talk->events[i].kind == TALK_HEADER))
        i++;
    if (i < talk->event_count && talk->events[i].kind == TALK_HEAR && is_ehlo(talk, talk->events[i].bytes))
        return i;
    return talk->event_count;
}

bool talk_is_for_tls(const struct talk *talk)
{
    return !talk->not_tls && !talk->plan.proxy.wanted;
}

struct talk *talk_inside(struct arena *a, const struct talk *talk, enum tls_mode mode)
{
    struct talk *inside = arena_alloc(a, sizeof(*inside));
    size_t ehlo = find_ehlo(talk), rest = talk->event_count - ehlo;

    if (mode == TLS_MODE_IMPLICIT ? !talk_is_for_tls(talk) : talk->not_tls)
        return NULL;
    *inside = *talk;
    inside->plan.tls.mode = mode;
    if (mode == TLS_MODE_IMPLICIT)
        return inside;
    if (rest == 0 || talk->not_starttls || talk->plan.stop_after < PHASE_AUTH)
        return NULL;
    struct talk_event *events = arena_alloc(a, (talk->event_count + STEPS) * sizeof(*events));
    memcpy(events, talk->events, ehlo * sizeof(*events));
    put_starttls(events + ehlo, &talk->events[ehlo]);
    if (talk->plan.script)
        events[ehlo].bytes = span_of(arena_printf(a, "EHLO %s", talk->plan.helo));
    memcpy(events + ehlo + STEPS, talk->events + ehlo, rest * sizeof(*events));
    inside->events = events;
    inside->event_count += STEPS;
    inside->secure_at = ehlo + STEPS;
    return inside;
}
