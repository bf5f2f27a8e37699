/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_WIRE_H
#define TESTS_TALK_WIRE_H

#include "probe/base/buffer.h"
#include "probe/net/tls.h"

#include <uv.h>

/* The server's end of one connection, in the clear or in TLS. */
struct wire {
    uv_stream_t *stream;
    struct tls *tls;                /* null in the clear */
    void (*written)(void *context); /* something that was said is on its way */
    void *context;
};

/* In the clear the bytes must stay until they are written. */
void wire_say(struct wire *w, struct span bytes);

/* What came: what it says goes to heard. Returns whether more can come: false when the client ended TLS, or
 * it failed. */
bool wire_take(struct wire *w, struct span bytes, struct buffer *heard);

/* From here on both sides speak TLS. */
void wire_secure(struct wire *w, struct tls_context *context);
bool wire_is_secure(const struct wire *w); /* the handshake is over */

/* The end of TLS, if there is any; the connection stays. */
void wire_end(struct wire *w);
void wire_free(struct wire *w);

#endif
