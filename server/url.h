/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_URL_H
#define SERVER_URL_H

#include "probe/base/arena.h"
#include "probe/base/span.h"

#include <stddef.h>

/*
 * The target of a request (RFC 9112 section 3.2), taken apart and decoded, strictly: what comes out is valid
 * UTF-8 without any control character. Pure.
 */
#define URL_MAX_SEGMENTS   8
#define URL_MAX_PARAMETERS 16

struct url_parameter {
    const char *name;
    const char *value;
};

struct url {
    const char *segments[URL_MAX_SEGMENTS]; /* "/check/mx1" has two; "/" has one, which is empty */
    size_t segment_count;
    struct url_parameter parameters[URL_MAX_PARAMETERS];
    size_t parameter_count;
};

/* Why a target is refused. */
struct url_mistake {
    const char *parameter; /* the offending one; null when it is the path or has no readable name */
    const char *detail;    /* a sentence */
};

/* Texts live in the arena. 0, or -1 with the mistake. */
int url_parse(struct arena *arena, struct span target, struct url *url_r, struct url_mistake *mistake_r);

/* Whether every parameter is one of those known here; 0, or -1 with the mistake, which names the nearest. */
int url_check(struct arena *arena, const struct url *url, const char *const *known, size_t known_count,
              struct url_mistake *mistake_r);

/* The parameter's value or null. */
const char *url_value(const struct url *url, const char *name);

#endif
