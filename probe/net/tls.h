/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_TLS_H
#define PROBE_NET_TLS_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/net/tls_context.h"
#include "probe/result.h"
#include "probe/verdict.h"

#include <stddef.h>
#include <stdint.h>

/*
 * TLS without a socket: encrypted bytes with their time come in and go out, and so does what is inside.
 *
 * A client sends nothing through a connection whose certificate is not good (unless its settings skip that),
 * but the handshake is always played to its end, so that all it shows can be shown.
 */

#define TLS_MAX_HANDSHAKE (640 * 1024) /* encrypted bytes received until the handshake is over */
#define TLS_MAX_IDLE      64           /* records after the handshake with nothing for us inside */
#define TLS_RECEIVE_MOST  (256 * 1024) /* bytes handed over at once */
#define TLS_WRITE_MOST    (16 * 1024)
#define TLS_MESSAGE_SIZE  1536

enum tls_state {
    TLS_HANDSHAKING,
    TLS_UP,
    TLS_CLOSED, /* the peer said that it ends (close_notify) */
    TLS_FAILED  /* tls_failure says why; what is left to be sent is an alert */
};

/* One connection. host: whom the client asks for and the certificate must be for, a name or an IP literal;
 * null for a server. A client wants to send at once. */
struct tls *tls_new(struct tls_context *context, const char *host);
void tls_free(struct tls *t); /* null is fine */

/* From now on no sentence quotes what the peer wrote in the place of TLS. */
void tls_hide(struct tls *t);

enum tls_state tls_state(const struct tls *t);

/* Encrypted bytes came at that time; what was inside must have been read before more is received. */
void tls_receive(struct tls *t, struct span bytes, int64_t at_us);

/* The connection is over, how: REASON_CLOSED or REASON_RESET. Closed without the end of TLS is truncated. */
void tls_broken(struct tls *t, enum reason how);

/* Encrypted bytes to be sent, until tls_sent tells that so many were. */
struct span tls_output(const struct tls *t);
void tls_sent(struct tls *t, size_t len);

/* What was inside, up to size bytes of it, and when what completed its record came; 0 = nothing. All that
 * came before TLS ended or failed can be read. */
size_t tls_read(struct tls *t, char *data, size_t size, int64_t *at_us_r);

/* How many of the bytes were taken: TLS_WRITE_MOST at most, so that little lies encrypted; none unless up. */
size_t tls_write(struct tls *t, struct span bytes);

/* Says that this side ends, once, and waits for nothing; what the peer still says can be read. */
void tls_shut(struct tls *t);

/* Why it failed, with a sentence; REASON_NONE and "" when it has not. A TLS 1.3 server refuses the
 * client's certificate only after the client's handshake: the state is then TLS_UP for a while before. */
enum reason tls_failure(const struct tls *t, const char **message_r);

/* What the handshake showed, as far as it came; everything in the arena. */
void tls_show(const struct tls *t, struct arena *a, struct result_tls *out_r);
uint64_t tls_flags(const struct tls *t);

const char *tls_version(void); /* of the library: "3.0.17" */

#endif
