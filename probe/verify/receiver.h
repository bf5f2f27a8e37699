/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_RECEIVER_H
#define PROBE_VERIFY_RECEIVER_H

#include "probe/net/tls_context.h"
#include "probe/proto/sink.h"

#include <uv.h>

/*
 * The sessions of one built-in receiver on a loop: each connection it is given is played by a sink
 * (probe/proto/sink.h). Who listens, and where, is the caller's.
 */
struct receiver;

#define RECEIVER_MAX_SESSIONS 100

/* There is room for a session after there was none. */
typedef void receiver_room(void *context);

/* The policy is kept. So many sessions at a time. */
struct receiver *receiver_new(uv_loop_t *loop, const struct sink_policy *policy, size_t max_sessions,
                              receiver_room *room, void *context);

/* What sessions that begin from now on speak TLS with; they keep it. Null: they do not, and the policy offers
 * none. */
void receiver_set_tls(struct receiver *receiver, struct tls_context *context);

/* Takes a connected, non-blocking socket, whatever becomes of it. Over the limit it is told to come back;
 * whoever can let it wait instead asks before. */
void receiver_take(struct receiver *receiver, int fd);
bool receiver_is_full(const struct receiver *receiver);

/* Every session is told that it is over and closed. Memory follows after the loop has run once more. */
void receiver_free(struct receiver *receiver); /* null is fine */

#endif
