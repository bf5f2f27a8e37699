/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_MESSAGE_H
#define PROBE_PROTO_MESSAGE_H

#include "probe/base/arena.h"
#include "probe/base/span.h"

#include <stddef.h>
#include <stdint.h>

/*
 * How the messages that a client sends are found again. A token is the one thing that
 * tells a message of ours from all others: it stands in the field X-Ehlod-Token and in the Message-ID.
 */
#define MESSAGE_TOKEN_DIGITS 32
#define MESSAGE_TOKEN_SIZE   (sizeof "ehlod-" + MESSAGE_TOKEN_DIGITS)

/* From 16 random bytes: "ehlod-" and 32 hexadecimal digits. */
void message_token(const unsigned char random[MESSAGE_TOKEN_DIGITS / 2], char token_r[MESSAGE_TOKEN_SIZE]);

/*
 * The token in the field X-Ehlod-Token of the message's own header: 1 = token_r is filled, 0 = there is none.
 * A token anywhere else (in a bounce that quotes the message, in a reply to it) does not make it ours.
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
