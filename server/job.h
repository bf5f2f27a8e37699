/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_JOB_H
#define SERVER_JOB_H

#include "probe/run.h"
#include "probe/run_each.h"
#include "server/jobs.h"
#include "server/letters.h"
#include "server/shelves.h"
#include "server/told.h"
#include "server/ulid.h"

/*
 * The inside of the jobs: jobs.c says who shares what, jobs_show.c what is given out of it, jobs_mail.c
 * passes on what mailboxes tell, job.c begins and ends runs, waiter.c has those who wait, jobs_crew.c what
 * several loops see of one another and errand.c what goes over from one to the other. Private to these.
 */
struct waiters {
    struct waiter *first;
    struct waiter *last;
};

/* What who waits holds in his hand: of an errand, or of a waiter of this loop. */
struct jobs_waiter {
    struct errand *errand; /* null: it is the latter */
    jobs_done *done;
    void *context;
};

struct waiter {
    struct jobs_waiter hand;
    struct waiter *next;
    struct waiter *prev;
    struct waiters *in; /* its job's, or those that wait for deliveries */
    struct jobs *jobs;
    struct job *job;       /* null: the run is over */
    struct record *record; /* null: it is not */
    struct shelf *shelf;
    struct place *place; /* on the shelf */
    int64_t began_us;
    int64_t timeout_us;
    int64_t wait_us;
    uv_timer_t timer;
};

/* A run under way. */
struct job {
    struct job *next;
    struct job *prev;
    struct jobs *jobs;
    struct shelf *shelf;
    struct place *place; /* on the shelf */
    struct snapshot *snapshot;
    const struct snapshot_target *target;
    bool guest; /* the target is not of the config */
    struct plan plan;
    struct arena letters; /* what the plan's letters, or its script, are made of */
    struct run *run;      /* one of the two; null = it is several runs */
    struct run_each *each;
    char part_id[ULID_SIZE]; /* the name of its newest run, of several */
    struct result *last_ok;  /* lent to the run */
    struct waiters waiters;
    bool forsaken; /* ends before it began: nobody is shown what comes of it */
};

#define CREW_LOCKS 64

struct jobs_crew {
    unsigned count;
    struct jobs **all; /* by index; null: not yet, or not any more */
    struct shelves *shelves;
    struct runs_sum runs;
    uv_mutex_t locks[CREW_LOCKS]; /* for the fronts of shelves, which are spread over them */
};

struct jobs {
    struct jobs_order order;
    struct run_net *net;
    struct letters *letters;
    struct runs *runs;
    struct told *stale;
    struct guests *guests;
    struct metrics *metrics;
    struct ulid ulid;
    struct job *first;
    bool telling; /* a run is over, and those who waited for it are being answered: they may free the jobs */
    struct waiters settling; /* they wait for deliveries */
    uv_timer_t *settle;      /* answers those for whom nothing is left to wait */
    uv_timer_t *prune;       /* of a crew: old runs go, though nothing is added here; else null */
    uv_timer_t grace;
    bool stopping;
    bool freeing;
    jobs_stopped *stopped; /* null: not stopping, or told already */
    void *stopped_context;
    struct shelves *shelves; /* the crew's, or these jobs' own */
};

/* jobs.c: the last run is over, or the jobs are to go and none is under way. */
void jobs_over(struct jobs *jobs);

/* The target's name where the present config has it, else null. */
const char *jobs_known_name(const struct jobs *jobs, const char *target);

/* The config that the ask's target is of. */
struct snapshot *jobs_snapshot(const struct jobs *jobs, const struct jobs_ask *ask);

/* jobs_show.c: the record as it is given out now; what there is yet of a run under way (peek is taken);
 * the record with its deliveries alone. */
struct result *jobs_show(const struct jobs *jobs, const struct place *place, const struct record *record);
struct result *jobs_show_peek(const struct jobs *jobs, const struct job *job, struct result *peek);
struct result *jobs_show_record(const struct jobs *jobs, const struct record *record);

/* The result of a run that never was, in which an older verdict may stand in for that place. */
struct result *jobs_show_none(struct jobs *jobs, const struct place *place, const struct jobs_ask *ask,
                              const struct plan *plan);

/* Whether it is worth waiting for the record's deliveries, for one who waits so long from the run's end. */
bool jobs_is_worth_waiting(const struct jobs *jobs, const struct record *record, int64_t wait_us);

/* jobs_mail.c: with the old config, which may be null, and the new one, before that counts. */
void jobs_follow_mail(struct jobs *jobs, const struct snapshot *old, const struct snapshot *snapshot);

/* jobs_crew.c: whose the ask's runs are, by index, and whether they are these jobs' loop's; the shelf of a
 * target of the present config, whosever it is; shows all loops what the place has, where that is what others
 * ask for. */
unsigned jobs_owner(const struct jobs *jobs, const struct jobs_ask *ask);
bool jobs_own_ask(const struct jobs *jobs, const struct jobs_ask *ask);
struct shelf *jobs_shelf(const struct jobs *jobs, const struct snapshot_target *target);
void jobs_share(struct jobs *jobs, struct shelf *shelf, const struct place *place,
                const struct snapshot_target *target);

/* Lets old runs go, now and then. */
void jobs_keep_pruning(struct jobs *jobs);

/* The place of that kind of another loop's target, as far as it may be seen from here: given back with
 * shelf_look_away. True: that is all that there is to know of it. */
bool jobs_look(const struct jobs *jobs, const struct jobs_ask *ask, enum phase stop_after,
               struct place *seen_r);

/* errand.c: jobs_wait and jobs_leave for what is another loop's. */
struct jobs_waiter *errand_begin(struct jobs *jobs, const struct jobs_ask *ask, jobs_done *done,
                                 void *context);
void errand_leave(struct errand *errand);

/* job.c: begins a run of that plan; all of them are to end as soon as they can. */
struct job *job_begin(struct jobs *jobs, struct shelf *shelf, struct place *place, const struct jobs_ask *ask,
                      const struct plan *plan);
void job_stop_all(struct jobs *jobs);

/* Nobody waits for it any more. One that is still in line is not begun: whoever asks from now on gets a run
 * of his own. One that has begun goes on, and is kept. */
void job_forsake(struct job *job);

/* The run as it stands, for one who waited that long; as run_peek. */
struct result *job_peek(const struct job *job, int64_t limit_us);

/* waiter.c: one who waits for nothing yet, then for a run, then for the deliveries of its record, for which
 * it may be answered at once. A waiter that waits for deliveries is answered with what it has by
 * waiter_answer. */
struct waiter *waiter_new(struct jobs *jobs, struct shelf *shelf, struct place *place,
                          const struct jobs_ask *ask, int64_t wait_us, jobs_done *done, void *context);
void waiter_wait_for_run(struct waiter *w, struct job *job);
void waiter_wait_for_deliveries(struct waiter *w, struct record *record);
void waiter_run_over(struct waiter *w, struct record *record);
void waiter_answer(struct waiter *w);

/* A delivery was settled: who waited for it alone is answered, in the loop's next turn. For letters_new: the
 * context is the jobs. It is logged. */
void waiter_settled(void *context, const char *route, const struct delivery *delivery);

#endif
