/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_DIALOGUE_H
#define PROBE_PROTO_DIALOGUE_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/plan.h"
#include "probe/proto/placeholder.h"

#include <stdint.h>

/*
 * Dialogue files: what somebody would have piped into netcat. Read once, filled in for each run.
 *
 *     # a comment; empty lines are skipped
 *     < 220                     what the reply to the line before (at the beginning: the greeting) must be
 *     MAIL FROM:<a@example.org> sent as it stands, with CRLF, when the reply to the line before is complete
 *     DATA                      and behind a 354 the lines up to a lone dot, which may be preceded by < 354
 *     {{hostname}}              is replaced, everywhere
 *
 * Lines end with LF or CRLF.
 */
#define DIALOGUE_MAX_FILE ((size_t)32 * 1024 * 1024)
#define DIALOGUE_MAX_LINE                                                                                    \
    12288 /* octets with CRLF, as long as an AUTH response may be (RFC 4954 section 4) */
#define DIALOGUE_MAX_MESSAGE (2 * DIALOGUE_MAX_FILE) /* filled in */

/* What is wrong with a file, in the order of its lines. Texts never quote more than a placeholder's name or
 * an expectation: a line may hold a secret. */
struct dialogue_mistake {
    unsigned line; /* 0 = the file as a whole */
    const char *text;
};

#define DIALOGUE_MAX_MISTAKES 100 /* more are not told */

struct dialogue_mistakes {
    struct dialogue_mistake *list; /* in the arena */
    size_t count;
};

struct dialogue;

/* Never null. The text is kept by the caller as long as the dialogue; a BOM before it is passed over. What is
 * wrong is added to the mistakes: then it can still be written, for what is wrong with its placeholders, but
 * not be played. */
const struct dialogue *dialogue_read(struct arena *a, struct span text, struct dialogue_mistakes *mistakes);

bool dialogue_sends(const struct dialogue *d);      /* there is a message in it */
bool dialogue_starts_tls(const struct dialogue *d); /* a line of it says STARTTLS */
bool dialogue_logs_in(const struct dialogue *d);    /* and one says AUTH */

/* What placeholders stand for. */
struct dialogue_order {
    const struct placeholder *vars; /* the user's, which come before ours; values without CR and LF */
    size_t var_count;
    const char *hostname; /* as we greet */
    const char *target;
    const char *address; /* of the server, an IP address as a literal */
    const char *token;
    int64_t wall_us;
};

/* The dialogue for one run, all of it in the arena or the dialogue's; or null and what else is wrong. What is
 * good with one token and time is good with any. */
const struct plan_script *dialogue_write(struct arena *a, const struct dialogue *d,
                                         const struct dialogue_order *order,
                                         struct dialogue_mistakes *mistakes);

/* Whether it may be the name of a variable: 1 to 64 letters, digits, dots, _ and -. */
bool dialogue_is_name(const char *name);

#endif
