/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_SPAN_H
#define PROBE_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>

/* Some bytes that somebody else owns. Not terminated; may hold any byte, NUL too. */
struct span {
    const char *data;
    size_t len;
};

struct span span_of(const char *text);                /* null is the empty span */
bool span_is(struct span s, const char *text);        /* same bytes */
bool span_is_nocase(struct span s, const char *text); /* same but for ASCII case */

#endif
