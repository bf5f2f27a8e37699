/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run looks like, at its end and to someone who leaves before. Its clock stands still while it waits
 * for its turn, in line or before an address: that time is in no phase, no offset and not in the duration.
 * It is the caller's all the same, so where waiting took a good part of it and the rest was too short, that
 * is ehlod's fault. What the dialogue means is the engine's, what the whole means is conclude()'s.
 */
#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/conclude.h"
#include "probe/run_state.h"

/* A tenth of the time or less, spent waiting, is not what the rest was too short for. */
enum { GOOD_PART = 10 };

enum phase run_show_phase(const struct run *r)
{
    return r->stage == STAGE_CONNECT || (r->stage < STAGE_DNS && (r->is_literal || r->known)) ? PHASE_CONNECT
                                                                                              : PHASE_DNS;
}

static double seconds(int64_t us)
{
    return (double)us / (double)CLOCK_US_PER_S;
}

const char *run_show_line(const struct run *r, struct arena *arena, int64_t now_us)
{
    unsigned runs = run_gates_inside(r->net->gates);

    return arena_printf(arena, "waited %.3f s in line: %u %s under way (server.max_runs)",
                        seconds(now_us - r->queued_us), runs, runs == 1 ? "run was" : "runs were");
}

static int64_t in_line_us(const struct run *r, int64_t now_us)
{
    return r->stage == STAGE_LINE ? now_us - r->queued_us : r->line_us;
}

void run_show_start(const struct run *r, struct result *draft, int64_t now_us)
{
    int64_t waited_us = in_line_us(r, now_us) + dial_waited_us(&r->dial, now_us);

    draft->started_mono_us = r->asked_us + waited_us;
    draft->started_wall_us = r->asked_wall_us + waited_us;
}

void run_show_stage(const struct run *r, struct result *draft, int64_t now_us)
{
    run_show_start(r, draft, now_us);
    draft->duration_us = now_us - draft->started_mono_us;
    if (r->stage == STAGE_DNS)
        draft->timing_us[PHASE_DNS] = now_us - r->stage_us;
    if (r->stage != STAGE_CONNECT)
        return;
    draft->timing_us[PHASE_CONNECT] = dial_took_us(&r->dial, now_us);
    draft->peer = *dial_present(&r->dial);
}

/* ---- the end of every result ---- */

/* One address needs no list: the result's own peer and failure say it all. */
static void show_attempts(const struct run *r, struct result *draft)
{
    if (r->address_count < 2)
        return;
    draft->attempts = r->dial.attempts;
    draft->attempt_count = r->dial.attempt_count;
}

/* How much of that span of time lies after since. */
static int64_t part_after(int64_t since_us, int64_t begun_us, int64_t took_us)
{
    int64_t part_us = begun_us + took_us - since_us;

    if (part_us < 0)
        return 0;
    return part_us < took_us ? part_us : took_us;
}

/* A deadline is the server's fault only if the time was the server's. */
static void blame_waiting(const struct run *r, struct arena *arena, struct result *draft, int64_t now_us,
                          int64_t since_us)
{
    struct result_failure *failure = &draft->failure;
    int64_t line_us = part_after(since_us, r->queued_us, in_line_us(r, now_us));
    int64_t address_us = part_after(since_us, r->dial.start_us, dial_waited_us(&r->dial, now_us));

    if (failure->reason != REASON_DEADLINE || line_us + address_us <= (now_us - since_us) / GOOD_PART)
        return;
    failure->reason = REASON_LOCAL_RESOURCE;
    failure->message = arena_printf(arena, "%s; before, the run had waited %.3f s for its turn (%s)",
                                    failure->message, seconds(line_us + address_us),
                                    line_us >= address_us ? "server.max_runs" : "server.max_per_address");
}

void run_show_tls(const struct run *r, struct arena *arena, struct result *draft)
{
    struct result_tls *tls;

    if (!r->drive.tls)
        return;
    tls = arena_alloc(arena, sizeof *tls);
    tls_show(r->drive.tls, arena, tls);
    draft->tls = tls;
    draft->flags |= tls_flags(r->drive.tls);
}

struct result *run_show(const struct run *r, struct arena *arena, struct result *draft, int64_t now_us,
                        int64_t since_us, int64_t limit_us)
{
    show_attempts(r, draft);
    run_show_tls(r, arena, draft);
    client_finish(&r->client, arena, draft, now_us, limit_us);
    blame_waiting(r, arena, draft, now_us, since_us);
    draft->ended_mono_us = now_us;
    conclude(draft, &r->plan, r->last_ok, arena);
    return result_publish(draft);
}

/* ---- to someone who leaves now ---- */

static const char *say_under_way(const struct run *r, struct arena *arena, int64_t elapsed_us,
                                 int64_t limit_us)
{
    const struct address *present = r->stage == STAGE_CONNECT ? dial_present(&r->dial) : &r->addresses[0];
    char to[DIAL_TEXT_SIZE], limit[TEXT_DURATION_SIZE];
    const char *what = arena_printf(arena, "looking up %s", r->plan.host);

    if (run_show_phase(r) == PHASE_CONNECT) {
        dial_text(present, to);
        what = arena_printf(arena, "connecting to %s", to);
    }
    text_duration(limit_us, limit);
    return arena_printf(arena, "still %s after %.3f s, when the caller's %s were over; the run goes on", what,
                        seconds(elapsed_us), limit);
}

/* The failure of a run before its dialogue, as if its time were over now. */
static struct result_failure overdue(const struct run *r, struct arena *arena, int64_t now_us,
                                     int64_t limit_us)
{
    struct result_failure failure = {.phase = run_show_phase(r),
                                     .reason = REASON_LOCAL_RESOURCE,
                                     .limit_us = limit_us,
                                     .elapsed_us = now_us - r->stage_us};

    if (r->refused) {
        failure.message = r->refused;
    } else if (r->stage == STAGE_LINE) {
        failure.message = run_show_line(r, arena, now_us);
    } else if (r->stage == STAGE_CONNECT && r->dial.waiting) {
        failure.message = dial_say_waiting(&r->dial, arena, now_us);
        failure.elapsed_us = now_us - r->dial.begun_us;
    } else {
        failure.reason = REASON_DEADLINE;
        if (r->stage == STAGE_CONNECT)
            failure.elapsed_us = dial_took_us(&r->dial, now_us);
        failure.message = say_under_way(r, arena, failure.elapsed_us, limit_us);
    }
    return failure;
}

struct result *run_peek(const struct run *run, int64_t limit_us)
{
    struct arena arena = {0};
    struct result draft = run->draft, *result;
    int64_t now_us = clock_mono_us();
    int64_t since_us = limit_us < now_us - run->asked_us ? now_us - limit_us : run->asked_us;

    if (run->stage != STAGE_DIALOGUE) {
        run_show_stage(run, &draft, now_us);
        draft.failure = overdue(run, &arena, now_us, limit_us);
    }
    result = run_show(run, &arena, &draft, now_us, since_us, limit_us);
    arena_free(&arena);
    return result;
}
