/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several runs for one plan: asks for the MX hosts, looks each host up, and begins its runs as soon as its
 * addresses are known, so that no host waits for another one's names. Each run has its place from the
 * beginning (a fair part of all there may be), so that their order does not hang on which answer was first.
 * What comes of them together is run_each_show.c's.
 */
#include "probe/run_each.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"
#include "probe/net/order.h"
#include "probe/run_each_state.h"
#include "probe/run_net.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the end ---- */

static bool is_over(const struct run_each *e)
{
    bool over = !e->mx;

    for (size_t i = 0; i < PLAN_MAX_ADDRESSES; i++)
        over = over && !e->hosts[i].lookup && !e->parts[i].run;
    return over;
}

static void free_each(struct run_each *e)
{
    for (size_t i = 0; i < PLAN_MAX_ADDRESSES; i++)
        result_unref(e->parts[i].result);
    handle_close_timer(e->turn);
    arena_free(&e->arena);
    free(e);
}

static void end_when_over(struct run_each *e)
{
    run_done *done = e->done;
    void *context = e->context;
    struct result *result;

    if (!is_over(e))
        return;
    result = run_each_show(e, CLOCK_NONE);
    free_each(e);
    done(context, result);
}

/* ---- parts ---- */

static void on_part_done(void *context, struct result *result)
{
    struct run_each_part *part = context;
    struct run_each *e = part->each;

    part->run = NULL;
    part->result = result;
    e->part_over(e->context, result);
    end_when_over(e);
}

/* Begins the run at that of the host's places. answer: what was found of the host; null: it is an address. */
static void begin_part(struct run_each_host *host, size_t place, const struct lookup_answer *answer)
{
    struct run_each *e = host->each;
    struct run_each_part *part = &e->parts[host->first + place];
    struct run_begun begun = {.asked_us = e->asked_us, .asked_wall_us = e->asked_wall_us, .answer = answer};
    struct run_order order = {.plan = &part->plan, .vantage = e->vantage, .begun = &begun};

    part->each = e;
    part->plan = e->plan;
    part->plan.mx = false;
    part->plan.family = plan_family(&e->plan);
    part->plan.host = host->name;
    if (answer && answer->count == 1)
        part->address = answer->addresses[0];
    part->id = order.id = arena_dup(&e->arena, e->name(e->context));
    part->run = run_start(e->net, &order, on_part_done, part);
}

/* One run for each of the addresses, as far as there are places. */
static void begin_addresses(struct run_each_host *host, struct lookup_answer *answer)
{
    struct run_each *e = host->each;

    order_sort(answer->addresses, answer->count, &e->plan.source);
    if (answer->many || answer->count > host->most)
        e->flags |= UINT64_C(1) << FLAG_DNS_MANY;
    for (size_t i = 0; i < answer->count && i < host->most; i++) {
        struct lookup_answer one = *answer;
        one.addresses[0] = answer->addresses[i];
        one.count = 1;
        one.many = false;
        if (e->plan.mx)
            mx_check_addresses(host->name, &one);
        begin_part(host, i, &one);
    }
}

/* ---- hosts ---- */

static void say_nothing_there(const struct run_each_host *host, struct lookup_answer *answer)
{
    if (answer->reason == REASON_NO_ADDRESS)
        snprintf(answer->message, sizeof answer->message, "%s has neither an MX record nor an address",
                 host->name);
}

static void on_looked_up(void *context, const struct lookup_answer *found)
{
    struct run_each_host *host = context;
    struct run_each *e = host->each;
    struct lookup_answer answer = *found;

    host->lookup = NULL;
    if (e->implicit)
        say_nothing_there(host, &answer);
    else if (e->plan.mx)
        mx_check_alias(host->name, &answer);
    if (e->plan.family == FAMILY_EACH && answer.reason == REASON_NONE) {
        begin_addresses(host, &answer);
        return;
    }
    if (e->plan.mx)
        mx_check_addresses(host->name, &answer);
    begin_part(host, 0, &answer);
}

/* All questions together have the time for looking up. */
static int64_t names_deadline(const struct run_each *e)
{
    const int64_t *limits = e->plan.limits_us;

    return e->asked_us + (limits[LIMIT_DNS] < limits[LIMIT_RUN] ? limits[LIMIT_DNS] : limits[LIMIT_RUN]);
}

static void begin_host(struct run_each_host *host)
{
    struct run_each *e = host->each;
    enum family family = plan_family(&e->plan);
    struct lookup_answer wrong = {.count = 0};
    struct address literal;

    if (!e->plan.mx && address_parse(host->name, 0, &literal) == 0) {
        begin_part(host, 0, NULL);
        e->parts[host->first].address = literal;
    } else if (!e->plan.mx) {
        host->lookup = lookup_start(e->net->dns, e->net->loop, host->name, family, names_deadline(e),
                                    on_looked_up, host);
    } else if (e->implicit || mx_check_host(host->name, e->plan.host, &wrong)) {
        host->lookup = lookup_start_absolute(e->net->dns, e->net->loop, host->name, family, names_deadline(e),
                                             on_looked_up, host);
    } else {
        wrong.at_us = clock_mono_us();
        begin_part(host, 0, &wrong);
    }
}

/* Where each address is a run, every host has its fair part of the places, the first ones what is over. */
static void add_host(struct run_each *e, const char *name, size_t of)
{
    struct run_each_host *host = &e->hosts[e->host_count];
    bool several = e->plan.family == FAMILY_EACH;

    host->each = e;
    host->name = arena_dup(&e->arena, name);
    host->first = e->host_count > 0 ? host[-1].first + host[-1].most : 0;
    host->most = several ? PLAN_MAX_ADDRESSES / of + (e->host_count < PLAN_MAX_ADDRESSES % of) : 1;
    e->host_count++;
}

static void begin_hosts(struct run_each *e)
{
    for (size_t i = 0; i < e->host_count; i++)
        begin_host(&e->hosts[i]);
}

static void no_hosts(struct run_each *e, const struct mx_answer *answer)
{
    const int64_t *limits = e->plan.limits_us;
    bool clipped = limits[LIMIT_RUN] < limits[LIMIT_DNS];
    char over[PLAN_OVER_SIZE];

    e->failure = (struct result_failure){.phase = PHASE_DNS,
                                         .reason = answer->reason,
                                         .message = arena_dup(&e->arena, answer->message),
                                         .limit_us = CLOCK_NONE,
                                         .elapsed_us = answer->at_us - e->asked_us};
    if (!answer->expired)
        return;
    plan_say_over(&e->plan, over);
    e->failure.reason = clipped ? REASON_DEADLINE : REASON_TIMEOUT;
    e->failure.limit_us = limits[clipped ? LIMIT_RUN : LIMIT_DNS];
    e->failure.message =
        arena_printf(&e->arena, clipped ? "%s in %.3f s, %s" : "%s in %.3f s (%s)", answer->message,
                     (double)e->failure.elapsed_us / CLOCK_US_PER_S, clipped ? over : limit_key(LIMIT_DNS));
}

static void on_mx(void *context, const struct mx_answer *answer)
{
    struct run_each *e = context;

    e->mx = NULL;
    if (answer->reason != REASON_NONE) {
        no_hosts(e, answer);
        end_when_over(e);
        return;
    }
    if (answer->many)
        e->flags |= UINT64_C(1) << FLAG_DNS_MANY;
    e->implicit = answer->implicit;
    for (size_t i = 0; i < answer->count; i++)
        add_host(e, answer->hosts[i], answer->count);
    begin_hosts(e);
}

/* ---- the beginning, and what is asked from outside ---- */

struct run_each *run_each_start(struct run_net *net, const struct run_each_order *order, run_done *done,
                                void *context)
{
    struct run_each *e = mem_alloc(sizeof *e);

    e->net = net;
    e->plan = *order->run.plan;
    e->id = arena_dup(&e->arena, order->run.id);
    e->vantage = arena_dup(&e->arena, order->run.vantage);
    e->last_ok = order->run.last_ok;
    e->name = order->name;
    e->part_over = order->part_over;
    e->done = done;
    e->context = context;
    e->asked_us = clock_mono_us();
    e->asked_wall_us = clock_wall_of(e->asked_us);
    e->turn = handle_timer(net->loop, e);
    if (e->plan.mx) {
        e->mx = mx_start(net->dns, net->loop, e->plan.host, names_deadline(e), on_mx, e);
    } else {
        add_host(e, e->plan.host, 1);
        begin_hosts(e);
    }
    return e;
}

struct result *run_each_peek(const struct run_each *each, int64_t limit_us)
{
    return run_each_show(each, limit_us);
}

static void on_stopped(uv_timer_t *timer)
{
    end_when_over(timer->data);
}

void run_each_stop(struct run_each *each)
{
    each->stopped = true;
    mx_cancel(each->mx);
    each->mx = NULL;
    for (size_t i = 0; i < PLAN_MAX_ADDRESSES; i++) {
        lookup_cancel(each->hosts[i].lookup);
        each->hosts[i].lookup = NULL;
        if (each->parts[i].run)
            run_stop(each->parts[i].run);
    }
    if (is_over(each))
        handle_at(each->turn, on_stopped, clock_mono_us());
}
