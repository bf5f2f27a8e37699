/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How many file descriptors the service may need at a time, and what it makes do with when the system gives
 * it fewer: so that it is never out of them, and a shortage of ours is never taken for a mail server's fault.
 */
struct descriptors_want {
    unsigned workers;     /* loops */
    size_t places;        /* that are listened at, and receive mail */
    size_t receivers;     /* of mail, among them */
    size_t stores;        /* of mail, that are looked into */
    size_t files;         /* that stay open */
    unsigned connections; /* HTTP, reserve aside */
    unsigned reserve;
    unsigned runs;
    unsigned sessions; /* of each receiver */
};

/* What is in force: at most what was wanted, and at least one of each. */
struct descriptors_have {
    unsigned connections;
    unsigned reserve;
    unsigned runs;
    unsigned sessions;
};

size_t descriptors_sum(const struct descriptors_want *want);

/* With fewer than these it cannot even begin. */
size_t descriptors_least(const struct descriptors_want *want);

/* Pure. Everything when it fits; else all of it in proportion, but a good reserve. */
struct descriptors_have descriptors_share(size_t limit, const struct descriptors_want *want);

/* Pure. How many runs fit beside the rest of what is wanted: at most want->runs, at least one. */
unsigned descriptors_runs(size_t limit, const struct descriptors_want *want);

/* As many as the system lets us have; how many that are. */
size_t descriptors_raise(void);

#endif
