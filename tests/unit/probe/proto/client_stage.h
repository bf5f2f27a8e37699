/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_PROTO_CLIENT_STAGE_H
#define TESTS_UNIT_PROBE_PROTO_CLIENT_STAGE_H

/* A client without a wire: the test is the server, and the clock. */

#include "probe/proto/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct stage {
    struct arena arena;
    struct plan plan;
    struct result draft;
    struct client client;
    int64_t now_us;
};

static inline int tear_down(void **state)
{
    struct stage *s = *state;
    client_free(&s->client);
    arena_free(&s->arena);
    return 0;
}

static inline void says(struct stage *s, const char *bytes)
{
    client_receive(&s->client, span_of(bytes), s->now_us, s->now_us);
}

/* The client wants to say this line, and does. */
static inline void hears(struct stage *s, const char *line)
{
    struct span out = client_output(&s->client);
    assert_int_equal(out.len, strlen(line) + 2);
    assert_memory_equal(out.data, line, strlen(line));
    client_sent(&s->client, out.len, s->now_us);
    assert_int_equal(client_want(&s->client), SEAM_READ);
}

#endif
