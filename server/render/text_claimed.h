/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_TEXT_CLAIMED_H
#define SERVER_RENDER_TEXT_CLAIMED_H

#include "probe/base/buffer.h"
#include "probe/result.h"

/* For people: whom ehlod claimed to be, and what the server made of it. */

bool text_claimed_any(const struct result_claimed *claimed);

/* The line of facts; nothing where nothing was claimed. */
void text_claimed_facts(struct buffer *out, const struct result_claimed *claimed);

/* " as 198.51.100.4 (XCLIENT accepted)" behind the mark; nothing where the server believed nothing of the
 * kind. */
void text_claimed_as(struct buffer *out, const char *mark, const struct result_claimed *claimed);

#endif
