/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several runs come to. The one that decides, in general the worst, lends the whole its content, so that
 * what stands above has its evidence with it; each is told in a line of its own (attempts). A host that is
 * still being looked up is shown as a run that has not come any further.
 */
#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/conclude.h"
#include "probe/proto/client.h"
#include "probe/run_each_state.h"

#include <string.h>

/* One of the runs, as it stands. */
struct piece {
    const char *host;
    const char *id; /* null = it has not begun */
    const struct address *address;
    struct result *result; /* one reference */
};

struct pieces {
    struct piece list[PLAN_MAX_ADDRESSES];
    size_t count;
    size_t working; /* pass or warn */
    size_t unknown;
};

/* ---- what there is ---- */

/* Nothing was dialled: only names were looked up, and that failed. */
static struct result *show_unbegun(const struct run_each *e, const char *host,
                                   const struct result_failure *failure, const struct result *last_ok)
{
    struct arena arena = {0};
    struct client client;
    int64_t now_us = clock_mono_us();
    struct result draft = {.id = e->id,
                           .vantage = e->vantage,
                           .target = e->plan.target,
                           .host = host,
                           .port = e->plan.port,
                           .started_wall_us = e->asked_wall_us,
                           .started_mono_us = e->asked_us,
                           .ended_mono_us = now_us};
    struct result *result;

    client_init(&client, &e->plan, &arena, &draft, e->asked_us);
    draft.failure = *failure;
    draft.duration_us = draft.timing_us[PHASE_DNS] = failure->elapsed_us;
    draft.flags = e->flags;
    client_finish(&client, &arena, &draft, now_us, CLOCK_NONE);
    conclude(&draft, &e->plan, last_ok, &arena);
    result = result_publish(&draft);
    client_free(&client);
    arena_free(&arena);
    return result;
}

/* Why the names are not known yet. */
static struct result_failure unfinished(const struct run_each *e, const char *what, int64_t limit_us,
                                        struct arena *arena)
{
    int64_t elapsed_us = clock_mono_us() - e->asked_us;
    struct result_failure failure = {.phase = PHASE_DNS,
                                     .reason = REASON_LOCAL_RESOURCE,
                                     .message = "ehlod was stopped before the run was over",
                                     .limit_us = CLOCK_NONE,
                                     .elapsed_us = elapsed_us};
    char limit[TEXT_DURATION_SIZE];

    if (e->stopped)
        return failure;
    text_duration(limit_us, limit);
    failure.reason = REASON_DEADLINE;
    failure.limit_us = limit_us;
    failure.message = arena_printf(
        arena, "still looking up %s after %.3f s, when the caller's %s were over; the run goes on", what,
        (double)elapsed_us / CLOCK_US_PER_S, limit);
    return failure;
}

static void add(struct pieces *p, struct piece piece)
{
    p->list[p->count++] = piece;
    p->working += piece.result->status <= STATUS_WARN;
    p->unknown += piece.result->status == STATUS_UNKNOWN;
}

static void add_host(const struct run_each *e, const struct run_each_host *host, int64_t limit_us,
                     struct arena *arena, struct pieces *p)
{
    size_t before = p->count;

    for (size_t i = host->first; i < host->first + host->most; i++) {
        const struct run_each_part *part = &e->parts[i];
        if (part->id)
            add(p, (struct piece){.host = host->name,
                                  .id = part->id,
                                  .address = &part->address,
                                  .result = part->result ? result_ref(part->result)
                                                         : run_peek(part->run, limit_us)});
    }
    if (p->count > before)
        return;
    struct result_failure failure = unfinished(e, host->name, limit_us, arena);
    add(p, (struct piece){.host = host->name, .result = show_unbegun(e, host->name, &failure, NULL)});
}

/* ---- which decides ---- */

/* The first of those with that status; of those that work the slowest. */
static const struct piece *one_with(const struct pieces *p, enum status status)
{
    const struct piece *found = NULL;

    for (size_t i = 0; i < p->count; i++) {
        const struct result *r = p->list[i].result;
        bool slower = found && status <= STATUS_WARN && r->duration_us > found->result->duration_us;
        if (r->status == status && (!found || slower))
            found = &p->list[i];
    }
    return found;
}

/* The worst; but where any will do, and none works, one of which nobody knows keeps the whole from failing.
 */
static const struct piece *decisive(const struct run_each *e, const struct pieces *p)
{
    enum status worst = STATUS_PASS;

    if (e->plan.mx_require == MX_REQUIRE_ANY && !p->working && p->unknown)
        return one_with(p, STATUS_UNKNOWN);
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].result->status > worst)
            worst = p->list[i].result->status;
    return one_with(p, worst);
}

/* Whether it does not work, and that is allowed. */
static bool is_excused(const struct run_each *e, const struct pieces *p, const struct piece *piece)
{
    return e->plan.mx_require == MX_REQUIRE_ANY && p->working && piece->result->status > STATUS_WARN;
}

/* ---- how it is told ---- */

/* Its address: the one it got to, or the only one there is. */
static const struct address *address_of(const struct piece *piece)
{
    const struct address *peer = &piece->result->peer;

    return address_family(peer) == AF_UNSPEC && piece->address ? piece->address : peer;
}

/* "mx2.example.org [192.0.2.2]", or the one of the two that there is */
static const char *where(const struct piece *piece, struct arena *arena)
{
    const struct address *address = address_of(piece);
    char text[ADDRESS_TEXT_SIZE];

    if (address_family(address) == AF_UNSPEC)
        return piece->host;
    address_text(address, text);
    if (strcmp(text, piece->host) == 0)
        return piece->host;
    return arena_printf(arena, "%s [%s]", piece->host, text);
}

static const char *cut(const char *text, struct arena *arena)
{
    size_t len = RESULT_MAX_PART;

    if (!text || strlen(text) <= len)
        return text;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return arena_printf(arena, "%.*s...", (int)len, text);
}

static const struct result_attempt *show_attempts(const struct pieces *p, struct arena *arena)
{
    struct result_attempt *attempts = arena_alloc(arena, p->count * sizeof *attempts);

    for (size_t i = 0; i < p->count; i++) {
        const struct result *r = p->list[i].result;
        attempts[i] = (struct result_attempt){.address = *address_of(&p->list[i]),
                                              .failure = r->failure,
                                              .connect_us = CLOCK_NONE,
                                              .host = p->list[i].host,
                                              .id = p->list[i].id,
                                              .status = r->status,
                                              .summary = cut(r->summary, arena)};
        attempts[i].failure.message = cut(r->failure.message, arena);
        memcpy(attempts[i].timing_us, r->timing_us, sizeof attempts[i].timing_us);
    }
    return attempts;
}

/* "1 of 2 MX hosts works; mx2.example.org [192.0.2.2]: rcpt/rejected: ..." */
static const char *summary(const struct run_each *e, const struct pieces *p, const struct piece *piece,
                           struct arena *arena)
{
    bool hosts = e->plan.mx && e->plan.family != FAMILY_EACH, one = p->count == 1;
    const char *what = hosts ? one ? "MX host" : "MX hosts" : one ? "address" : "addresses";
    bool passed = piece->result->status == STATUS_PASS;

    return arena_printf(arena, "%zu of %zu %s %s%s; %s%s%s", p->working, p->count, what,
                        p->working == 1 || one ? "works" : "work",
                        is_excused(e, p, piece) ? " (mx_require: any)" : "",
                        passed ? "" : where(piece, arena), passed ? "" : ": ", piece->result->summary);
}

/* What the last good whole has to say of this one is about another server if that was another address. */
static void compare_address(struct result *draft, const struct result *last_ok)
{
    if (!last_ok || address_same_host(&draft->peer, &last_ok->peer))
        return;
    draft->last_ok.code = 0;
    draft->last_ok.elapsed_us = CLOCK_NONE;
}

static void merge(const struct run_each *e, const struct pieces *p, const struct piece *piece,
                  struct result *draft, struct arena *arena)
{
    static const uint64_t of_all = UINT64_C(1) << FLAG_DNS_PARTIAL | UINT64_C(1) << FLAG_DNS_MANY;

    draft->id = e->id;
    draft->flags |= e->flags;
    draft->ended_mono_us = clock_mono_us();
    for (size_t i = 0; i < p->count; i++)
        draft->flags |= p->list[i].result->flags & of_all;
    if (is_excused(e, p, piece)) {
        draft->failure = (struct result_failure){.limit_us = CLOCK_NONE};
        draft->flags |= UINT64_C(1) << FLAG_ONLY_SOME_WORK;
    } else if (draft->failure.reason != REASON_NONE) {
        draft->failure.message =
            arena_printf(arena, "%s: %s", where(piece, arena), piece->result->failure.message);
    }
    conclude(draft, &e->plan, e->last_ok, arena);
    compare_address(draft, e->last_ok);
    draft->summary = summary(e, p, piece, arena);
    draft->attempts = show_attempts(p, arena);
    draft->attempt_count = p->count;
}

struct result *run_each_show(const struct run_each *each, int64_t limit_us)
{
    struct arena arena = {0};
    struct pieces pieces = {.count = 0};
    struct result *result;

    for (size_t i = 0; i < each->host_count; i++)
        add_host(each, &each->hosts[i], limit_us, &arena, &pieces);
    if (pieces.count) {
        const struct piece *piece = decisive(each, &pieces);
        struct result draft = *piece->result;
        merge(each, &pieces, piece, &draft, &arena);
        result = result_publish(&draft);
    } else {
        const char *what = arena_printf(&arena, "the MX records of %s", each->plan.host);
        struct result_failure failure =
            each->failure.reason != REASON_NONE ? each->failure : unfinished(each, what, limit_us, &arena);
        result = show_unbegun(each, each->plan.host, &failure, each->last_ok);
    }
    for (size_t i = 0; i < pieces.count; i++)
        result_unref(pieces.list[i].result);
    arena_free(&arena);
    return result;
}
