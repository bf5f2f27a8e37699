/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RUN_STATE_H
#define PROBE_RUN_STATE_H

#include "probe/drive.h"
#include "probe/net/dial.h"
#include "probe/net/lookup.h"
#include "probe/proto/client.h"
#include "probe/run_net.h"

/* What a run is. Private to run*.c. */
enum stage { STAGE_LINE, STAGE_START, STAGE_DNS, STAGE_CONNECT, STAGE_DIALOGUE };

struct run {
    struct run_net *net;
    struct plan plan; /* the caller's */
    const struct result *last_ok;
    run_done *done;
    void *context;
    run_watch *watch;
    void *watch_context;

    enum stage stage;
    int64_t stage_us; /* when it began */
    int64_t asked_us; /* when the run was asked for */
    int64_t asked_wall_us;
    int64_t queued_us; /* when it was in line, or past it: later than asked for where names were known */
    int64_t ends_us;   /* its deadline */
    struct run_place place;
    int64_t line_us;                   /* how long it was in line */
    const char *refused;               /* the line was full: what there is to say of it */
    bool is_literal;                   /* the host is an address or a path; it is the first of addresses */
    const struct lookup_answer *known; /* it has been looked up before; null = it has not */
    uv_timer_t *turn; /* begins and stops the run from the loop, and ends its waiting in line */
    struct lookup *lookup;
    struct address addresses[LOOKUP_MAX_ADDRESSES];
    size_t address_count;
    struct dial dial;
    struct drive drive;
    struct client client;
    struct arena arena;
    struct result draft;
};

/* The phase a stage counts to. A literal is not looked up: it begins with connecting. */
enum phase run_show_phase(const struct run *r);

/* "waited 1.234 s in line: 1000 runs were under way (server.max_runs)" */
const char *run_show_line(const struct run *r, struct arena *arena, int64_t now_us);

/* When the run started: later than it was asked for by what it has waited. */
void run_show_start(const struct run *r, struct result *draft, int64_t now_us);

/* Of a run whose dialogue has not begun: start, duration, and how far the present stage came. */
void run_show_stage(const struct run *r, struct result *draft, int64_t now_us);

/* What drives the dialogue of a run that is watched: the engine is the run, not its client. */
extern const struct seam run_watch_seam;

/* What the handshake has shown so far. */
void run_show_tls(const struct run *r, struct arena *arena, struct result *draft);

/* The end of every result: completes the draft (the run's or a copy) and publishes it. since_us is from when
 * on whoever sees it has been waiting for it, limit_us as in client_finish. */
struct result *run_show(const struct run *r, struct arena *arena, struct result *draft, int64_t now_us,
                        int64_t since_us, int64_t limit_us);

#endif
