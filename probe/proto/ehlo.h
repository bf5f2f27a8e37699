/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_EHLO_H
#define PROBE_PROTO_EHLO_H

#include "probe/base/arena.h"
#include "probe/result.h"

/* What the server offered (RFC 5321 section 4.1.1.1), normalised: keywords in upper case, parameters
 * parted by single spaces, "AUTH=PLAIN" read as "AUTH PLAIN", keywords said twice united. A line that is
 * no keyword is passed over. */
#define EHLO_MAX_PARAMS 4096 /* octets kept of one keyword's parameters */

struct ehlo {
    const char *name; /* as the server calls itself on the first line; null = it does not */
    struct result_extension *extensions;
    size_t count;
    uint64_t flags;
};

/* From the lines of the reply, without their codes. */
void ehlo_read(struct ehlo *e, struct arena *a, const char *const *lines, size_t count);

/* Keywords that a server may well offer (IANA's registry of SMTP service extensions, and Postfix' own). */
#define EHLO_KNOWN 18
extern const char *const ehlo_keywords[EHLO_KNOWN];

/* What of it stands in that list, without parameters; the server's name is none of it. Shares nothing with
 * it. */
void ehlo_known(struct ehlo *e, struct arena *a, const struct ehlo *of);

/* The parameters of that keyword ("" for none), or null when it was not offered. */
const char *ehlo_find(const struct ehlo *e, const char *keyword);

#endif
