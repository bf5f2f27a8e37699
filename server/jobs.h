/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_JOBS_H
#define SERVER_JOBS_H

#include "config/snapshot.h"
#include "probe/result.h"
#include "probe/token.h"
#include "probe/verify/ledger_row.h"
#include "probe/verify/mailbox.h"
#include "server/away.h"
#include "server/guests.h"
#include "server/log.h"
#include "server/metrics.h"

#include <uv.h>

/*
 * The runs of one loop: those under way, who waits for them, what they showed, and what became of their
 * messages. Equal plans share: a target asked for twice at once is dialled once. A run goes on to its own end
 * whoever waits or leaves, and its result is kept. Every result that is given out shows its deliveries as
 * they stand at that moment, one reference of it the taker's.
 */
struct jobs;

/*
 * All jobs of a process that has several loops, each in a thread of its own. A target belongs to one of them
 * (server/owner.h); what is asked of the others' targets goes over to them and comes back, unseen by who
 * asks. Freed after all of them.
 */
struct jobs_crew;
struct jobs_crew *jobs_crew_new(unsigned count);
void jobs_crew_free(struct jobs_crew *crew); /* null is fine */

struct jobs_order {
    uv_loop_t *loop;
    struct log *log;           /* kept */
    struct snapshot *snapshot; /* the jobs take a reference of their own */
    unsigned max_runs;         /* 0: as the snapshot says */
    struct token_key key;      /* under which tokens are made */
    /* Messages under that key that are none of these jobs' stay where they are, however old: a service may
     * wait for them, or come back to do so. */
    bool keep_leftovers;
    struct jobs_crew *crew;  /* null: they are alone, and all targets theirs */
    unsigned index;          /* in the crew */
    struct away *away;       /* of the loop: what is asked of others; freed after the jobs */
    struct run_gates *gates; /* of the crew; freed after all of them */
};

struct jobs *jobs_new(const struct jobs_order *order);

/* The gates of a crew, as that order has its limits. */
struct run_gates *jobs_gates_new(const struct jobs_order *order);

struct jobs_ask {
    const struct snapshot_target *target; /* of the jobs' present snapshot, or the guest's */
    const struct guest *guest;            /* null: the target is of the config */
    enum phase stop_after;                /* PHASE_COUNT: as the target says */
    int64_t max_age_us; /* how old a kept result may be; CLOCK_NONE: the target's cache_ttl, or its interval
                           and timeout where it runs by itself */
    int64_t timeout_us; /* how long this caller waits in all; CLOCK_NEVER: as long as the run takes */
    int64_t wait_us; /* and, from the run's end, for deliveries; CLOCK_NONE: the target's wait, or not at all
                        where it runs by itself */
    bool fresh;      /* a run of its own, with all its messages whatever min_send_interval says */
    const char *at_hand; /* nobody may wait: see jobs_at_hand. A sentence that lives on; null: he may */
};

/* A kept result of an equal plan that is young enough (its age counts from the run's end) and for which
 * nothing is left to wait; or null, also where only another loop knows. */
struct result *jobs_recall(const struct jobs *jobs, const struct jobs_ask *ask);

/* Whether there is such a result, be there something left to wait for or not. */
bool jobs_knows(const struct jobs *jobs, const struct jobs_ask *ask);

/* What can be said at once, without a run, to an ask that says at_hand: a kept result as jobs_recall gives
 * it, the last known verdict as stale, or unknown with the reason in that sentence. Null where only another
 * loop knows: then jobs_wait brings it from there. */
struct result *jobs_at_hand(struct jobs *jobs, const struct jobs_ask *ask);

/* The same for a target that is out of service: failed with reason and flag drained, and that message. */
struct result *jobs_drained(struct jobs *jobs, const struct snapshot_target *target, const char *message);

/* What is kept of the target, and what its runs under way will show, tells how it was and not how it is: no
 * ask from now on is answered with it. */
void jobs_outdate(struct jobs *jobs, const struct snapshot_target *target);

/* Called once, from the loop, never from inside jobs_wait. */
typedef void jobs_done(void *context, struct result *result);

/* Waits for deliveries of a kept result, joins the run of an equal plan that is under way, or begins one.
 * When the caller's own timeout fires first, it gets the dialogue as far as it came, with reason deadline.
 * Never null: once jobs_stop was called a run that would begin is stopped before it does, and so ends as
 * unknown. */
struct jobs_waiter;
struct jobs_waiter *jobs_wait(struct jobs *jobs, const struct jobs_ask *ask, jobs_done *done, void *context);

/* The caller waits no longer; done is not called. */
void jobs_leave(struct jobs_waiter *waiter);

/* Whether the target's runs are these jobs' own, and not another loop's. */
bool jobs_own(const struct jobs *jobs, const struct snapshot_target *target);

/*
 * Of a crew, from here to jobs_waiting, and for jobs_outdate, all loops have to stand still (server/hold.h):
 * these see all of it.
 *
 * The last result of the target's whole plan (runs cut short by stop_after aside), of this config or of one
 * in which it was the same; or null. */
struct result *jobs_latest(const struct jobs *jobs, const struct snapshot_target *target);

/* The past run of that id; or null. */
struct result *jobs_find(const struct jobs *jobs, const char *id);

/* What all count, together; and how many targets are told apart in it. */
size_t jobs_metrics_count(const struct jobs *jobs);
struct metrics_sum *jobs_metrics_sum(const struct jobs *jobs, struct arena *arena);

/* Runs out of the line and not over, and in line. */
unsigned jobs_in_flight(const struct jobs *jobs);
unsigned jobs_waiting(const struct jobs *jobs);

/* Targets that are not in the config, of the present one; forgotten when another takes its place. */
struct guests *jobs_guests(const struct jobs *jobs);

/* What the jobs count; others may count there, too. */
struct metrics *jobs_metrics(const struct jobs *jobs);

/* What mailboxes tell (struct mailbox_events): see there. A message that is none of ours is forgotten. */
void jobs_seen(struct jobs *jobs, const struct sighting *sighting);
bool jobs_may_remove(struct jobs *jobs, const char *mailbox, const char *id);
void jobs_unremoved(struct jobs *jobs, const char *mailbox, const char *id);
void jobs_looked(struct jobs *jobs, const char *mailbox, int64_t began_us, const char *why);

/* A sink cannot take what comes, for reasons of ours, or can again: what is not seen meanwhile is unverified
 * and not lost. */
void jobs_blind(struct jobs *jobs, const char *mailbox, bool blind);

/* What is asked of mailboxes; null: nobody is there to be asked, and each look is over a turn of the loop
 * later. The wishes are kept. */
void jobs_set_mailboxes(struct jobs *jobs, const struct mailbox_wishes *wishes, void *context);

/* Who keeps what must outlive a restart (it is kept); null: nobody does. Before the first run. What was kept
 * is then told by jobs_restore, the oldest first, before mailboxes tell anything. */
void jobs_set_keeper(struct jobs *jobs, const struct ledger_keeper *keeper, void *context);
void jobs_restore(struct jobs *jobs, const struct ledger_row *row);

/* The save of that serial, of that token, is safe, and with it each one before. */
void jobs_saved(struct jobs *jobs, const char *token, uint64_t serial);

/* From now on this is the config. Runs under way keep theirs. What was kept answers no ask any more, but for
 * targets that run by themselves and whose plan stays; and where that stays it stands in for unknown.
 * max_runs as in the order. */
void jobs_reload(struct jobs *jobs, struct snapshot *snapshot, unsigned max_runs);

/* No run gets any further than its beginning any more. Those under way have the grace to end, then they are
 * stopped. Nobody waits for deliveries any more. Stopped is called once, later, when the last run is over and
 * every waiter was answered. A second call only changes the grace. */
typedef void jobs_stopped(void *context);
void jobs_stop(struct jobs *jobs, unsigned grace_ms, jobs_stopped *stopped, void *context);

/* Nobody may wait any more. Runs that are still under way are stopped. Memory follows from the loop. */
void jobs_free(struct jobs *jobs); /* null is fine */

#endif
