/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_TRANSCRIPT_H
#define SERVER_RENDER_TRANSCRIPT_H

#include "server/render/render.h"

/* The dialogue for people: a line for each line that went over the wire, with its time. What servers said is
 * taken from the share. */
void transcript_write(struct buffer *out, const struct result *r, struct render_share *share);

/* One line of the command's reply as it came, with its code: "250-PIPELINING". */
void transcript_reply_line(struct buffer *out, const struct result *r, size_t command, size_t line);

/* "accepted", "deferred or rejected": what a route wants. */
void transcript_expect(struct buffer *out, unsigned expect);

#endif
