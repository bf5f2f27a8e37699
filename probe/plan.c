/* SPDX-License-Identifier: Apache-2.0 */
/* The names and defaults of what a plan can say. */
#include "probe/plan.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <assert.h>
#include <stdio.h>

static const char *const family_names[FAMILY_COUNT] = {
    [FAMILY_ANY] = "any",
    [FAMILY_IPV4] = "ipv4",
    [FAMILY_IPV6] = "ipv6",
    [FAMILY_EACH] = "each",
};

static const char *const mx_require_names[MX_REQUIRE_COUNT] = {
    [MX_REQUIRE_ALL] = "all",
    [MX_REQUIRE_ANY] = "any",
};

static const struct {
    const char *name;
    const char *hello;
} protocols[PROTOCOL_COUNT] = {
    [PROTOCOL_SMTP] = {"smtp", "EHLO"},
    [PROTOCOL_LMTP] = {"lmtp", "LHLO"},
};

static const struct {
    const char *key;
    int64_t seconds;
} limits[LIMIT_COUNT] = {
    [LIMIT_RUN] = {"timeout", 30},
    [LIMIT_DNS] = {"timeouts.dns", 5},
    [LIMIT_CONNECT] = {"timeouts.connect", 5},
    [LIMIT_TLS] = {"timeouts.tls", 10},
    [LIMIT_BANNER] = {"timeouts.banner", 15},
    [LIMIT_REPLY] = {"timeouts.reply", 15},
    [LIMIT_MESSAGE] = {"timeouts.message", 20},
    [LIMIT_FINAL] = {"timeouts.final", 25},
    [LIMIT_QUIT] = {"timeouts.quit", 1},
};

static const char *const tls_mode_names[TLS_MODE_COUNT] = {
    [TLS_MODE_OFF] = "off",
    [TLS_MODE_OPPORTUNISTIC] = "opportunistic",
    [TLS_MODE_STARTTLS] = "starttls",
    [TLS_MODE_IMPLICIT] = "implicit",
};

static const char *const tls_min_names[TLS_MIN_COUNT] = {
    [TLS_MIN_12] = "TLS12",
    [TLS_MIN_13] = "TLS13",
    [TLS_MIN_11] = "TLS11",
    [TLS_MIN_10] = "TLS10",
};

static const char *const xclient_names[XCLIENT_COUNT] = {
    [XCLIENT_ADDR] = "ADDR",         [XCLIENT_NAME] = "NAME",         [XCLIENT_PORT] = "PORT",
    [XCLIENT_PROTO] = "PROTO",       [XCLIENT_HELO] = "HELO",         [XCLIENT_LOGIN] = "LOGIN",
    [XCLIENT_DESTADDR] = "DESTADDR", [XCLIENT_DESTPORT] = "DESTPORT",
};

const char *family_name(enum family f)
{
    assert(f < FAMILY_COUNT);
    return family_names[f];
}

const char *mx_require_name(enum mx_require r)
{
    assert(r < MX_REQUIRE_COUNT);
    return mx_require_names[r];
}

bool plan_is_several(const struct plan *plan)
{
    return plan->mx || plan->family == FAMILY_EACH;
}

enum family plan_family(const struct plan *plan)
{
    int source = address_family(&plan->source);

    if (source == AF_UNSPEC && plan->proxy.wanted && !plan->proxy.local)
        source = address_family(&plan->proxy.source);
    if (plan->family == FAMILY_IPV4 || plan->family == FAMILY_IPV6)
        return plan->family;
    if (source == AF_UNSPEC)
        return FAMILY_ANY;
    return source == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
}

const char *protocol_name(enum protocol p)
{
    assert(p < PROTOCOL_COUNT);
    return protocols[p].name;
}

const char *protocol_hello(enum protocol p)
{
    assert(p < PROTOCOL_COUNT);
    return protocols[p].hello;
}

const char *limit_key(enum limit l)
{
    assert(l < LIMIT_COUNT);
    return limits[l].key;
}

const char *tls_mode_name(enum tls_mode m)
{
    assert(m < TLS_MODE_COUNT);
    return tls_mode_names[m];
}

const char *tls_min_name(enum tls_min m)
{
    assert(m < TLS_MIN_COUNT);
    return tls_min_names[m];
}

const char *xclient_name(enum xclient x)
{
    assert(x < XCLIENT_COUNT);
    return xclient_names[x];
}

bool plan_has_xclient(const struct plan *plan)
{
    for (enum xclient x = 0; x < XCLIENT_COUNT; x++)
        if (plan->xclient[x])
            return true;
    return false;
}

int64_t limit_default_us(enum limit l)
{
    assert(l < LIMIT_COUNT);
    return limits[l].seconds * CLOCK_US_PER_S;
}

bool plan_route_sends(const struct plan_route *route)
{
    bool wants_message = route->expect & (EXPECT_QUEUED | EXPECT_DELIVERED);

    return !(route->expect & EXPECT_ACCEPTED) && (wants_message || route->at_final);
}

bool plan_route_is_delivered(const struct plan_route *route)
{
    return (route->expect & EXPECT_DELIVERED) && !(route->expect & (EXPECT_ACCEPTED | EXPECT_QUEUED));
}

size_t plan_letter_octets(const struct plan_letter *letter)
{
    size_t octets = letter->wire.len;

    for (size_t i = 0; i < letter->rest_count; i++)
        octets += letter->rest[i].len;
    return octets;
}

bool plan_route_wants_dsn(const struct plan_route *route)
{
    return route->dsn.notify || route->dsn.ret != PLAN_RET_UNSAID || route->dsn.envid;
}

const char *plan_notify_name(enum plan_notify n)
{
    switch (n) {
    case PLAN_NOTIFY_NEVER:
        return "never";
    case PLAN_NOTIFY_SUCCESS:
        return "success";
    case PLAN_NOTIFY_FAILURE:
        return "failure";
    case PLAN_NOTIFY_DELAY:
        return "delay";
    }
    assert(!"a notification");
    return NULL;
}

const char *plan_ret_name(enum plan_ret r)
{
    static const char *const names[] = {
        [PLAN_RET_UNSAID] = NULL, [PLAN_RET_FULL] = "full", [PLAN_RET_HDRS] = "hdrs"};
    return names[r];
}

const char *expect_name(enum expect e)
{
    switch (e) {
    case EXPECT_ACCEPTED:
        return "accepted";
    case EXPECT_QUEUED:
        return "queued";
    case EXPECT_DELIVERED:
        return "delivered";
    case EXPECT_DEFERRED:
        return "deferred";
    case EXPECT_REJECTED:
        return "rejected";
    }
    assert(!"an expectation");
    return NULL;
}

void plan_say_over(const struct plan *plan, char out_r[PLAN_OVER_SIZE])
{
    char limit[TEXT_DURATION_SIZE];

    text_duration(plan->limits_us[LIMIT_RUN], limit);
    snprintf(out_r, PLAN_OVER_SIZE, "when the time of the run was over (%s, %s)", limit_key(LIMIT_RUN),
             limit);
}
