/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROBE_H
#define SERVER_PROBE_H

#include "server/desk.h"
#include "server/question.h"

/* /probe, for Prometheus. The names of the parameters have been checked. */
void probe_run(struct desk *desk, struct question *q);

#endif
