/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_DNS_ANSWER_H
#define PROBE_NET_DNS_ANSWER_H

#include "probe/net/dns.h"

/*
 * What came back to a question, and what it means. Pure but for one look at whether this machine can open
 * sockets at all. Private to dns*.c, and for tests.
 */
struct dns_reply {
    const char *name;    /* that was asked for */
    const char *servers; /* whom, for people */
    int status;          /* as c-ares says it */
    const unsigned char *packet;
    int len;
    bool closer; /* shown as it came, truncated ones too */
};

/* Each fills in the whole answer. */
void dns_answer_read(const struct dns_reply *reply, enum dns_type type, struct dns_answer *answer_r);
void dns_answer_read_mx(const struct dns_reply *reply, struct dns_mx_answer *answer_r);

/* Keeps the address unless it is there already; sets many when there is no room. */
void dns_answer_keep(struct dns_answer *answer, int family, const void *bytes);

#endif
