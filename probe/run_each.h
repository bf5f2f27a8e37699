/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_RUN_EACH_H
#define PROBE_RUN_EACH_H

#include "probe/run.h"

/*
 * One plan as several runs side by side: one for each host that takes the mail of a domain (mx), one for each
 * address of a host (family: each), or both. Each of them, a part, is a run like any other, with a result of
 * its own; together they have one more, which shows the worst of them and lists all (attempts).
 */
struct run_each;

struct run_each_order {
    struct run_order run; /* of the whole, whose plan is several (plan_is_several); begun is not looked at */
    /* A name for one more run; copied. The context is that of done, here and below. */
    const char *(*name)(void *context);
    /* A part is over; its result is lent. Called from the loop, before done. */
    void (*part_over)(void *context, struct result *result);
};

/*
 * As run_start, run_peek and run_stop (run.h), and in their place. The parts wait in line and before
 * addresses like other runs; the whole has no place of its own, so it takes none from them. The plan's
 * timeout bounds all of it: a part has what is left of it when its host has been looked up.
 */
struct run_each *run_each_start(struct run_net *net, const struct run_each_order *order, run_done *done,
                                void *context);
struct result *run_each_peek(const struct run_each *each, int64_t limit_us);
void run_each_stop(struct run_each *each);

#endif
