/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROMETHEUS_H
#define SERVER_PROMETHEUS_H

#include "server/desk.h"
#include "server/question.h"

/* What Prometheus asks for beside /probe (server/probe.h). */
void prometheus_metrics(struct desk *desk, struct question *q); /* /metrics */
void prometheus_sd(struct desk *desk, struct question *q);      /* /sd */

/* All that /metrics shows, as metrics_apart_gather has it; the context is the desk. */
void prometheus_gather(void *context, struct arena *arena, struct metrics_own *own_r);

/* The format that the client likes best. */
enum exposition_format prometheus_format(const struct question *q);

#endif
