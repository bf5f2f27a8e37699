/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_TLS_RECORD_H
#define PROBE_NET_TLS_RECORD_H

#include "probe/base/span.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Follows the records of a TLS stream (RFC 8446 section 5.1) from outside, however the bytes are cut: where
 * one ends, so that what is in it has a time, how many there were, and whether it is TLS at all.
 * A zeroed one stands at the beginning of a stream.
 */
#define TLS_RECORD_HEADER 5

struct tls_record {
    unsigned char head[TLS_RECORD_HEADER]; /* of the record under way */
    size_t head_len;
    size_t left;  /* of its body, once the header is there */
    size_t count; /* records that were whole */
    bool too_long;
};

enum tls_record_found {
    TLS_RECORD_PART,  /* the bytes are used up, the record is not whole */
    TLS_RECORD_WHOLE, /* a record ended */
    TLS_RECORD_WRONG  /* this is no record; the first byte that is wrong is the first of rest */
};

/* Takes what belongs to the record under way off the front of rest; *piece_r is what was taken. */
enum tls_record_found tls_record_take(struct tls_record *r, struct span *rest, struct span *piece_r);

/* The name of an alert (RFC 8446 appendix B.2, RFC 5246 section A.3), "handshake_failure"; of another
 * number "unknown". */
const char *tls_record_alert(int number);

#endif
