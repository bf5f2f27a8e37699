/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_TEXT_DELIVERY_H
#define SERVER_RENDER_TEXT_DELIVERY_H

#include "server/render/render.h"

/* The part of the view for people about what became of messages. For text.c and text_message.c alone. */

/* Whether the delivery is of a message that this very run sent. */
bool text_delivery_is_own(const struct result *r, const struct delivery *d);

/* Where and when it was seen, by which hops it came, what was changed; or what came instead. Nothing where
 * there is no delivery. */
void text_delivery_facts(struct buffer *out, const struct result *r, const struct delivery *d, int64_t now_us,
                         struct render_share *share);

/* Of a message that was not answered, what became of it: ", and was not delivered". */
const char *text_delivery_since(const struct delivery *d);

/* Why the mailbox of the route that failed could not be looked into; null where the result is not about that.
 */
const char *text_delivery_why(const struct result *r);

#endif
