/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the views share: counting a set, numbers as digits, and which command a failure is about. Numbers are
 * made from whole microseconds by division, so that none is ever shown as 0.10000000000000001.
 */
#include "server/render/render.h"

#include "probe/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* min_pass is not 0. */
static enum status status_of_enough(const struct render_set *set)
{
    size_t counts[STATUS_COUNT];

    render_set_count(set, counts);
    size_t good = counts[STATUS_PASS] + counts[STATUS_WARN];
    if (good >= set->min_pass)
        return counts[STATUS_PASS] == set->count ? STATUS_PASS : STATUS_WARN;
    return good + counts[STATUS_UNKNOWN] >= set->min_pass ? STATUS_UNKNOWN : STATUS_FAIL;
}

enum status render_set_status(const struct render_set *set)
{
    if (set->min_pass > 0)
        return status_of_enough(set);
    enum status worst = set->count ? STATUS_PASS : STATUS_UNKNOWN;
    for (size_t i = 0; i < set->count; i++)
        if (set->results[i]->status > worst)
            worst = set->results[i]->status;
    return worst;
}

void render_set_count(const struct render_set *set, size_t counts_r[STATUS_COUNT])
{
    memset(counts_r, 0, STATUS_COUNT * sizeof(*counts_r));
    for (size_t i = 0; i < set->count; i++)
        counts_r[set->results[i]->status]++;
}

void render_set_summary(const struct render_set *set, char out_r[RENDER_SUMMARY_SIZE])
{
    static const struct {
        enum status status;
        const char *one, *many;
    } others[] = {
        {STATUS_FAIL, "fails", "fail"},
        {STATUS_UNKNOWN, "is unknown", "are unknown"},
        {STATUS_WARN, "warns", "warn"},
    };
    size_t counts[STATUS_COUNT];

    if (set->count == 0) {
        snprintf(out_r, RENDER_SUMMARY_SIZE, "no targets");
        return;
    }
    render_set_count(set, counts);
    int len =
        snprintf(out_r, RENDER_SUMMARY_SIZE, "%zu of %zu target%s %s", counts[STATUS_PASS], set->count,
                 set->count == 1 ? "" : "s", counts[STATUS_PASS] == 1 || set->count == 1 ? "passes" : "pass");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        size_t count = counts[others[i].status];
        if (count)
            len += snprintf(out_r + len, RENDER_SUMMARY_SIZE - (size_t)len, ", %zu %s", count,
                            count == 1 ? others[i].one : others[i].many);
    }
    if (set->min_pass > 0)
        snprintf(out_r + len, RENDER_SUMMARY_SIZE - (size_t)len, "; at least %zu must pass", set->min_pass);
}

static int64_t not_negative(int64_t us)
{
    return us < 0 ? 0 : us;
}

void render_ms(int64_t us, char out_r[RENDER_NUMBER_SIZE])
{
    us = not_negative(us);
    snprintf(out_r, RENDER_NUMBER_SIZE, "%" PRId64 ".%03" PRId64, us / 1000, us % 1000);
}

void render_ms_tenth(int64_t us, char out_r[RENDER_NUMBER_SIZE])
{
    int64_t tenths = (not_negative(us) + 50) / 100;
    snprintf(out_r, RENDER_NUMBER_SIZE, "%" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
}

void render_seconds(int64_t us, char out_r[RENDER_NUMBER_SIZE])
{
    us = not_negative(us);
    int len = snprintf(out_r, RENDER_NUMBER_SIZE, "%" PRId64 ".%06" PRId64, us / CLOCK_US_PER_S,
                       us % CLOCK_US_PER_S);
    while (out_r[len - 1] == '0')
        len--;
    if (out_r[len - 1] == '.')
        len--;
    out_r[len] = '\0';
}

void render_host(const char *host, uint16_t port, char out_r[RENDER_HOST_SIZE])
{
    bool literal = strchr(host, ':');
    if (address_is_path(host)) {
        snprintf(out_r, RENDER_HOST_SIZE, "%.260s", host);
        return;
    }
    snprintf(out_r, RENDER_HOST_SIZE, "%s%.260s%s:%u", literal ? "[" : "", host, literal ? "]" : "", port);
}

void render_address(const struct address *a, char out_r[RENDER_HOST_SIZE])
{
    char text[ADDRESS_TEXT_SIZE];
    address_text(a, text);
    if (address_family(a) == AF_UNIX) {
        snprintf(out_r, RENDER_HOST_SIZE, ADDRESS_UNIX "%s", text);
        return;
    }
    render_host(text, address_port(a), out_r);
}

void render_target(const struct plan *plan, char out_r[RENDER_HOST_SIZE])
{
    if (!plan->mx)
        render_host(plan->host, plan->port, out_r);
    else if (plan->port == PLAN_SMTP_PORT)
        snprintf(out_r, RENDER_HOST_SIZE, "mx:%.260s", plan->host);
    else
        snprintf(out_r, RENDER_HOST_SIZE, "mx:%.260s:%u", plan->host, plan->port);
}

void render_ends(const struct result *r, char out_r[RENDER_ENDS_SIZE])
{
    char local[RENDER_HOST_SIZE], peer[RENDER_HOST_SIZE];
    bool named = address_family(&r->local) != AF_UNIX;

    render_address(&r->local, local);
    render_address(&r->peer, peer);
    snprintf(out_r, RENDER_ENDS_SIZE, "%s%s-> %s", named ? local : "", named ? " " : "", peer);
}

int64_t render_age_us(const struct result *r, int64_t now_us)
{
    return render_since_us(r->ended_mono_us, now_us);
}

int64_t render_since_us(int64_t past_us, int64_t now_us)
{
    return not_negative(now_us - past_us);
}

const struct render_share render_share_whole = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
const struct render_share render_share_set = {20, 1024, (size_t)32 * 1024};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t render_take(struct render_share *share, const char *text)
{
    size_t len = strlen(text);
    size_t part = least(len, least(share->octets, share->left));

    while (part < len && part > 0 && ((unsigned char)text[part] & 0xc0) == 0x80)
        part--;
    share->left -= part;
    return part;
}

size_t render_lines(const struct render_share *share, const struct result_reply *reply)
{
    return least(reply->line_count, share->lines);
}

/* Whether the command stands where the run failed. Bytes that nobody asked for are no command, unless the run
 * failed of them. */
static bool is_about(const struct result *r, const struct result_command *c)
{
    const char *route = r->failure.route;

    if (c->phase != r->failure.phase || (c->unasked && r->failure.reason != REASON_UNSOLICITED))
        return false;
    if (!route)
        return true;
    const char *own = c->route < 0 ? NULL : r->routes[c->route].name;
    return own && strcmp(own, route) == 0;
}

/* Several commands of the phase may have gone wrong (EHLO refused, then HELO; two recipients): the reply
 * code tells which one decided. It may even be one that was as wanted, but ended the session (421). */
size_t render_culprit(const struct result *r)
{
    size_t last = r->command_count;
    size_t decided = r->command_count;

    if (r->failure.reason == REASON_NONE)
        return last;
    for (size_t i = 0; i < r->command_count; i++) {
        const struct result_command *c = &r->commands[i];
        if (!is_about(r, c))
            continue;
        bool same = (c->replied ? c->reply.code : 0) == r->failure.code;
        if (same && !c->ok)
            return i;
        if (same)
            decided = i;
        if (!c->ok)
            last = i;
    }
    return decided < r->command_count ? decided : last;
}
