/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_REPORT_H
#define PROBE_PROTO_REPORT_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/evidence.h"
#include "probe/proto/message.h"

#include <stdbool.h>

/*
 * Reports on what became of a message: delivery status notifications (RFC 3464, 6522, 6533), and the bounces
 * of Exim (X-Failed-Recipients) and qmail (QSBMF), which have a form of their own. A report never counts as a
 * delivery of the message that it quotes.
 */

/* Whether a message is such a report, by its header and the first lines of its body. */
bool report_is_one(struct span kept);

/* Whether it may be one, as far as its header alone tells. */
bool report_may_be_one(struct span header);

/*
 * Reads one: the token that it quotes, in the returned message or its header, or as Original-Envelope-Id, and
 * what it says of the recipient that fared worst. 1 = both are filled in, its texts are in the arena and fit
 * to be shown; 0 = it is no report, it quotes no token, or it says of nobody what became of the message.
 * Only the action "failed" tells of a loss.
 */
int report_read(struct arena *a, struct span kept, char token_r[MESSAGE_TOKEN_SIZE], struct bounce *bounce_r);

#endif
