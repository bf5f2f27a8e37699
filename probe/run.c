/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run from plan to result: resolve, order, dial, drive, conclude. Each stage calls the next when it is
 * over; every way out leads through run_over, which alone ends a run. The stages' deadlines lie inside the
 * run's, so there is no timer for the run as a whole. What the dialogue means is the engine's, what the whole
 * means is conclude()'s.
 */
#include "probe/run.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/conclude.h"
#include "probe/drive.h"
#include "probe/net/dial.h"
#include "probe/net/handle.h"
#include "probe/net/lookup.h"
#include "probe/net/order.h"
#include "probe/proto/client.h"
#include "probe/run_net.h"

#include <stdlib.h>

enum stage { STAGE_START, STAGE_DNS, STAGE_CONNECT, STAGE_DIALOGUE };

struct run {
    struct run_net *net;
    const struct plan *plan;
    const struct result *last_ok;
    run_done *done;
    void *context;

    enum stage stage;
    int64_t stage_us; /* when it began */
    bool is_literal;  /* the host is an address; it is the first of addresses */
    uv_timer_t *turn; /* begins and stops the run from the loop */
    struct lookup *lookup;
    struct address addresses[LOOKUP_MAX_ADDRESSES];
    size_t address_count;
    struct dial dial;
    struct drive drive;
    struct client client;
    struct arena arena;
    struct result draft;
};

/* ---- the end ---- */

static void run_free(struct run *r)
{
    lookup_cancel(r->lookup);
    drive_clear(&r->drive);
    dial_clear(&r->dial);
    handle_close_timer(r->turn);
    client_free(&r->client);
    arena_free(&r->arena);
    free(r);
}

/* One address needs no list: the result's own peer and failure say it all. */
static void show_attempts(const struct run *r, struct result *draft)
{
    if (r->address_count < 2)
        return;
    draft->attempts = r->dial.attempts;
    draft->attempt_count = r->dial.attempt_count;
}

/* The one ending. */
static void run_over(struct run *r)
{
    run_done *done = r->done;
    void *context = r->context;
    int64_t now_us = clock_mono_us();
    struct result *result;

    show_attempts(r, &r->draft);
    if (r->stage != STAGE_DIALOGUE)
        r->draft.duration_us = now_us - r->draft.started_mono_us;
    client_finish(&r->client, &r->arena, &r->draft, now_us, CLOCK_NONE);
    r->draft.ended_mono_us = now_us;
    conclude(&r->draft, r->plan, r->last_ok, &r->arena);
    result = result_publish(&r->draft);
    run_net_end(r->net);
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

/* A literal is not looked up: it begins with connecting. */
static enum phase stage_phase(const struct run *r)
{
    return r->stage == STAGE_CONNECT || (r->stage == STAGE_START && r->is_literal) ? PHASE_CONNECT
                                                                                   : PHASE_DNS;
}

/* Who is being dialled, or is going to be. */
static const struct address *present(const struct run *r)
{
    return r->stage == STAGE_CONNECT ? dial_present(&r->dial) : &r->addresses[0];
}

/* The end of a stage that begins now, and whether it is the run's. */
static int64_t stage_deadline(const struct run *r, enum limit limit, bool *clipped_r)
{
    int64_t own_us = r->stage_us + r->plan->limits_us[limit];
    int64_t run_us = r->draft.started_mono_us + r->plan->limits_us[LIMIT_RUN];

    *clipped_r = run_us < own_us;
    return *clipped_r ? run_us : own_us;
}

static void on_dialled(void *context)
{
    struct run *r = context;
    const struct dial *dial = &r->dial;

    r->draft.timing_us[PHASE_CONNECT] = clock_mono_us() - r->stage_us;
    if (dial->socket.fd < 0) {
        r->draft.peer = dial->attempts[0].address;
        run_fail(r, dial->attempts[0].failure);
        return;
    }
    if (dial->attempt_count > 1)
        r->draft.flags |= UINT64_C(1) << FLAG_ADDRESS_UNREACHABLE;
    r->draft.peer = dial->peer;
    r->draft.local = dial->socket.local;
    if (r->plan->stop_after == PHASE_CONNECT) {
        run_over(r);
        return;
    }
    r->stage = STAGE_DIALOGUE;
    client_start(&r->client, r->dial.socket.stamp_us);
    drive_start(&r->drive, r->net->loop, &client_seam, &r->client, &r->dial.socket, on_driven, r);
}

static void begin_connect(struct run *r)
{
    struct dial_order order = {.plan = r->plan, .addresses = r->addresses, .count = r->address_count};

    r->stage = STAGE_CONNECT;
    r->stage_us = clock_mono_us();
    order.deadline_us = stage_deadline(r, LIMIT_CONNECT, &order.clipped);
    for (size_t i = 0; i < r->address_count; i++)
        address_set_port(&r->addresses[i], r->plan->port);
    dial_start(&r->dial, r->net->loop, &r->arena, &order, on_dialled, r);
}

/* ---- names ---- */

/* A source address of one family rules the other out. */
static enum family family_of(const struct plan *plan)
{
    int source = address_family(&plan->source);

    if (plan->family != FAMILY_ANY || source == AF_UNSPEC)
        return plan->family;
    return source == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
}

static bool suits(const struct address *literal, enum family family)
{
    return family == FAMILY_ANY || (address_family(literal) == AF_INET) == (family == FAMILY_IPV4);
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
        failure.reason = clipped ? REASON_DEADLINE : REASON_TIMEOUT;
        failure.limit_us = r->plan->limits_us[clipped ? LIMIT_RUN : LIMIT_DNS];
        failure.message = arena_printf(
            &r->arena, "%s in %.3f s (%s%s)", answer->message, (double)elapsed_us / (double)CLOCK_US_PER_S,
            clipped ? "what was left of " : "", limit_key(clipped ? LIMIT_RUN : LIMIT_DNS));
    }
    run_fail(r, failure);
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
        (void)stage_deadline(r, LIMIT_DNS, &clipped);
        lookup_failed(r, answer, clipped);
        return;
    }
    if (r->plan->stop_after == PHASE_DNS) {
        run_over(r);
        return;
    }
    for (r->address_count = 0; r->address_count < answer->count; r->address_count++)
        r->addresses[r->address_count] = answer->addresses[r->address_count];
    order_sort(r->addresses, r->address_count, &r->plan->source);
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
    deadline_us = stage_deadline(r, LIMIT_DNS, &clipped);
    r->lookup = lookup_start(r->net->dns, r->net->loop, r->plan->host, family_of(r->plan), deadline_us,
                             on_looked_up, r);
}

/* ---- the beginning, and what is asked from outside ---- */

static void on_begin(uv_timer_t *timer)
{
    struct run *r = timer->data;
    const struct plan *plan = r->plan;

    if (!r->is_literal) {
        begin_dns(r);
        return;
    }
    if (!suits(&r->addresses[0], family_of(plan))) {
        run_fail(r, (struct result_failure){
                        .phase = PHASE_CONNECT,
                        .reason = REASON_NO_ADDRESS_FOR_FAMILY,
                        .message = arena_printf(&r->arena, "%s is no %s address", plan->host,
                                                family_of(plan) == FAMILY_IPV4 ? "IPv4" : "IPv6"),
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

struct run *run_start(struct run_net *net, const struct run_order *order, run_done *done, void *context)
{
    struct run *r = mem_alloc(sizeof *r);

    run_net_begin(net);
    r->net = net;
    r->plan = order->plan;
    r->last_ok = order->last_ok;
    r->done = done;
    r->context = context;
    r->dial.socket.fd = -1;
    r->draft.id = arena_dup(&r->arena, order->id);
    r->draft.vantage = arena_dup(&r->arena, order->vantage);
    r->draft.target = order->plan->target;
    r->draft.host = order->plan->host;
    r->draft.port = order->plan->port;
    r->draft.started_wall_us = clock_wall_us();
    r->draft.started_mono_us = clock_mono_us();
    client_init(&r->client, r->plan, &r->arena, &r->draft, r->draft.started_mono_us);
    r->is_literal = !address_parse(r->plan->host, r->plan->port, &r->addresses[0]);
    r->turn = handle_timer(net->loop, r);
    r->stage_us = r->draft.started_mono_us;
    handle_at(r->turn, on_begin, r->stage_us);
    return r;
}

/* What a stage before the dialogue looks like to someone who leaves now. */
static void show_stage(const struct run *r, struct arena *arena, struct result *draft, int64_t now_us,
                       int64_t limit_us)
{
    enum phase phase = stage_phase(r);
    int64_t elapsed_us = now_us - r->stage_us;
    char to[DIAL_TEXT_SIZE];
    const char *what = arena_printf(arena, "looking up %s", r->plan->host);

    if (phase == PHASE_CONNECT) {
        draft->peer = *present(r);
        dial_text(&draft->peer, to);
        what = arena_printf(arena, "connecting to %s", to);
    }
    draft->timing_us[phase] = r->stage == STAGE_START ? CLOCK_NONE : elapsed_us;
    draft->duration_us = now_us - draft->started_mono_us;
    draft->failure = (struct result_failure){
        .phase = phase,
        .reason = REASON_DEADLINE,
        .message = arena_printf(arena, "still %s after %.3f s, when the time was over", what,
                                (double)elapsed_us / (double)CLOCK_US_PER_S),
        .limit_us = limit_us,
        .elapsed_us = elapsed_us};
}

struct result *run_peek(const struct run *run, int64_t limit_us)
{
    struct arena arena = {0};
    struct result draft = run->draft, *result;
    int64_t now_us = clock_mono_us();

    show_attempts(run, &draft);
    if (run->stage != STAGE_DIALOGUE)
        show_stage(run, &arena, &draft, now_us, limit_us);
    client_finish(&run->client, &arena, &draft, now_us, limit_us);
    draft.ended_mono_us = now_us;
    conclude(&draft, run->plan, run->last_ok, &arena);
    result = result_publish(&draft);
    arena_free(&arena);
    return result;
}

static void on_stop(uv_timer_t *timer)
{
    struct run *r = timer->data;

    /* It may have got there since it was stopped. */
    if (r->stage == STAGE_DIALOGUE) {
        drive_stop(&r->drive);
        return;
    }
    if (r->stage != STAGE_START)
        r->draft.timing_us[stage_phase(r)] = clock_mono_us() - r->stage_us;
    if (r->stage == STAGE_CONNECT)
        r->draft.peer = *dial_present(&r->dial);
    run_fail(r, (struct result_failure){.phase = stage_phase(r),
                                        .reason = REASON_LOCAL_RESOURCE,
                                        .message = "ehlod was stopped before the run was over",
                                        .limit_us = CLOCK_NONE,
                                        .elapsed_us = clock_mono_us() - r->stage_us});
}

void run_stop(struct run *run)
{
    if (run->stage == STAGE_DIALOGUE)
        drive_stop(&run->drive);
    else
        handle_at(run->turn, on_stop, clock_mono_us());
}
