/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_PACE_H
#define PROBE_VERIFY_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a store that has to be asked is looked into next: often while a message is expected, the less often
 * the longer it does not come, also beyond its time; seldom else; and after a failure with growing patience.
 * No clock: times are given. All are monotonic microseconds.
 */
struct pace_limits {
    int64_t first_us;    /* from an expectation to the first look */
    int64_t most_us;     /* between looks while a message is expected */
    int64_t idle_us;     /* else */
    int64_t patience_us; /* at most after failures */
};

struct pace {
    const struct pace_limits *limits;
    int64_t step_us;     /* to the next look */
    int64_t expected_us; /* until then one is; CLOCK_NONE = never */
    int64_t failing_us;  /* how long to wait after the last failure; 0 = it was none */
    bool at_once;        /* somebody waits for a look */
};

void pace_init(struct pace *p, const struct pace_limits *limits);

/* A message is under way that ought to be there by until_us: from now on looks come often again. */
void pace_expect(struct pace *p, int64_t until_us);

/* Somebody waits for a look that begins after this. */
void pace_ask(struct pace *p);

/* A look begins: whoever asked before it is served by it. */
void pace_begin(struct pace *p);

/* The look is over. When the next one is due: now_us where somebody has asked meanwhile. A look that was
 * asked for after a failure comes no sooner than first_us, so that a broken server is not hammered. */
int64_t pace_next(struct pace *p, bool good, int64_t now_us);

/* Likewise, when nothing was looked into: after pace_expect or pace_ask, with the time that is set now. */
int64_t pace_sooner(const struct pace *p, int64_t due_us, int64_t now_us);

#endif
