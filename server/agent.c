/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that ask in the words of agent-check; what they are told is server/agent_line.c's. A caller's
 * own limit is no evidence against a mail server: where no run is over in time, the verdict of the one before
 * stands while it may, and else nothing is said, which leaves everything as it is. A name that there is not
 * is down, as 404 is by HTTP: a wrong config is to be seen.
 */
#include "server/agent.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "server/agent_line.h"
#include "server/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_US   (1 * CLOCK_US_PER_S)
#define ANSWER_US (1700 * CLOCK_US_PER_MS) /* from the connection on */
/* Between two asks, so that the next one still finds what a long run has shown. */
#define PAUSE_US  (10 * CLOCK_US_PER_S)
#define MOST_NAME 255
#define LAST_READ 4096
/* From so many on one who comes is taken where another makes room; that one may have asked by now. */
#define CROWD (AGENT_CONNECTIONS - 1)

struct caller;

/* A target's share of an answer. */
struct part {
    struct caller *caller;
    const struct snapshot_target *target; /* of the caller's snapshot */
    struct jobs_waiter *waiter;           /* null: there is nothing to wait for */
    struct result *result;
};

struct caller {
    struct caller *next;
    struct caller *prev;
    struct agent *agent;
    int fd;
    uv_poll_t *poll;
    uv_timer_t *timer;
    int64_t taken_us;
    char name[MOST_NAME + 1];
    size_t len;
    struct snapshot *snapshot; /* null: it has not asked yet */
    struct part *parts;
    size_t count;
    size_t open; /* parts that wait */
};

struct agent {
    struct agent_order order;
    struct listen *listen;
    struct caller *first;
    size_t count;
};

/* ---- room ---- */

/* Of those who have not asked yet; or null. */
static struct caller *oldest_silent(const struct agent *a)
{
    struct caller *oldest = NULL;

    for (struct caller *c = a->first; c != NULL; c = c->next)
        if (c->snapshot == NULL)
            oldest = c;
    return oldest;
}

/* Where everybody is being answered, others wait in the kernel's queue. */
static void mind_room(const struct agent *a)
{
    if (a->listen != NULL && a->count >= CROWD && oldest_silent(a) == NULL)
        listen_hold(a->listen);
    else
        listen_go(a->listen);
}

/* ---- the end ---- */

static void unlink_caller(struct caller *c)
{
    struct agent *a = c->agent;

    *(c->prev != NULL ? &c->prev->next : &a->first) = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    a->count--;
    mind_room(a);
}

static void drop(struct caller *c)
{
    unlink_caller(c);
    for (size_t i = 0; i < c->count; i++) {
        if (c->parts[i].waiter != NULL)
            jobs_leave(c->parts[i].waiter);
        result_unref(c->parts[i].result);
    }
    handle_close_timer(c->timer);
    handle_close_poll(c->poll);
    close(c->fd);
    snapshot_unref(c->snapshot);
    free(c->parts);
    free(c);
}

/* What is left unread would make a reset of the end, which may overtake the line. A line fits into the buffer
 * of a new socket, always. */
static void hang_up(struct caller *c, const char *line, size_t len)
{
    char rest[LAST_READ];

    (void)!send(c->fd, line, len, MSG_NOSIGNAL);
    shutdown(c->fd, SHUT_WR);
    (void)!recv(c->fd, rest, sizeof rest, MSG_DONTWAIT);
    drop(c);
}

/* ---- answering ---- */

/* As it is by now: while others were waited for, one may have come back for which nobody was asked. */
static struct agent_verdict verdict_of(const struct drains *drains, const struct part *part)
{
    const struct drain *drain = drains_find(drains, part->target->name);
    bool was_drained = part->result != NULL && part->result->failure.reason == REASON_DRAINED;

    return (struct agent_verdict){
        .result = drain == NULL && was_drained ? NULL : part->result,
        .drained = drain != NULL,
        .maint = drain != NULL && drain->mode == DRAIN_MODE_MAINT,
        .back = drains_was(drains, part->target->name),
    };
}

static void answer(struct caller *c)
{
    struct agent_verdict *verdicts = mem_alloc((c->count + 1) * sizeof *verdicts);
    bool unknown_is_bad = c->snapshot->unknown_status >= 400;
    char line[AGENT_LINE_SIZE];

    for (size_t i = 0; i < c->count; i++) {
        verdicts[i] = verdict_of(c->agent->order.drains, &c->parts[i]);
    }
    size_t len = agent_line(verdicts, c->count, unknown_is_bad, line);
    free(verdicts);
    hang_up(c, line, len);
}

static void on_result(void *context, struct result *result)
{
    struct part *part = context;

    part->waiter = NULL;
    part->result = result;
    if (--part->caller->open == 0)
        answer(part->caller);
}

/* As the target says, but for deliveries nobody waits here: the verdict of the last one stands. */
static struct jobs_ask plain_ask(const struct snapshot_target *target)
{
    struct jobs_ask one = check_plain_ask;

    one.target = target;
    one.wait_us = 0;
    return one;
}

/* The newest verdict, unless it is older than a run may take, and the time to the next one. */
static struct result *recall_older(const struct agent *a, const char *name)
{
    const struct snapshot_target *target = snapshot_target(a->order.snapshot, name);

    if (target == NULL)
        return NULL;
    struct jobs_ask one = plain_ask(target);
    one.max_age_us =
        target->cache_ttl_us + target->interval_us + target->plan.limits_us[LIMIT_RUN] + PAUSE_US;
    return jobs_recall(a->order.jobs, &one);
}

static void on_late(uv_timer_t *timer)
{
    struct caller *c = timer->data;

    for (size_t i = 0; i < c->count; i++) {
        struct part *part = &c->parts[i];
        if (part->waiter == NULL)
            continue;
        jobs_leave(part->waiter);
        part->waiter = NULL;
        part->result = recall_older(c->agent, part->target->name);
    }
    answer(c);
}

/* ---- asking ---- */

static void ask(struct part *part)
{
    const struct agent_order *order = &part->caller->agent->order;
    struct jobs_ask one = plain_ask(part->target);

    part->result = drains_result(order->drains, order->jobs, part->target);
    if (part->result == NULL)
        part->result = jobs_recall(order->jobs, &one);
    if (part->result != NULL)
        return;
    part->waiter = jobs_wait(order->jobs, &one, on_result, part);
    part->caller->open++;
}

static void ask_for(struct caller *c, const struct snapshot_target *first, size_t count)
{
    c->parts = mem_alloc((count + 1) * sizeof *c->parts);
    c->count = count;
    for (size_t i = 0; i < count; i++) {
        c->parts[i] = (struct part){.caller = c, .target = &first[i]};
        ask(&c->parts[i]);
    }
    if (c->open == 0)
        answer(c);
    else
        handle_at(c->timer, on_late, c->taken_us + ANSWER_US);
}

static void refuse_name(struct caller *c)
{
    char reason[MOST_NAME + 64], line[AGENT_LINE_SIZE];

    snprintf(reason, sizeof reason, "ehlod has no target of that name: %s", c->name);
    size_t len = agent_line_down(false, reason, line);
    hang_up(c, line, len);
}

/* The name is there, or it is known that none comes. */
static void begin(struct caller *c)
{
    struct snapshot *snapshot = c->agent->order.snapshot;
    const struct snapshot_target *target = snapshot_target(snapshot, c->name);

    uv_poll_stop(c->poll);
    c->snapshot = snapshot_ref(snapshot);
    mind_room(c->agent);
    if (c->len == 0)
        ask_for(c, snapshot->targets, snapshot->target_count);
    else if (target != NULL && strlen(c->name) == c->len)
        ask_for(c, target, 1);
    else
        refuse_name(c);
}

static void on_silence(uv_timer_t *timer)
{
    begin(timer->data);
}

/* The octets before the first CR or LF. */
static size_t line_len(const char *bytes, size_t len)
{
    size_t at = 0;

    while (at < len && bytes[at] != '\r' && bytes[at] != '\n')
        at++;
    return at;
}

/* A name ends with its line, with the end of what is sent, or where it is longer than any. False: the caller
 * has still to be waited for; else it has asked, or is gone. */
static bool hear(struct caller *c, bool is_reset)
{
    ssize_t got = recv(c->fd, c->name + c->len, MOST_NAME - c->len, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR) && !is_reset)
        return false;
    if (got < 0 || is_reset || (got == 0 && c->len == 0)) {
        drop(c);
        return true;
    }
    c->len += (size_t)got;
    c->name[c->len] = '\0';
    size_t line = line_len(c->name, c->len);
    if (got > 0 && line == c->len && c->len < MOST_NAME)
        return false;
    c->name[line] = '\0';
    c->len = line;
    begin(c);
    return true;
}

/* The status tells of a connection that was reset, which may have more to read still. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    (void)hear(poll->data, status != 0);
}

/* A crowd that says nothing keeps nobody out who does: whoever has been silent for the longest goes. */
static void make_room(const struct agent *a)
{
    while (a->count >= CROWD && oldest_silent(a) != NULL)
        if (!hear(oldest_silent(a), false)) {
            drop(oldest_silent(a));
            return;
        }
}

static void take(void *context, int fd, const struct address *peer)
{
    struct agent *a = context;
    struct caller *c = mem_alloc(sizeof *c);

    (void)peer;
    make_room(a);
    c->poll = a->count < AGENT_CONNECTIONS ? handle_poll(a->order.loop, fd, c) : NULL;
    if (c->poll == NULL) { /* also those in the queue of a listener that goes */
        close(fd);
        free(c);
        return;
    }
    c->agent = a;
    c->fd = fd;
    c->timer = handle_timer(a->order.loop, c);
    c->taken_us = clock_mono_us();
    c->next = a->first;
    if (c->next != NULL)
        c->next->prev = c;
    a->first = c;
    a->count++;
    handle_at(c->timer, on_silence, c->taken_us + NAME_US);
    uv_poll_start(c->poll, UV_READABLE, on_readable);
}

/* ---- life ---- */

struct agent *agent_new(const struct agent_order *order, char error_r[LISTEN_ERROR_SIZE])
{
    struct agent *a = mem_alloc(sizeof *a);
    struct listen_order listen = {
        .loop = order->loop,
        .log = order->log,
        .places = order->snapshot->agent_listen,
        .count = order->snapshot->agent_listen_count,
        .key = "server.agent_listen",
        .take = take,
        .context = a,
    };

    a->order = *order;
    a->listen = listen_new(&listen, error_r);
    if (a->listen == NULL) {
        free(a);
        return NULL;
    }
    snapshot_ref(order->snapshot);
    return a;
}

int agent_prepare(struct agent *a, const struct snapshot *snapshot, char error_r[LISTEN_ERROR_SIZE])
{
    return listen_prepare(a->listen, snapshot->agent_listen, snapshot->agent_listen_count, error_r);
}

void agent_commit(struct agent *a, struct snapshot *snapshot)
{
    struct snapshot *old = a->order.snapshot;

    a->order.snapshot = snapshot_ref(snapshot);
    snapshot_unref(old);
    listen_commit(a->listen);
}

void agent_abandon(struct agent *a)
{
    listen_abandon(a->listen);
}

void agent_take_last(struct agent *a)
{
    if (a != NULL)
        listen_take_last(a->listen);
}

void agent_free(struct agent *a)
{
    if (a == NULL)
        return;
    listen_free(a->listen);
    a->listen = NULL;
    while (a->first != NULL)
        drop(a->first);
    snapshot_unref(a->order.snapshot);
    free(a);
}
