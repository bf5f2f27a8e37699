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
struct sasl;

/* Nothing is done yet. login and host (the server's name or address as configured) are kept until
 * sasl_free. */
struct sasl *sasl_new(uv_loop_t *loop, const struct auth_login *login, const char *host, uint16_t port);

/* Called once for each sasl_ask, from the loop, never from inside it. */
typedef void sasl_done(void *context, const struct auth_answer *answer);

/* One question at a time. The first of an exchange says which mechanism it is. */
void sasl_ask(struct sasl *s, const struct auth_question *question, sasl_done *done, void *context);

/* Done will not be called any more. An answer that is being made is thrown away when it is there, without
 * touching login or host. Null is fine. */
void sasl_free(struct sasl *s);

#endif
