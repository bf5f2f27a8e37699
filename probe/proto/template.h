/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_TEMPLATE_H
#define PROBE_PROTO_TEMPLATE_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/plan.h"

/*
 * The messages of routes: a file with a header and a body (RFC 5322) and {{names}} in it. Read once, whatever
 * number of routes and runs it serves: the body is held as it goes over the wire, and a letter points into
 * it; only the header is written for each run.
 *
 * Lines end with LF or CRLF. A header line of more than TEMPLATE_MAX_LINE octets is folded; nothing else of
 * the text is changed.
 */
#define TEMPLATE_MAX_FILE     ((size_t)64 * 1024 * 1024)
#define TEMPLATE_MAX_LINE     998         /* octets without CRLF, RFC 5322 section 2.1.1 */
#define TEMPLATE_MAX_HEADER   (64 * 1024) /* octets, filled in */
#define TEMPLATE_MAX_PLACES   1000        /* {{names}} in a body */
#define TEMPLATE_MAX_PADDED   ((size_t)256 * 1024 * 1024)
#define TEMPLATE_MAX_MISTAKES 20 /* more are not told */

/* What may stand between {{ and }}. */
enum template_name {
    TEMPLATE_HOSTNAME, /* as we greet */
    TEMPLATE_FROM,
    TEMPLATE_TO, /* all recipients, ", " between them */
    TEMPLATE_TARGET,
    TEMPLATE_ROUTE,
    TEMPLATE_ADDRESS, /* of the server, an IP address as a literal */
    TEMPLATE_DATE,    /* these three are of a run */
    TEMPLATE_TOKEN,
    TEMPLATE_MESSAGE_ID,
    TEMPLATE_NAME_COUNT
};

/* What is wrong with a text. */
struct template_mistake {
    unsigned line; /* from 1; 0 = the text as a whole */
    const char *text;
};

/* In order; a zeroed one is empty. */
struct template_mistakes {
    struct template_mistake list[TEMPLATE_MAX_MISTAKES];
    size_t count;
};

/* Copies what it needs into the arena; a byte order mark before it is dropped. Null when something is wrong
 * with it; the mistakes' texts are in the scratch arena. */
const struct template *template_read(struct arena *a, struct arena *scratch, struct span text,
                                     struct template_mistakes *mistakes);

/* The built-in message: small, ASCII where its values are, with every field that mail servers look for. */
const struct template *template_built_in(struct arena *a);

/*
 * What template and values of the message come to: sets its octets (without padding), hash and is_8bit, and
 * *is_utf8_r when the header is not ASCII. The values of a run (TEMPLATE_DATE and on) are not looked at:
 * those of all runs are as long as each other. -1 when it could not be sent, and then nothing is set.
 */
int template_check(struct arena *scratch, struct plan_message *message, bool *is_utf8_r,
                   struct template_mistakes *mistakes);

/* Lines that messages are padded with, for plan_message.pad. */
struct span template_pad(struct arena *a);

/* Whether lines can make so many octets: all but 1. */
bool template_can_pad(size_t octets);

/* The letter of one run, of a message that was checked. It points to template, values, token and padding. Of
 * its own it needs the header and a span for each place and for every 256 KiB of padding. */
struct plan_letter template_write(struct arena *a, const struct plan_message *message, const char *token,
                                  int64_t wall_us);

#endif
