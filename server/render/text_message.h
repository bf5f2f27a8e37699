/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_TEXT_MESSAGE_H
#define SERVER_RENDER_TEXT_MESSAGE_H

#include "server/render/render.h"

/* "250 2.0.0 Ok: queued as 4Z1x": a reply in one line, its text taken from the share (null = it has none). */
void text_message_reply(struct buffer *out, int code, struct enhanced enhanced, const char *text,
                        struct render_share *share);

/* Below a route: the reply to its message, and its delivery. Nothing where there is neither. */
void text_message_route(struct buffer *out, const struct result *r, const struct result_route *route,
                        int64_t now_us, struct render_share *share);

/* In a verdict: the message that the failure is about; the messages that are under way. */
void text_message_failed(struct buffer *out, const struct result *r);
void text_message_pending(struct buffer *out, const struct result *r);

#endif
