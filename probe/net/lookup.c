/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts single questions together to one answer about a host, inside the caller's deadline. What a resolver
 * said of one family is kept when the other could not be had. With one family asked for and none of it there,
 * the other is asked too, only to say whether the host has any address at all.
 */
#include "probe/net/lookup.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct finding {
    bool asked;
    bool known;
    struct dns_query *query;
    struct dns_answer answer;
};

struct lookup {
    struct dns *dns;
    char *host;
    enum family family;
    bool absolute;
    int64_t deadline_us;
    int64_t at_us; /* when it was settled; CLOCK_NONE = not yet */
    uv_timer_t *timer;
    struct finding findings[DNS_TYPES];
    bool asking; /* questions are being put: what comes back now is looked at afterwards */
    lookup_done *done;
    void *context;
};

static const char *const family_names[DNS_TYPES] = {"IPv4", "IPv6"};

static bool is_good(const struct finding *f)
{
    return f->known && f->answer.reason == REASON_NONE;
}

/* The type that must have addresses, when only one family will do; else DNS_TYPES. */
static enum dns_type only_type(const struct lookup *l)
{
    return l->family == FAMILY_IPV4 ? DNS_A : l->family == FAMILY_IPV6 ? DNS_AAAA : DNS_TYPES;
}

/* ---- the end ---- */

static void add(struct lookup_answer *to, const struct dns_answer *from)
{
    for (size_t i = 0; i < from->count; i++)
        to->addresses[to->count++] = from->addresses[i];
    to->many = to->many || from->many || to->count > PLAN_MAX_ADDRESSES;
}

/* What kept the host from having addresses: what a resolver said goes before silence, and emptiness says
 * something only when both were empty. */
static void judge(const struct lookup *l, struct lookup_answer *answer)
{
    static const enum reason order[] = {REASON_NXDOMAIN,  REASON_SERVFAIL,       REASON_REFUSED,
                                        REASON_MALFORMED, REASON_LOCAL_RESOURCE, REASON_TIMEOUT};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        for (int type = 0; type < DNS_TYPES; type++) {
            const struct finding *f = &l->findings[type];

            if (!f->known || f->answer.reason != order[i])
                continue;
            answer->reason = order[i];
            memcpy(answer->message, f->answer.message, sizeof answer->message);
            return;
        }
    }
    for (int type = 0; type < DNS_TYPES; type++) {
        if (!l->findings[type].asked || l->findings[type].known)
            continue;
        answer->reason = REASON_TIMEOUT;
        answer->expired = true;
        snprintf(answer->message, sizeof answer->message, "no answer from the resolver (%s) for %s",
                 dns_servers(l->dns), l->host);
        return;
    }
    answer->reason = REASON_NO_ADDRESS;
    snprintf(answer->message, sizeof answer->message,
             "%s exists, but has no address: neither an A nor an AAAA record", l->host);
}

/* One family was asked for and the host has none of it. */
static void judge_family(const struct lookup *l, enum dns_type type, struct lookup_answer *answer)
{
    bool other = is_good(&l->findings[!type]);

    answer->reason = other ? REASON_NO_ADDRESS_FOR_FAMILY : REASON_NO_ADDRESS;
    snprintf(answer->message, sizeof answer->message, "%s has no %s address%s%s%s", l->host,
             family_names[type], other ? ", only " : "", other ? family_names[!type] : "",
             other ? " ones" : "");
}

static void conclude(const struct lookup *l, struct lookup_answer *answer)
{
    enum dns_type only = only_type(l);

    answer->at_us = l->at_us;
    for (int type = 0; type < DNS_TYPES; type++) {
        answer->alias = answer->alias || l->findings[type].answer.alias;
        answer->operators = answer->operators || l->findings[type].answer.operators;
    }
    if (only < DNS_TYPES && l->findings[only].known && l->findings[only].answer.reason == REASON_NO_ADDRESS) {
        judge_family(l, only, answer);
        return;
    }
    for (int type = 0; type < DNS_TYPES; type++) {
        const struct finding *f = &l->findings[type];

        if (only < DNS_TYPES && only != (enum dns_type)type)
            continue;
        if (is_good(f))
            add(answer, &f->answer);
        else if (f->asked && !(f->known && (f->answer.reason == REASON_NO_ADDRESS ||
                                            f->answer.reason == REASON_NXDOMAIN)))
            answer->partial = true;
    }
    if (!answer->count) {
        answer->partial = false;
        judge(l, answer);
    }
}

static void lookup_free(struct lookup *l)
{
    for (int type = 0; type < DNS_TYPES; type++)
        dns_forget(l->findings[type].query);
    handle_close_timer(l->timer);
    free(l->host);
    free(l);
}

static void on_over(uv_timer_t *timer)
{
    struct lookup *l = timer->data;
    struct lookup_answer answer = {0};
    lookup_done *done = l->done;
    void *context = l->context;

    if (l->at_us == CLOCK_NONE)
        l->at_us = clock_mono_us();
    conclude(l, &answer);
    lookup_free(l);
    done(context, &answer);
}

/* ---- the way there ---- */

static void on_answer(void *context, enum dns_type type, const struct dns_answer *answer);

static void ask(struct lookup *l, enum dns_type type)
{
    struct finding *f = &l->findings[type];

    f->asked = true;
    l->asking = true;
    f->query = dns_ask(l->dns, l->host, l->absolute, type, on_answer, l);
    l->asking = false;
}

/* Looks at what is known: asks on, or ends, in the loop's next turn. */
static void settle(struct lookup *l)
{
    enum dns_type only = only_type(l);
    int64_t now_us = clock_mono_us();
    size_t open = 0, good = 0;

    if (only < DNS_TYPES && l->findings[only].known && l->findings[only].answer.reason == REASON_NO_ADDRESS &&
        !l->findings[!only].asked)
        ask(l, !only);
    for (int type = 0; type < DNS_TYPES; type++) {
        open += l->findings[type].asked && !l->findings[type].known;
        good += is_good(&l->findings[type]);
    }
    if (!open) {
        l->at_us = now_us;
        handle_at(l->timer, on_over, now_us);
    } else if (good) {
        handle_at(l->timer, on_over, now_us + (l->deadline_us - now_us) / 2);
    }
}

static void on_answer(void *context, enum dns_type type, const struct dns_answer *answer)
{
    struct lookup *l = context;
    struct finding *f = &l->findings[type];

    f->query = NULL;
    f->known = true;
    f->answer = *answer;
    if (!l->asking)
        settle(l);
}

static bool in_hosts_file(struct lookup *l)
{
    struct finding *f = l->findings;

    for (int type = 0; type < DNS_TYPES; type++) {
        if (!dns_hosts(l->dns, l->host, (enum dns_type)type, &f[type].answer))
            return false;
        f[type].asked = f[type].known = true;
    }
    return true;
}

static struct lookup *start(struct dns *dns, uv_loop_t *loop, const char *host, enum family family,
                            bool absolute, int64_t deadline_us)
{
    struct lookup *l = mem_alloc(sizeof *l);

    l->dns = dns;
    l->host = mem_dup(host);
    l->family = family;
    l->absolute = absolute;
    l->deadline_us = deadline_us;
    l->at_us = CLOCK_NONE;
    l->timer = handle_timer(loop, l);
    handle_at(l->timer, on_over, deadline_us);
    return l;
}

static struct lookup *begin(struct lookup *l, lookup_done *done, void *context)
{
    enum dns_type only = only_type(l);

    l->done = done;
    l->context = context;
    if (!in_hosts_file(l)) {
        for (int type = 0; type < DNS_TYPES; type++)
            if (only == DNS_TYPES || only == (enum dns_type)type)
                ask(l, (enum dns_type)type);
    }
    settle(l);
    return l;
}

struct lookup *lookup_start(struct dns *dns, uv_loop_t *loop, const char *host, enum family family,
                            int64_t deadline_us, lookup_done *done, void *context)
{
    return begin(start(dns, loop, host, family, false, deadline_us), done, context);
}

struct lookup *lookup_start_absolute(struct dns *dns, uv_loop_t *loop, const char *host, enum family family,
                                     int64_t deadline_us, lookup_done *done, void *context)
{
    return begin(start(dns, loop, host, family, true, deadline_us), done, context);
}

void lookup_cancel(struct lookup *lookup)
{
    if (lookup)
        lookup_free(lookup);
}
