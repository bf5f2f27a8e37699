/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the client of a talk claims to be. */
#include "tests/talk/talk_claim.h"

#include "config/endpoint.h"
#include "probe/proto/proxy_header.h"
#include "tests/talk/talk.h"
#include "tests/talk/words.h"

#include <stdlib.h>
#include <string.h>

static bool read_proxy(struct arena *a, struct plan_proxy *proxy, const char *value)
{
    char *rest = arena_dup(a, value);
    const char *version = words_next(a, &rest);
    const char *who = words_next(a, &rest);

    if (!version || !who)
        return false;
    proxy->wanted = true;
    proxy->version = (unsigned)atoi(version);
    proxy->local = strcmp(who, "local") == 0;
    return proxy->local || !endpoint_literal(who, &proxy->source);
}

static bool read_attribute(struct plan *plan, char *pair)
{
    const char *value = words_value(pair);

    for (enum xclient x = 0; x < XCLIENT_COUNT && value; x++) {
        if (strcmp(pair, xclient_name(x)) == 0) {
            plan->xclient[x] = value;
            return true;
        }
    }
    return false;
}

static bool read_xclient(struct arena *a, struct plan *plan, const char *value)
{
    char *rest = arena_dup(a, value);

    for (char *pair = words_next(a, &rest); pair; pair = words_next(a, &rest))
        if (!read_attribute(plan, pair))
            return false;
    return true;
}

bool talk_claim_read(struct arena *a, struct plan *plan, const char *key, const char *value)
{
    if (strcmp(key, "proxy") == 0)
        return read_proxy(a, &plan->proxy, value);
    return strcmp(key, "xclient") == 0 && read_xclient(a, plan, value);
}

struct span talk_header(struct arena *a, const struct talk *talk, const struct address *server)
{
    char header[PROXY_HEADER_SIZE];
    size_t len = proxy_header_build(&talk->plan.proxy, server, header);

    return (struct span){arena_dup_span(a, (struct span){header, len}), len};
}
