/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_PROTO_SINK_PEER_H
#define TESTS_UNIT_PROBE_PROTO_SINK_PEER_H

#include "probe/proto/sink.h"

#define SINK_PEER_GREETING "220 sink.example.org ESMTP\r\n"
#define SINK_PEER_EHLO                                                                                       \
    "250-sink.example.org\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"        \
    "250 ENHANCEDSTATUSCODES\r\n"
#define SINK_PEER_RELAYING "550 5.7.1 Relaying denied: mail is taken for domains of our own alone\r\n"

/* A client of the sink: says things, and hears what is answered. Time stands still unless a test moves it. */
struct sink_peer {
    struct sink sink;
    struct sink_policy policy;
    struct buffer heard;
    struct buffer taken; /* every message: envelope, size and text */
    size_t kept;         /* octets of the last one's text that were shown */
    uint64_t body;       /* and its fingerprint */
    size_t piece;        /* so many bytes are sent at once; 0 = all */
    int64_t now_us;
};

/* A session that has greeted; of this protocol, with STARTTLS or without. */
void sink_peer_begin(struct sink_peer *p, size_t piece);
void sink_peer_begin_as(struct sink_peer *p, size_t piece, enum protocol protocol, bool tls);
void sink_peer_end(struct sink_peer *p);

/* Begun, and EHLO is said; or all up to DATA, too, for one recipient. */
void sink_peer_greet(struct sink_peer *p, size_t piece);
void sink_peer_begin_message(struct sink_peer *p, size_t piece);

void sink_peer_send(struct sink_peer *p, const char *data, size_t len);
void sink_peer_say(struct sink_peer *p, const char *text);
void sink_peer_say_much(struct sink_peer *p, size_t len); /* so many x */
void sink_peer_listen(struct sink_peer *p);

/* Requires that this was heard since the last time. */
void sink_peer_heard(struct sink_peer *p, const char *wanted);

bool sink_peer_is_done(const struct sink_peer *p);

#endif
