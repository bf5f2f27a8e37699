/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RUN_EACH_STATE_H
#define PROBE_RUN_EACH_STATE_H

#include "probe/base/arena.h"
#include "probe/net/mx.h"
#include "probe/run_each.h"

/* What several runs are. Private to run_each*.c. */
struct run_each_part {
    struct run_each *each;
    struct plan plan;       /* of this run alone */
    const char *id;         /* null = this place is free */
    struct address address; /* the only one that it dials; AF_UNSPEC = there may be several */
    struct run *run;        /* null = it is over */
    struct result *result;  /* null = it is not */
};

struct run_each_host {
    struct run_each *each;
    const char *name;
    struct lookup *lookup; /* under way, or null */
    size_t first, most;    /* the places of its parts */
};

struct run_each {
    struct run_net *net;
    struct plan plan; /* the caller's */
    const char *id;
    const char *vantage;
    const struct result *last_ok;
    const char *(*name)(void *context);
    void (*part_over)(void *context, struct result *result);
    run_done *done;
    void *context;

    int64_t asked_us;
    int64_t asked_wall_us;
    uv_timer_t *turn; /* ends it from the loop when it was stopped with nothing under way */
    struct mx *mx;    /* under way, or null */
    bool implicit;    /* the domain has no MX record */
    bool stopped;
    struct result_failure failure; /* why there are no hosts */
    uint64_t flags;
    struct run_each_host hosts[PLAN_MAX_ADDRESSES];
    size_t host_count;
    struct run_each_part parts[PLAN_MAX_ADDRESSES]; /* those of each host in a row, some places free */
    struct arena arena;
};

/* The whole as it stands. limit_us: as if its time had been over now, for one who waits no longer than that;
 * CLOCK_NONE = it is over. */
struct result *run_each_show(const struct run_each *each, int64_t limit_us);

#endif
