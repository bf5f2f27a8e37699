/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CHECK_H
#define SERVER_CHECK_H

#include "server/desk.h"
#include "server/question.h"

/* The questions that runs answer. The path and the names of the parameters have been checked. */
void check_one(struct desk *desk, struct question *q);  /* /check/{target} */
void check_all(struct desk *desk, struct question *q);  /* /check */
void check_past(struct desk *desk, struct question *q); /* /runs/{id} */

/* An ask without parameters: as the target says. */
extern const struct jobs_ask check_plain_ask;

/* What is unknown to one in the reserve, who may not wait for a run. */
#define CHECK_RESERVED "all connections but those kept for health checks are in use"

/* Refuses with the nearest name; parameter as in question_refuse. */
void check_refuse_name(const struct desk *desk, struct question *q, const char *name, int status,
                       const char *parameter);

#endif
