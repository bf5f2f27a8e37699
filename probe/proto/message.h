/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_MESSAGE_H
#define PROBE_PROTO_MESSAGE_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/token.h"

#include <stddef.h>
#include <stdint.h>

/*
 * How the messages that a client sends are found again: each has a token (probe/token.h), in the field
 * X-Ehlod-Token and in the Message-ID.
 */
#define MESSAGE_TOKEN_DIGITS TOKEN_DIGITS
#define MESSAGE_TOKEN_SIZE   TOKEN_SIZE

/*
 * The token of a message: 1 = token_r is filled, 0 = it has none. It stands in the field X-Ehlod-Token of the
 * message's own header, else (servers take fields away) in its Message-ID; never in its body, since whoever
 * forwards a message of ours, answers it or reports on it quotes it there. Whether it was made by us is for
 * token_check to say.
 */
int message_token_of(struct span message, char token_r[MESSAGE_TOKEN_SIZE]);

/* "<TOKEN@HOST>", the host as we greet. */
const char *message_id(struct arena *a, const char *token, const char *host);

/*
 * A message as it goes over the wire after 354 (RFC 5321 section 4.5.2): every line ends with CRLF, whatever
 * it ended with (CR, LF or both); a leading dot is doubled; a lone dot ends it.
 */
struct span message_wire(struct arena *a, struct span text);

#endif
