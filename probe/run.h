/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RUN_H
#define PROBE_RUN_H

#include "probe/plan.h"
#include "probe/result.h"

#include <uv.h>

/*
 * One run: plan in, result out. Names are resolved, addresses dialled one after another, the dialogue
 * played, all on the caller's loop and never blocking. A sick server is a result, never an error.
 */
struct run;

/* What the runs of a loop share: the resolver, the line in which they wait, and the lines before addresses.
 * One for each loop, and used by no other thread. */
struct run_net;

/* The lines alone, where several loops share them, each in a thread of its own: who came first goes first,
 * whichever loop he is of. */
struct run_gates;

struct run_net_order {
    uv_loop_t *loop;
    const char *servers; /* resolvers, "127.0.0.1:5353" or several with commas; null = as resolv.conf says */
    struct run_gates *gates;  /* their limits count and not those below; null: it has lines of its own */
    unsigned loops;           /* how many share them; 0 with lines of its own */
    unsigned max_runs;        /* under way at once, the others wait; 0 = no limit, here and below */
    unsigned max_waiting;     /* in line; who comes then is turned away, as unknown */
    unsigned max_per_address; /* connections at once to one address and port */
};

/* The resolver reads hosts file and resolv.conf. Never null: when the resolver cannot be made, each run
 * that needs a name ends as unknown. */
struct run_net *run_net_new(const struct run_net_order *order);
/* All runs must be over. Closes its handles; they are gone after the loop has run once more. */
void run_net_free(struct run_net *net);

/* The order's three limits (nothing else of it is looked at), for all loops that share the lines. Higher ones
 * let go on who waits; lower ones leave alone who is under way, or in line already. By the net's own thread,
 * or while that is held. */
void run_net_set_limits(struct run_net *net, const struct run_net_order *order);

/* Of this loop's runs: out of the line and not over, and in line. */
unsigned run_net_in_flight(const struct run_net *net);
unsigned run_net_waiting(const struct run_net *net);

/* With the order's three limits. To be freed after every run_net that has them, by any thread. */
struct run_gates *run_gates_new(const struct run_net_order *order);
void run_gates_free(struct run_gates *gates); /* null is fine */

/* What is known already to a run that is one of several (probe/run_each.h): its time, and with it all that it
 * shows, counts from when all of them were asked for, and so it has its part of the looking up in it. */
struct lookup_answer;
struct run_begun {
    int64_t asked_us;
    int64_t asked_wall_us;
    const struct lookup_answer *answer; /* of looking its host up; copied. Null: the host is an address */
};

/* Something new stands in what the run shows: a connection, a command that was sent, a line of a reply. The
 * draft is as far as the run came, without a verdict, and only to be looked at, until this returns. What the
 * end of the dialogue brings is in the result alone. */
typedef void run_watch(void *context, const struct result *draft);

struct run_order {
    const struct plan *plan; /* the caller keeps it until done was called */
    const char *id;          /* these three are copied */
    const char *vantage;
    const struct result *last_ok;  /* the last passed run of the target, or null; borrowed until done */
    const struct run_begun *begun; /* null: nothing is known, it begins now */
    run_watch *watch;              /* null: nobody looks on */
    void *watch_context;
};

/* The run is over: the result is the callee's (one reference). Called once, from the loop, never from
 * inside run_start. The run itself is gone after this returns. */
typedef void run_done(void *context, struct result *result);

/*
 * Begins, or waits in line until it may. Its timeout counts from here; what it shows (when it started,
 * offsets, duration) counts without the time it has waited, in line and before addresses. When the waiting
 * uses up its time, it is unknown, reason local_resource.
 */
struct run *run_start(struct run_net *net, const struct run_order *order, run_done *done, void *context);

/* The run as it stands, as if its time had been over now: what a caller who waits no longer is shown.
 * It says deadline (or, where it waits for its turn, local_resource) with limit_us as the limit, unless its
 * verdict was reached already. The run goes on. */
struct result *run_peek(const struct run *run, int64_t limit_us);

/* Whether it is in line, and nothing of it has begun. */
bool run_is_waiting(const struct run *run);

/* Ends the run as soon as it can do so politely: QUIT when no reply is owed, else the connection is just
 * closed. Done is called, later, with status unknown and reason local_resource if no verdict was reached. */
void run_stop(struct run *run);

#endif
