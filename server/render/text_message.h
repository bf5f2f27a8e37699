/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_TEXT_MESSAGE_H
#define SERVER_RENDER_TEXT_MESSAGE_H

#include "probe/base/buffer.h"
#include "probe/result.h"

/* Below a route: the reply to its message, and its delivery. Nothing where there is neither. */
void text_message_route(struct buffer *out, const struct result *r, const struct result_route *route,
                        int64_t now_us);

/* In a verdict: the message that the failure is about; the messages that are under way. */
void text_message_failed(struct buffer *out, const struct result *r);
void text_message_pending(struct buffer *out, const struct result *r);

#endif
