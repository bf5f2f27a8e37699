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

/* What a network of the loop's own shares between its runs: the resolver. One for each loop. */
struct run_net;

/* The resolver reads hosts file and resolv.conf. Never null: when the resolver cannot be made, each run
 * that needs a name ends as unknown. */
struct run_net *run_net_new(uv_loop_t *loop);
/* Likewise, but the resolvers are these, "127.0.0.1:5353" or several with commas, whatever resolv.conf says.
 * For tests. */
struct run_net *run_net_new_with(uv_loop_t *loop, const char *servers);
/* All runs must be over. Closes its handles; they are gone after the loop has run once more. */
void run_net_free(struct run_net *net);

struct run_order {
    const struct plan *plan; /* the caller keeps it until done was called */
    const char *id;          /* these three are copied */
    const char *vantage;
    const struct result *last_ok; /* the last passed run of the target, or null; borrowed until done */
};

/* The run is over: the result is the callee's (one reference). Called once, from the loop, never from
 * inside run_start. The run itself is gone after this returns. */
typedef void run_done(void *context, struct result *result);

struct run *run_start(struct run_net *net, const struct run_order *order, run_done *done, void *context);

/* The run as it stands, as if its time had been over now: what a caller who waits no longer is shown.
 * It says deadline with limit_us as the limit, unless its verdict was reached already. The run goes on. */
struct result *run_peek(const struct run *run, int64_t limit_us);

/* Ends the run as soon as it can do so politely: QUIT when no reply is owed, else the connection is just
 * closed. Done is called, later, with status unknown and reason local_resource if no verdict was reached. */
void run_stop(struct run *run);

#endif
