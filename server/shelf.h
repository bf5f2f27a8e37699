/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SHELF_H
#define SERVER_SHELF_H

#include "config/snapshot.h"
#include "server/runs.h"

#include <stdatomic.h>

/*
 * What is kept about a target, by its name: a place for each kind of plan that was asked for. A reload hands
 * shelves on to the new config's targets; one whose target is gone lives as long as somebody holds it. Any
 * thread may hold it, but what is on it is for the loop that runs the target.
 */
struct job;

struct place {
    struct place *next;
    enum phase stop_after;
    bool fresh;
    struct job *job;           /* under way, or null */
    struct record *latest;     /* or null */
    struct record *last_known; /* the latest whose status is not unknown, or null */
    struct result *last_ok;    /* the latest that passed, or null */
};

/* What other loops may see of a shelf: of the target's regular plan, as its place has them. */
struct shelf_front {
    struct record *latest;
    struct record *last_known;
};

struct shelf {
    atomic_uint references;
    int64_t outdated_us; /* what began before is no answer any more */
    struct place *places;
    struct shelf_front front; /* the only part that is not its loop's alone */
};

struct shelf *shelf_new(void); /* with one reference */
struct shelf *shelf_ref(struct shelf *shelf);
void shelf_unref(struct shelf *shelf); /* null is fine */

/* The place of that kind, made when it is not there. */
struct place *shelf_place(struct shelf *shelf, enum phase stop_after, bool fresh);

/* A run of the place's kind has ended. One that began before the latest did is older news, and not kept. */
void shelf_keep(const struct shelf *shelf, struct place *place, struct record *record);

/* What began until now is no answer any more, nor does it stand in for one. Runs under way are left to those
 * who wait for them. */
void shelf_outdate(struct shelf *shelf);

/* The front becomes what the place has; or is looked at through a place, which has to be given back. Under a
 * lock that all have. */
void shelf_set_front(struct shelf *shelf, const struct place *place);
void shelf_look(const struct shelf *shelf, struct place *seen_r);
void shelf_look_away(struct place *seen); /* needs no lock */

#endif
