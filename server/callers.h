/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CALLERS_H
#define SERVER_CALLERS_H

#include "probe/base/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * The connections of those who call: how many there may be, how long each may take, and whether its client is
 * still there. Some seats are a reserve: whoever comes when all others are taken gets one of these, and may
 * only ask for what must always be answered. So does who has a good part of the others already: one address
 * (of IPv6 one /64) cannot take all, nor more than half of the reserve. This machine's own callers stand for
 * others, behind a proxy, and have no such limit. Knows no HTTP.
 */
struct callers;

/* Part of the connection it stands for. */
struct caller {
    struct caller *next;
    struct caller *prev;
    int fd;
    struct address from; /* none of a caller without a limit of its own */
    bool reserved;       /* sits in the reserve */
    bool waiting;        /* for an answer: gone is told when its client has left */
    int64_t deadline_us;
};

typedef void callers_tell(void *context, struct caller *caller);

struct callers_order {
    uv_loop_t *loop;
    unsigned seats; /* reserve aside */
    unsigned reserve;
    unsigned per_address; /* seats, reserve aside; 0: no limit */
    callers_tell *late;   /* its deadline is over, which becomes CLOCK_NEVER */
    callers_tell *gone;
    void *context;
};

struct callers *callers_new(const struct callers_order *order);
void callers_free(struct callers *callers); /* nobody may be there any more; null is fine */

/* Whether nobody is there; whether every seat is taken but the reserve. */
bool callers_are_gone(const struct callers *callers);
bool callers_are_many(const struct callers *callers);

/* What there is for one from there. */
enum callers_seat { CALLERS_SEAT, CALLERS_RESERVE, CALLERS_NONE };
enum callers_seat callers_seat(const struct callers *callers, const struct address *from);

/* There must be a seat. Sets fd, from and reserved. */
void callers_enter(struct callers *callers, struct caller *caller, int fd, const struct address *from);

/* Whether its client is not there any more. */
bool callers_has_left(const struct caller *caller);
void callers_leave(struct callers *callers, struct caller *caller);

/* Moves the caller out of the reserve if it sits there and another seat has become free for it. */
void callers_promote(struct callers *callers, struct caller *caller);

/* For all who are there, in any order. The call may not make anybody leave. */
void callers_each(struct callers *callers, callers_tell *call, void *context);

#endif
