/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run from plan to result: wait in line, resolve, order, dial, drive. Each stage calls the next when it
 * is over; every way out leads through run_over, which alone ends a run. The stages' deadlines lie inside the
 * run's, so there is no timer for the run as a whole. What it looks like is run_show.c's.
 */
#include "probe/run.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/net/order.h"
#include "probe/run_state.h"

#include <stdlib.h>

/* ---- the end ---- */

static void run_free(struct run *r)
{
    lookup_cancel(r->lookup);
    drive_clear(&r->drive);
    dial_clear(&r->dial);
    run_net_leave(r->net, &r->place);
    handle_close_timer(r->turn);
    client_free(&r->client);
    arena_free(&r->arena);
    free(r);
}

/* The one ending. */
static void run_over(struct run *r)
{
    run_done *done = r->done;
    void *context = r->context;
    int64_t now_us = clock_mono_us();
    struct result *result;

    run_show_start(r, &r->draft, now_us);
    if (r->stage != STAGE_DIALOGUE)
        r->draft.duration_us = now_us - r->draft.started_mono_us;
    result = run_show(r, &r->arena, &r->draft, now_us, r->asked_us, CLOCK_NONE);
    run_free(r);
    done(context, result);
}

/* Before the dialogue. */
static void run_fail(struct run *r, struct result_failure failure)
{
    r->draft.failure = failure;
    run_over(r);
}

/* ---- dialogue ---- */

static void on_driven(void *context)
{
    run_over(context);
}

/* ---- connect ---- */

/* What the dialogue counts from: without the waiting, which is over. Its end stays where it was. */
static void settle_start(struct run *r, int64_t now_us)
{
    run_show_start(r, &r->draft, now_us);
    r->client.start_us = r->draft.started_mono_us;
}

/* The first failure stands for all, unless there are addresses that ehlod could not try. */
static const struct result_attempt *decisive(const struct dial *dial)
{
    return &dial->attempts[dial->gave_up ? dial->attempt_count - 1 : 0];
}

static void on_dialled(void *context)
{
    struct run *r = context;
    const struct dial *dial = &r->dial;
    int64_t now_us = dial->socket.fd < 0 ? clock_mono_us() : dial->socket.stamp_us;

    r->draft.timing_us[PHASE_CONNECT] = dial_took_us(dial, now_us);
    if (dial->socket.fd < 0) {
        r->draft.peer = decisive(dial)->address;
        run_fail(r, decisive(dial)->failure);
        return;
    }
    if (dial->attempt_count > 1)
        r->draft.flags |= UINT64_C(1) << FLAG_ADDRESS_UNREACHABLE;
    r->draft.peer = dial->peer;
    r->draft.local = dial->socket.local;
    if (r->plan.stop_after < (r->plan.tls.mode == TLS_MODE_OFF ? PHASE_BANNER : PHASE_TLS)) {
        run_over(r);
        return;
    }
    settle_start(r, now_us);
    r->stage = STAGE_DIALOGUE;
    client_start(&r->client, r->dial.socket.stamp_us);
    if (r->watch)
        r->watch(r->watch_context, &r->draft);
    drive_start(&r->drive, r->net->loop, r->watch ? &run_watch_seam : &client_seam,
                r->watch ? (void *)r : (void *)&r->client, &r->dial.socket, on_driven, r);
    if (r->plan.hide_replies)
        drive_hide_text(&r->drive);
    if (r->plan.tls_context)
        drive_offer_tls(&r->drive, r->plan.tls_context,
                        r->plan.tls.server_name ? r->plan.tls.server_name : r->plan.host);
    if (r->plan.login.wanted)
        client_hide(&r->client, drive_offer_login(&r->drive, &r->plan.login, r->plan.host, r->plan.port));
}

static void begin_connect(struct run *r)
{
    struct dial_order order = {.plan = &r->plan,
                               .addresses = r->addresses,
                               .count = r->address_count,
                               .lines = run_gates_addresses(r->net->gates),
                               .sockets = r->net->sockets,
                               .post = r->net->post,
                               .limit_us = r->plan.limits_us[LIMIT_CONNECT],
                               .ends_us = r->ends_us};

    r->stage = STAGE_CONNECT;
    r->stage_us = clock_mono_us();
    for (size_t i = 0; i < r->address_count; i++)
        address_set_port(&r->addresses[i], r->plan.port);
    dial_start(&r->dial, r->net->loop, &r->arena, &order, on_dialled, r);
}

/* ---- names ---- */

static bool suits(const struct address *literal, enum family family)
{
    return family == FAMILY_ANY || (address_family(literal) == AF_INET) == (family == FAMILY_IPV4);
}

static const char *say_expired(struct run *r, const struct lookup_answer *answer, int64_t elapsed_us,
                               bool clipped)
{
    double elapsed_s = (double)elapsed_us / (double)CLOCK_US_PER_S;
    char over[PLAN_OVER_SIZE];

    plan_say_over(&r->plan, over);
    if (clipped)
        return arena_printf(&r->arena, "%s in %.3f s, %s", answer->message, elapsed_s, over);
    return arena_printf(&r->arena, "%s in %.3f s (%s)", answer->message, elapsed_s, limit_key(LIMIT_DNS));
}

static void lookup_failed(struct run *r, const struct lookup_answer *answer, bool clipped)
{
    int64_t elapsed_us = answer->at_us - r->stage_us;
    struct result_failure failure = {.phase = PHASE_DNS,
                                     .reason = answer->reason,
                                     .message = arena_dup(&r->arena, answer->message),
                                     .limit_us = CLOCK_NONE,
                                     .elapsed_us = elapsed_us};

    if (answer->reason == REASON_NO_ADDRESS_FOR_FAMILY)
        failure.phase = PHASE_CONNECT;
    if (answer->expired) {
        int64_t left_us = r->ends_us - r->draft.started_mono_us;
        failure.reason = clipped ? REASON_DEADLINE : REASON_TIMEOUT;
        failure.limit_us = clipped ? left_us : r->plan.limits_us[LIMIT_DNS];
        failure.message = say_expired(r, answer, elapsed_us, clipped);
    }
    run_fail(r, failure);
}

/* When the looking up that begins now must be over, and whether that is the run's end. */
static int64_t lookup_deadline(const struct run *r, bool *clipped_r)
{
    int64_t own_us = r->stage_us + r->plan.limits_us[LIMIT_DNS];

    *clipped_r = r->ends_us < own_us;
    return *clipped_r ? r->ends_us : own_us;
}

static void on_looked_up(void *context, const struct lookup_answer *answer)
{
    struct run *r = context;
    bool clipped;

    r->lookup = NULL;
    r->draft.timing_us[PHASE_DNS] = answer->at_us - r->stage_us;
    if (answer->partial)
        r->draft.flags |= UINT64_C(1) << FLAG_DNS_PARTIAL;
    if (answer->many)
        r->draft.flags |= UINT64_C(1) << FLAG_DNS_MANY;
    if (answer->reason != REASON_NONE) {
        (void)lookup_deadline(r, &clipped);
        lookup_failed(r, answer, clipped);
        return;
    }
    if (r->plan.stop_after == PHASE_DNS) {
        run_over(r);
        return;
    }
    for (r->address_count = 0; r->address_count < answer->count; r->address_count++)
        r->addresses[r->address_count] = answer->addresses[r->address_count];
    order_sort(r->addresses, r->address_count, &r->plan.source);
    if (r->address_count > PLAN_MAX_ADDRESSES)
        r->address_count = PLAN_MAX_ADDRESSES;
    begin_connect(r);
}

static void begin_dns(struct run *r)
{
    bool clipped;
    int64_t deadline_us;

    r->stage = STAGE_DNS;
    r->stage_us = clock_mono_us();
    deadline_us = lookup_deadline(r, &clipped);
    r->lookup = lookup_start(r->net->dns, r->net->loop, r->plan.host, plan_family(&r->plan), deadline_us,
                             on_looked_up, r);
}

/* As if it had been looked up just now, in the time that has gone by until the answer. */
static void take_known(struct run *r)
{
    r->stage = STAGE_DNS;
    r->stage_us = r->asked_us;
    on_looked_up(r, r->known);
}

/* ---- the beginning, and what is asked from outside ---- */

static void line_failed(struct run *r)
{
    int64_t now_us = clock_mono_us();

    run_fail(r,
             (struct result_failure){.phase = run_show_phase(r),
                                     .reason = REASON_LOCAL_RESOURCE,
                                     .message = r->refused ? r->refused : run_show_line(r, &r->arena, now_us),
                                     .limit_us = r->refused ? CLOCK_NONE : r->plan.limits_us[LIMIT_RUN],
                                     .elapsed_us = now_us - r->stage_us});
}

/* The line is full, or the run has been in it until its end. */
static void on_line_over(uv_timer_t *timer)
{
    line_failed(timer->data);
}

static void begin_literal(struct run *r)
{
    const struct plan *plan = &r->plan;

    if (!suits(&r->addresses[0], plan_family(plan))) {
        run_fail(r, (struct result_failure){
                        .phase = PHASE_CONNECT,
                        .reason = REASON_NO_ADDRESS_FOR_FAMILY,
                        .message = arena_printf(&r->arena, "%s is no %s address", plan->host,
                                                plan_family(plan) == FAMILY_IPV4 ? "IPv4" : "IPv6"),
                        .limit_us = CLOCK_NONE});
        return;
    }
    if (plan->stop_after == PHASE_DNS) {
        run_over(r);
        return;
    }
    r->address_count = 1;
    begin_connect(r);
}

static void leave_line(struct run *r, int64_t now_us)
{
    r->line_us = now_us - r->queued_us;
    r->stage = STAGE_START;
    r->stage_us = now_us;
    settle_start(r, now_us);
}

static void on_begin(uv_timer_t *timer)
{
    struct run *r = timer->data;
    int64_t now_us = clock_mono_us();

    if (r->stage == STAGE_LINE && now_us >= r->ends_us) { /* called too late */
        line_failed(r);
        return;
    }
    if (r->stage == STAGE_LINE)
        leave_line(r, now_us);
    if (r->is_literal)
        begin_literal(r);
    else if (r->known)
        take_known(r);
    else
        begin_dns(r);
}

static void on_called(void *context)
{
    struct run *r = context;

    handle_at(r->turn, on_begin, clock_mono_us());
}

/* Into the line, or past it. */
static void queue_up(struct run *r)
{
    struct run_gates_count line;

    switch (run_net_enter(r->net, &r->place, on_called, r, &line)) {
    case 1:
        r->stage = STAGE_START;
        handle_at(r->turn, on_begin, r->queued_us);
        break;
    case 0:
        handle_at(r->turn, on_line_over, r->ends_us);
        break;
    default:
        r->refused =
            arena_printf(&r->arena, "the line is full: %u %s under way, %u waiting (server.max_runs)",
                         line.inside, line.inside == 1 ? "run" : "runs", line.waiting);
        handle_at(r->turn, on_line_over, r->queued_us);
    }
}

/* Whatever the host looks like: an MX record that names an IP address is known not to be good. */
static void know(struct run *r, const struct lookup_answer *answer)
{
    struct lookup_answer *copy = arena_alloc(&r->arena, sizeof *copy);

    *copy = *answer;
    r->known = copy;
    r->draft.timing_us[PHASE_DNS] = answer->at_us - r->asked_us;
}

struct run *run_start(struct run_net *net, const struct run_order *order, run_done *done, void *context)
{
    struct run *r = mem_alloc(sizeof *r);

    r->net = net;
    r->plan = *order->plan;
    r->last_ok = order->last_ok;
    r->done = done;
    r->context = context;
    r->watch = order->watch;
    r->watch_context = order->watch_context;
    r->queued_us = r->stage_us = clock_mono_us();
    r->asked_us = order->begun ? order->begun->asked_us : r->queued_us;
    r->asked_wall_us = order->begun ? order->begun->asked_wall_us : clock_wall_of(r->asked_us);
    r->ends_us = r->asked_us + r->plan.limits_us[LIMIT_RUN];
    r->dial.socket.fd = -1;
    r->draft.id = arena_dup(&r->arena, order->id);
    r->draft.vantage = arena_dup(&r->arena, order->vantage);
    r->draft.target = order->plan->target;
    r->draft.host = order->plan->host;
    r->draft.port = order->plan->port;
    client_init(&r->client, &r->plan, &r->arena, &r->draft, r->asked_us);
    run_show_start(r, &r->draft, r->queued_us);
    if (order->begun && order->begun->answer)
        know(r, order->begun->answer);
    r->is_literal = !r->known && !address_parse_host(r->plan.host, r->plan.port, &r->addresses[0]);
    r->turn = handle_timer(net->loop, r);
    queue_up(r);
    return r;
}

static void on_stop(uv_timer_t *timer)
{
    struct run *r = timer->data;
    int64_t now_us = clock_mono_us();

    /* It may have got there since it was stopped. */
    if (r->stage == STAGE_DIALOGUE) {
        drive_stop(&r->drive);
        return;
    }
    run_show_stage(r, &r->draft, now_us);
    run_fail(r, (struct result_failure){.phase = run_show_phase(r),
                                        .reason = REASON_LOCAL_RESOURCE,
                                        .message = "ehlod was stopped before the run was over",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = now_us - r->stage_us});
}

bool run_is_waiting(const struct run *run)
{
    return run->stage == STAGE_LINE && !run->refused;
}

void run_stop(struct run *run)
{
    if (run->stage == STAGE_DIALOGUE) {
        drive_stop(&run->drive);
        return;
    }
    if (run->refused) /* is about to end */
        return;
    if (run->stage == STAGE_LINE)
        run_net_forgo(run->net, &run->place); /* nobody calls it any more */
    handle_at(run->turn, on_stop, clock_mono_us());
}
