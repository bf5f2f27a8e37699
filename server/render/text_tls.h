/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_TEXT_TLS_H
#define SERVER_RENDER_TEXT_TLS_H

#include "server/render/render.h"

/* "TLSv1.3, verified"; null: "no TLS". */
void text_tls_short(struct buffer *out, const struct result_tls *tls);

/* The handshake in one line of the transcript: version, cipher, verified or not, whom the certificate is for,
 * and why it failed (REASON_NONE: it did not). */
void text_tls_line(struct buffer *out, const struct result_tls *tls, enum reason failed,
                   struct render_share *share);

/* All of it, a line for each certificate; nothing where TLS was never begun (null). */
void text_tls_facts(struct buffer *out, const struct result_tls *tls, struct render_share *share);

#endif
