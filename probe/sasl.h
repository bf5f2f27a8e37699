/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_SASL_H
#define PROBE_SASL_H

#include "probe/auth.h"

#include <stdint.h>
#include <uv.h>

/*
 * The client's side of one login (RFC 4422): challenges in, responses out. An answer may cost milliseconds
 * (SCRAM), or a file to be read (tokens), so each is made on a thread of libuv's pool, never on the loop.
 */
#define SASL_MAX_CHALLENGE  4096    /* octets of base64; as a reply line */
#define SASL_MAX_LINE       12288   /* a response with its CRLF, RFC 4954 section 4 */
#define SASL_MAX_ITERATIONS 1000000 /* of SCRAM: a second of one core */
#define SASL_MAX_DETAIL     512     /* octets of what a server says of a failure */

struct sasl;

/* Nothing is done yet. What is given is copied. */
struct sasl *sasl_new(uv_loop_t *loop, const struct auth_login *login, const char *host, uint16_t port);

/* What no reply may show, be it before the first question: a server may know the secrets from another login.
 * (What a token file holds is known from the first answer on.) The same as that of the answers, and s's. */
const struct mask *sasl_mask(const struct sasl *s);

/* Called once for each sasl_ask, from the loop, never from inside it. May free s. */
typedef void sasl_done(void *context, const struct auth_answer *answer);

/* One question at a time; it is copied. The first of an exchange says which mechanism it is. The mask of an
 * answer grows with later ones, on the loop. */
void sasl_ask(struct sasl *s, const struct auth_question *question, sasl_done *done, void *context);

/* Done will not be called any more. An answer that is being made is thrown away when it is there; the loop
 * must turn until then. Null is fine. */
void sasl_free(struct sasl *s);

const char *sasl_version(void); /* of the library: "2.2.0" */

#endif
