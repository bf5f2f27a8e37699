/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dials the addresses of a host one after another. Each attempt ends in one place (attempt_over), which goes
 * on to the next address; a share that an attempt does not use up is the others'. Before each it may have to
 * wait in line for a place (dial_lines.h), which it keeps until the socket is closed. Two traps are looked at
 * once a connection stands: that it leads to a listener of our own, and that a closed port of this machine
 * was "connected" because the system chose that very port as ours (TCP's simultaneous open with oneself).
 * Where the queue of a listener is full TCP goes on trying; for a Unix socket that is done here.
 */
#include "probe/net/dial.h"

#include "probe/base/clock.h"
#include "probe/net/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { KNOCK_MS = 10 };

static void on_timer(uv_timer_t *timer);

void dial_text(const struct address *a, char out_r[DIAL_TEXT_SIZE])
{
    char host[ADDRESS_TEXT_SIZE];
    bool v6 = address_family(a) == AF_INET6;

    address_text(a, host);
    if (address_family(a) == AF_UNIX) {
        snprintf(out_r, DIAL_TEXT_SIZE, ADDRESS_UNIX "%s", host);
        return;
    }
    snprintf(out_r, DIAL_TEXT_SIZE, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", address_port(a));
}

const struct address *dial_present(const struct dial *d)
{
    size_t i = d->attempt_count < d->order.count ? d->attempt_count : d->order.count - 1;

    return &d->order.addresses[i];
}

int64_t dial_waited_us(const struct dial *d, int64_t now_us)
{
    return d->waited_us + (d->waiting ? now_us - d->begun_us : 0);
}

int64_t dial_took_us(const struct dial *d, int64_t now_us)
{
    return d->dialled ? now_us - d->start_us - dial_waited_us(d, now_us) - d->prepared_us : CLOCK_NONE;
}

/* ---- sentences ---- */

const char *dial_say_waiting(const struct dial *d, struct arena *arena, int64_t now_us)
{
    unsigned open = dial_lines_inside(&d->place);
    char to[DIAL_TEXT_SIZE];

    dial_text(dial_present(d), to);
    return arena_printf(arena, "waited %.3f s: %u %s to %s %s open (server.max_per_address)",
                        (double)(now_us - d->begun_us) / (double)CLOCK_US_PER_S, open,
                        open == 1 ? "connection" : "connections", to, open == 1 ? "was" : "were");
}

static const char *say_error(struct dial *d, enum reason reason, const struct socket_error *error)
{
    char to[DIAL_TEXT_SIZE], from[ADDRESS_TEXT_SIZE], what[SOCKET_ERROR_SIZE];

    dial_text(dial_present(d), to);
    socket_error_text(error->number, what);
    if (error->is_path && reason == REASON_LOCAL_RESOURCE && error->number == EACCES)
        return arena_printf(d->arena, "connect to %s: %s: ehlod may not write to this socket", to, what);
    if (error->is_path && error->number != ECONNREFUSED)
        return arena_printf(d->arena, "connect to %s: %s", to, what);
    if (reason == REASON_REFUSED)
        return arena_printf(d->arena, "connect to %s: connection refused%s", to,
                            error->is_path ? ", nobody listens at this path" : "");
    if (address_family(&d->order.plan->source) == AF_UNSPEC)
        return arena_printf(d->arena, "connect to %s: %s", to, what);
    address_text(&d->order.plan->source, from);
    return arena_printf(d->arena, "connect from %s to %s: %s", from, to, what);
}

static const char *say_timeout(struct dial *d, int64_t elapsed_us)
{
    bool alone = d->order.count == 1;
    double elapsed_s = (double)elapsed_us / (double)CLOCK_US_PER_S;
    char to[DIAL_TEXT_SIZE], over[PLAN_OVER_SIZE];

    dial_text(dial_present(d), to);
    plan_say_over(d->order.plan, over);
    if (alone && d->clipped)
        return arena_printf(d->arena, "connect to %s timed out after %.3f s, %s", to, elapsed_s, over);
    return arena_printf(d->arena, "connect to %s timed out after %.3f s (%s%s%s)", to, elapsed_s,
                        alone ? "" : "its share of ", d->clipped ? "what was left of " : "",
                        limit_key(d->clipped ? LIMIT_RUN : LIMIT_CONNECT));
}

/* ---- one attempt ---- */

static void attempt_next(struct dial *d);

static void hang_up(struct dial *d)
{
    socket_close(&d->socket);
    dial_lines_leave(&d->place);
}

static void write_down(struct dial *d, const struct result_failure *failure, int64_t connect_us)
{
    d->attempts = arena_grow(d->arena, d->attempts, d->attempt_count, sizeof *d->attempts);
    d->attempts[d->attempt_count] =
        (struct result_attempt){.address = *dial_present(d), .failure = *failure, .connect_us = connect_us};
    d->attempt_count++;
}

static void attempt_over(struct dial *d, enum reason reason, const char *message, int64_t limit_us)
{
    int64_t now_us = reason == REASON_NONE ? d->socket.stamp_us : clock_mono_us();
    int64_t elapsed_us = now_us - (reason == REASON_NONE ? d->asked_us : d->begun_us);
    struct result_failure failure = {.limit_us = CLOCK_NONE};

    if (reason != REASON_NONE) {
        failure = (struct result_failure){.phase = PHASE_CONNECT,
                                          .reason = reason,
                                          .message = message,
                                          .limit_us = limit_us,
                                          .elapsed_us = elapsed_us};
        hang_up(d);
    } else if (d->attempt_count == 0) {
        d->prepared_us = d->asked_us - d->start_us - d->waited_us;
    }
    write_down(d, &failure, elapsed_us);
}

static void attempt_failed(struct dial *d, const struct socket_error *error)
{
    enum reason reason = socket_reason(error);

    attempt_over(d, reason, say_error(d, reason, error), CLOCK_NONE);
}

/* Whether the connection leads to where ehlod itself listens for HTTP. */
static bool is_loop(const struct dial *d)
{
    const struct plan *plan = d->order.plan;

    for (size_t i = 0; i < plan->own_count; i++) {
        const struct address *own = &plan->own[i];

        if (socket_is_same_path(own, &d->peer))
            return true;
        if (address_port(own) == address_port(&d->peer) && address_family(own) != AF_UNIX &&
            (address_same_host(own, &d->peer) || (address_is_wildcard(own) && socket_is_local(&d->peer))))
            return true;
    }
    return false;
}

static bool is_itself(const struct dial *d)
{
    return address_family(&d->peer) != AF_UNIX && address_port(&d->socket.local) == address_port(&d->peer) &&
           address_same_host(&d->socket.local, &d->peer);
}

/* Connected: that is the end, unless it leads to where no dialogue should. */
static void attempt_connected(struct dial *d)
{
    char to[DIAL_TEXT_SIZE];

    socket_peer(&d->socket, dial_present(d), &d->peer);
    if (is_itself(d)) {
        dial_text(dial_present(d), to);
        attempt_over(d, REASON_REFUSED, arena_printf(d->arena, "connect to %s: connection refused", to),
                     CLOCK_NONE);
        attempt_next(d);
    } else if (is_loop(d)) {
        dial_text(dial_present(d), to);
        attempt_over(d, REASON_LOOP, arena_printf(d->arena, "%s is where ehlod itself listens for HTTP", to),
                     CLOCK_NONE);
        attempt_next(d);
    } else {
        attempt_over(d, REASON_NONE, NULL, CLOCK_NONE);
        uv_timer_stop(d->timer);
        socket_unwatch(&d->socket); /* or it would be told again until somebody else watches it */
        d->done(d->context);
    }
}

/* Whether the attempt is decided; the system tells only once, so this asks only once. */
static bool attempt_look(struct dial *d)
{
    struct socket_error error;
    int state = socket_connected(&d->socket, &error);

    if (state > 0) {
        attempt_connected(d);
    } else if (state < 0) {
        attempt_failed(d, &error);
        attempt_next(d);
    }
    return state != 0;
}

static void on_socket(void *context)
{
    struct dial *d = context;

    if (!attempt_look(d))
        socket_watch(&d->socket, true, on_socket, d);
}

/* Whether this address may be dialled: it is this one that is judged, whatever its name leads to later. */
static bool is_allowed(const struct dial *d)
{
    const struct plan *plan = d->order.plan;

    return !plan->allow || allow_has_address(plan->allow, plan->host, dial_present(d));
}

static void refuse_present(struct dial *d)
{
    struct result_failure failure = {
        .phase = PHASE_CONNECT, .reason = REASON_NOT_ALLOWED, .limit_us = CLOCK_NONE};
    char to[DIAL_TEXT_SIZE];

    dial_text(dial_present(d), to);
    failure.message = arena_printf(d->arena, "%s may not be dialled (server.probe_allow)", to);
    write_down(d, &failure, CLOCK_NONE);
}

/* ---- one after another ---- */

static void on_called(void *context)
{
    struct dial *d = context;

    handle_at(d->timer, on_timer, clock_mono_us());
}

/* Begins to connect. Returns whether the attempt is under way; if not, it is over. */
static bool attempt_open(struct dial *d)
{
    int64_t share_ends_us = d->begun_us + d->share_us,
            again_us = clock_mono_us() + KNOCK_MS * CLOCK_US_PER_MS;
    struct socket_error error;
    bool failed = socket_open(&d->socket, d->order.sockets, dial_present(d), &d->order.plan->source,
                              on_socket, d, &error);

    d->knocking = failed && socket_is_full(&error);
    if (failed && !d->knocking) {
        attempt_failed(d, &error);
        return false;
    }
    handle_at(d->timer, on_timer, d->knocking && again_us < share_ends_us ? again_us : share_ends_us);
    return true;
}

/* The place is taken. Returns whether the attempt is under way; if not, it is over. */
static bool attempt_begin(struct dial *d)
{
    int64_t own_us = d->start_us + d->waited_us + d->order.limit_us, left_us;
    bool open;

    d->begun_us = clock_mono_us();
    d->dialled = true;
    d->clipped = d->order.ends_us < own_us;
    left_us = (d->clipped ? d->order.ends_us : own_us) - d->begun_us;
    d->share_us = left_us / (int64_t)(d->order.count - d->attempt_count);
    open = attempt_open(d);
    d->asked_us = open && !d->knocking ? d->socket.asked_us : d->begun_us;
    return open;
}

/* Begins with the next address that can be begun with, or waits for it; when there is none, says so in the
 * loop's next turn. */
static void attempt_next(struct dial *d)
{
    while (d->attempt_count < d->order.count) {
        if (!is_allowed(d)) {
            refuse_present(d);
            continue;
        }
        d->begun_us = clock_mono_us();
        d->place = (struct dial_place){.place = {.post = d->order.post, .called = on_called, .context = d}};
        if (!dial_lines_enter(d->order.lines, &d->place, dial_present(d))) {
            d->waiting = true;
            handle_at(d->timer, on_timer, d->order.ends_us);
            return;
        }
        if (attempt_begin(d))
            return;
    }
    handle_at(d->timer, on_timer, clock_mono_us());
}

/* The run's time went by in line: whatever is left of the addresses, none can be tried any more. */
static void give_up(struct dial *d, int64_t now_us)
{
    struct result_failure failure = {.phase = PHASE_CONNECT,
                                     .reason = REASON_LOCAL_RESOURCE,
                                     .message = dial_say_waiting(d, d->arena, now_us),
                                     .limit_us = d->order.plan->limits_us[LIMIT_RUN],
                                     .elapsed_us = now_us - d->begun_us};

    write_down(d, &failure, CLOCK_NONE);
    hang_up(d);
    d->gave_up = true;
    d->done(d->context);
}

static void waiting_over(struct dial *d)
{
    int64_t now_us = clock_mono_us();

    d->waited_us = dial_waited_us(d, now_us);
    d->waiting = false;
    if (d->place.place.where != LINE_INSIDE || now_us >= d->order.ends_us)
        give_up(d, now_us);
    else if (!attempt_begin(d))
        attempt_next(d);
}

/* Asks a full listener once more. Returns whether the attempt goes on, or is over and another one begun. */
static bool attempt_knock(struct dial *d)
{
    if (!attempt_open(d)) {
        attempt_next(d);
        return true;
    }
    return !d->knocking || clock_mono_us() < d->begun_us + d->share_us;
}

static void on_timer(uv_timer_t *timer)
{
    struct dial *d = timer->data;

    if (d->waiting) {
        waiting_over(d);
        return;
    }
    if (d->socket.fd < 0 && !d->knocking) { /* all addresses are through */
        d->done(d->context);
        return;
    }
    /* The loop may have been late, and the socket be connected or refused already, or have room again. */
    if (d->knocking ? attempt_knock(d) : attempt_look(d))
        return;
    d->knocking = false;
    attempt_over(d, d->clipped ? REASON_DEADLINE : REASON_TIMEOUT,
                 say_timeout(d, clock_mono_us() - d->begun_us), d->share_us > 0 ? d->share_us : 0);
    attempt_next(d);
}

void dial_start(struct dial *d, uv_loop_t *loop, struct arena *arena, const struct dial_order *order,
                dial_done *done, void *context)
{
    *d = (struct dial){.order = *order,
                       .loop = loop,
                       .arena = arena,
                       .done = done,
                       .context = context,
                       .timer = handle_timer(loop, d),
                       .start_us = clock_mono_us(),
                       .socket = {.fd = -1}};
    attempt_next(d);
}

void dial_clear(struct dial *d)
{
    hang_up(d);
    handle_close_timer(d->timer);
    d->timer = NULL;
}
