/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages that need no run: the service's own metrics, and the list of targets for http_sd. What is counted
 * elsewhere is gathered here; how it looks is server/render's.
 */
#include "server/prometheus.h"

#include "config/endpoint.h"
#include "probe/base/clock.h"
#include "server/accept.h"
#include "server/metrics_apart.h"
#include "server/past.h"
#include "server/process.h"

#include <assert.h>
#include <string.h>

enum exposition_format prometheus_format(const struct question *q)
{
    static const char *const types[EXPOSITION_FORMAT_COUNT] = {
        [EXPOSITION_TEXT] = "text/plain", [EXPOSITION_OPENMETRICS] = "application/openmetrics-text"};

    return (enum exposition_format)accept_choose(q->request->accept, types, EXPOSITION_FORMAT_COUNT);
}

/* The mailboxes, as an array of the arena. */
struct gathered {
    struct arena *arena;
    struct metrics_mailbox *list;
    size_t count;
};

static void gather_mailbox(void *context, const struct mailboxes_state *state)
{
    struct gathered *g = context;

    g->list = arena_grow(g->arena, g->list, g->count, sizeof *g->list);
    g->list[g->count++] = (struct metrics_mailbox){.name = arena_dup(g->arena, state->name), .up = state->up};
}

/* While all stand still: all but what is counted. */
static void gather_own(const struct desk *desk, struct arena *arena, struct metrics_own *own_r)
{
    struct reload_state reload = reload_state(desk->reload);
    struct gathered mailboxes = {.arena = arena};

    mailboxes_each(desk->mailboxes, gather_mailbox, &mailboxes);
    *own_r = (struct metrics_own){
        .version = EHLOD_VERSION,
        .vantage = arena_dup(arena, desk->snapshot->server_name),
        .in_flight = jobs_in_flight(desk->jobs),
        .waiting = jobs_waiting(desk->jobs),
        .mailboxes = mailboxes.list,
        .mailbox_count = mailboxes.count,
        .history_dropped = past_dropped(desk->past),
        .loop_lag_us = lag_worst_us(desk->lag),
        .reload_good = reload.good,
        .reload_wall_us = reload.good_wall_us,
    };
}

/* -1: there are more targets than that, and nothing was gathered. */
static int gather(const struct desk *desk, size_t most, struct arena *arena, struct metrics_own *own_r)
{
    struct metrics_sum *sum = NULL;

    hold_begin(desk->seat);
    if (jobs_metrics_count(desk->jobs) <= most) {
        gather_own(desk, arena, own_r);
        sum = jobs_metrics_sum(desk->jobs, arena);
    }
    hold_end(desk->seat);
    if (sum == NULL)
        return -1;
    process_look(&own_r->process);
    metrics_sum_show(sum, own_r);
    return 0;
}

void prometheus_gather(void *context, struct arena *arena, struct metrics_own *own_r)
{
    int gathered = gather(context, SIZE_MAX, arena, own_r);

    assert(gathered == 0);
}

void prometheus_metrics(struct desk *desk, struct question *q)
{
    enum exposition_format format = prometheus_format(q);
    struct metrics_own own;
    struct buffer body;

    if (gather(desk, METRICS_ON_LOOP, &q->arena, &own) != 0) {
        metrics_apart_ask(desk->apart, q, format);
        return;
    }
    buffer_init(&body, METRICS_MOST);
    metrics_own(&body, &own, format);
    metrics_apart_answer(q, &body, format, false);
}

/* ---- /sd ---- */

/* What is blank behind a field's value is none of it (RFC 9110 section 5.5); libmicrohttpd leaves it there.
 */
static const char *without_blanks(struct question *q, const char *text)
{
    size_t len = strlen(text);

    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    return arena_dup_span(&q->arena, (struct span){text, len});
}

/* As the client has reached us; null when it does not say so in a form that could be dialled. */
static const char *asked_for(struct question *q)
{
    const char *text = q->request->host;
    const char *host;
    uint16_t port;

    if (text == NULL)
        return NULL;
    text = without_blanks(q, text);
    const char *colon = strrchr(text, ':');
    bool has_port = colon != NULL && strchr(colon, ']') == NULL;
    const char *whole = has_port ? text : arena_printf(&q->arena, "%s:80", text);
    return endpoint_host(whole, &q->arena, &host, &port) == NULL ? text : NULL;
}

/* The first address that is listened at; from elsewhere a wildcard is this machine's name. */
static const char *listened_at(struct question *q, const struct snapshot *s)
{
    char text[RENDER_HOST_SIZE] = "localhost";

    for (size_t i = 0; i < s->listen_count; i++) {
        const struct address *a = &s->listen[i].address;
        if (s->listen[i].path != NULL)
            continue;
        if (address_is_wildcard(a))
            render_host(s->host_name, address_port(a), text);
        else
            render_address(a, text);
        break;
    }
    return arena_dup(&q->arena, text);
}

void prometheus_sd(struct desk *desk, struct question *q)
{
    struct snapshot_url url = desk->snapshot->external_url;
    struct question_answer answer = {.status = 200, .content_type = "application/json", .age_us = CLOCK_NONE};
    struct buffer body;

    if (url.scheme == NULL) {
        url.authority = asked_for(q);
        url.path = "";
        url.scheme = desk->snapshot->tls.is_said ? "https" : NULL;
    }
    if (url.authority == NULL)
        url.authority = listened_at(q, desk->snapshot);
    buffer_init(&body, RENDER_MAX_SET);
    json_sd(&body, desk->snapshot, &url);
    answer.body = &body;
    question_answer(q, &answer);
}
