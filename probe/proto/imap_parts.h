/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_IMAP_PARTS_H
#define PROBE_PROTO_IMAP_PARTS_H

#include "probe/proto/imap.h"
#include "probe/proto/imap_parse.h"

/* The parts of imap.c among themselves. */

/* An untagged response, taken for what the state waits for; what nobody asked for is counted. 0, or -1: the
 * client has failed. */
int imap_hear(struct imap *im, const struct imap_reply *reply);

/* The octets that literals may have in a response, as the state goes. */
size_t imap_most_literal(const struct imap *im);

/* Whether it is one of those. */
bool imap_is_among(const uint32_t *uids, size_t count, uint32_t uid);

/* Fails, with that sentence; always IMAP_FAILED. */
enum imap_state imap_fail(struct imap *im, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The server's words as they may be shown: in quotes, on one line, cut. */
const char *imap_quote_words(struct arena *a, struct span words);

/* What a response code (RFC 9051 section 7.1, RFC 5530) means, in our words; null: nothing that helps. */
const char *imap_code_words(struct span code);

#endif
