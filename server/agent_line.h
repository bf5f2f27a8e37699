/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_AGENT_LINE_H
#define SERVER_AGENT_LINE_H

#include "probe/result.h"

#include <stdbool.h>
#include <stddef.h>

/* What HAProxy's agent-check is told, as one line of its small language. Pure. */

/* How a target is. */
struct agent_verdict {
    const struct result *result; /* null: nothing is known */
    bool drained;                /* out of service: the result does not matter */
    bool maint;                  /* and HAProxy is not to look after it either */
    bool back;                   /* in service again, since a short time */
};

/*
 * up, down, drain, maint, or nothing, which changes nothing. Several targets are up when all of them are, and
 * drained when all of them are: in maintenance only when that is said of each. Unknown is down when it is to
 * count as bad, else nothing. One that is back says ready, too: only the agent that has said drain or maint
 * can take it back. Without targets nothing is said. With its line feed.
 */
#define AGENT_LINE_SIZE 256
size_t agent_line(const struct agent_verdict *verdicts, size_t count, bool unknown_is_bad,
                  char out_r[AGENT_LINE_SIZE]);

/* A reason to be down, which may have any bytes: what cannot be shown is ?, and it is cut. */
size_t agent_line_down(bool back, const char *reason, char out_r[AGENT_LINE_SIZE]);

#endif
